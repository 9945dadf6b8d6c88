/* SPDX-License-Identifier: ISC */
/*
 * The records of the spool, as a history: each is kind (1 octet), length (2 octets), payload. Whatever they hold, the state stays one that can be
 * walked, waits in order, and gives a checkpoint that replays to the same.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "qmgr/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct copy {
	struct state *s;
	uint64_t position;
};

static void apply(void *arg, uint16_t kind, struct view payload)
{
	struct copy *c = arg;
	if (state_apply(c->s, c->position++, kind, payload) != ERR_OK)
		abort();
}

static void check(struct state *s, uint64_t position)
{
	struct copy c = { state_new(), position };
	handle at = 0;
	size_t n = 0;
	for (handle h = state_next(s, &at); h != HANDLE_NONE; h = state_next(s, &at), n++) {
		const struct message *m = state_message(s, h);
		if (state_find(s, m->number) != h || state_pending(m) == 0 || state_pending(m) > m->nrcpts)
			abort();
		state_wait(s, h, m->next_try);
	}
	if (n != state_count(s))
		abort();
	if (state_spool(s)) {
		state_checkpoint(s, position, apply, &c);
		if (state_count(c.s) != n)
			abort();
	}
	state_free(c.s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state *s = state_new();
	uint64_t position = 1;
	while (size >= 3) {
		size_t n = le16_get(data + 1);
		if (n > size - 3)
			n = size - 3;
		/* Positions as a hostile journal would give them: now and then one again. */
		position += data[0] >> 4;
		(void)!state_apply(s, position, data[0] & 15, view_make(data + 3, n));
		data += 3 + n;
		size -= 3 + n;
	}
	check(s, position + 1);
	state_free(s);
	return 0;
}
