/* SPDX-License-Identifier: ISC */
#include "tests/unit/qmgr/help.h"

void help_rcpt(struct buf *list, uint8_t kind, uint32_t uid, const char *address)
{
	struct spool_recipient r = { .kind = kind, .uid = uid, .address = view_of(address), .original = view_of(address) };
	assert_int_equal(spool_recipient_put(list, &r), ERR_OK);
}

void help_message(struct buf *out, uint64_t arrived, const char *sender, uint32_t n, const char *commit_id)
{
	struct buf list;
	buf_init(&list, SIZE_MAX);
	for (uint32_t i = 0; i < n; i++)
		help_rcpt(&list, 1, 1000 + i, "someone@example.test");
	struct spool_message m = {
		.arrived = arrived,
		.class = 1,
		.commit_id = view_of(commit_id),
		.sender = view_of(sender),
		.tenant = state_tenant(VIEW_NONE, view_of(sender)),
		.rcpts = { buf_view(&list), n },
		.headers = VIEW("Received: here\r\n"),
		.content = VIEW("Subject: x\r\n\r\nbody\r\n"),
		.size = 36,
	};
	assert_int_equal(spool_message_put(out, &m), ERR_OK);
	buf_fini(&list);
}

void help_result(struct buf *out, uint64_t message, uint64_t at, uint64_t next_try, uint32_t first, const char *outcomes)
{
	struct buf list;
	uint32_t n = 0;
	buf_init(&list, SIZE_MAX);
	for (; outcomes[n]; n++) {
		struct spool_fate f = { .index = first + n, .outcome = outcomes[n] == 'd' ? 0 : outcomes[n] == 'l' ? 1 : 2 };
		assert_int_equal(spool_fate_put(&list, &f), ERR_OK);
	}
	struct spool_result r = { .message = message, .at = at, .next_try = next_try, .fates = { buf_view(&list), n } };
	assert_int_equal(spool_result_put(out, &r), ERR_OK);
	buf_fini(&list);
}

void help_act(struct buf *out, uint64_t message, uint8_t action, uint64_t at)
{
	assert_int_equal(spool_act_put(out, &(struct spool_act){ message, at, action }), ERR_OK);
}

void help_identity(struct buf *out)
{
	assert_int_equal(spool_identity_put(out, &(struct spool_identity){ 0x1234567, 0x9876543210abcdf1, 100 }), ERR_OK);
}

void help_apply(struct state *s, uint64_t position, uint16_t kind, struct buf *b)
{
	assert_int_equal(state_apply(s, position, kind, buf_view(b)), ERR_OK);
	buf_reset(b);
}
