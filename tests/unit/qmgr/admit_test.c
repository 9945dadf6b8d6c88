/* SPDX-License-Identifier: ISC */
/* What a receiver may and may not put into the spool. */
#include <string.h>

#include "ipc/channel.h"
#include "proto/dsn.h"
#include "qmgr/admit.h"
#include "qmgr/state.h"
#include "tests/unit/qmgr/help.h"

#define NOW 1000000

struct fixture {
	struct seal_key route, login;
	struct buf rcpts, sealed, scratch, out, login_seal;
	struct spool_message m;
	struct admit_refusal why;
};

static int setup(void **state)
{
	static struct fixture f;
	seal_key_random(&f.route);
	seal_key_random(&f.login);
	buf_init(&f.rcpts, SIZE_MAX);
	buf_init(&f.sealed, SIZE_MAX);
	buf_init(&f.scratch, SIZE_MAX);
	buf_init(&f.out, SIZE_MAX);
	buf_init(&f.login_seal, SIZE_MAX);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	buf_fini(&f->rcpts);
	buf_fini(&f->sealed);
	buf_fini(&f->scratch);
	buf_fini(&f->out);
	buf_fini(&f->login_seal);
	return 0;
}

/* Adds a recipient with this route, sealed with this key. */
static void add_route(struct fixture *f, const struct seal_key *key, const char *address, uint8_t notify, const struct ipc_route *r)
{
	buf_reset(&f->scratch);
	buf_reset(&f->sealed);
	assert_int_equal(ipc_route_put(&f->scratch, r), ERR_OK);
	seal_make(key, "route", buf_view(&f->scratch), &f->sealed);
	struct ipc_rcpt c = { .address = view_of(address), .route = buf_view(&f->sealed), .orcpt = VIEW("rfc822;o@else.test"), .notify = notify };
	assert_int_equal(ipc_rcpt_put(&f->rcpts, &c), ERR_OK);
}

/* The same with a route to uid (0: to another host). */
static void add(struct fixture *f, const struct seal_key *key, const char *address, const char *sealed_address, uint32_t uid, uint8_t ours, uint64_t expires)
{
	struct buf targets;
	buf_init(&targets, SIZE_MAX);
	struct ipc_target t = { uid ? 1 : 2, uid, view_of(address) };
	assert_int_equal(ipc_target_put(&targets, &t), ERR_OK);
	struct ipc_route r = { view_of(sealed_address), ours, expires, { buf_view(&targets), 1 } };
	add_route(f, key, address, 0, &r);
	buf_fini(&targets);
}

static void log_in(struct fixture *f, uint8_t door, uint64_t expires)
{
	struct ipc_login l = { VIEW("alice@example.test"), 1001, door, expires, 1 };
	buf_reset(&f->scratch);
	assert_int_equal(ipc_login_put(&f->scratch, &l), ERR_OK);
	seal_make(&f->login, "login", buf_view(&f->scratch), &f->login_seal);
}

static int try(struct fixture *f, enum admit_class class, uint32_t n, const char *sender)
{
	struct admit_keys keys = { &f->route, &f->login };
	struct ipc_commit c = {
		.commit_id = VIEW("0123456789abcdef"),
		.sender = view_of(sender),
		.login = buf_view(&f->login_seal),
		.rcpts = { buf_view(&f->rcpts), n },
		.headers = VIEW("Received: x\r\n"),
		.content = VIEW("Subject: y\r\n\r\n"),
	};
	return admit(&keys, class, &c, NOW, &f->out, &f->m, &f->why);
}

static void takes_mail_for_our_own(void **state)
{
	struct fixture *f = *state;
	add(f, &f->route, "bob@example.test", "bob@example.test", 1002, 1, NOW + 60);
	assert_int_equal(try(f, CLASS_MX, 1, "x@far.example"), ERR_OK);
	assert_int_equal(f->m.rcpts.count, 1);
	assert_int_equal(f->m.class, CLASS_MX);
	assert_int_equal(f->m.size, 27);
	assert_int_equal(f->m.account.n, 0);
}

static void relays_for_no_stranger(void **state)
{
	struct fixture *f = *state;
	add(f, &f->route, "x@far.example", "x@far.example", 0, 0, NOW + 60);
	assert_int_equal(try(f, CLASS_MX, 1, ""), ERR_DENIED);
	assert_string_equal(f->why.status, "5.7.1");
	assert_int_equal(try(f, CLASS_LMTP, 1, ""), ERR_DENIED);
	assert_int_equal(try(f, CLASS_LOCAL, 1, ""), ERR_OK);
	assert_int_equal(try(f, CLASS_RELAY, 1, ""), ERR_OK);
	assert_int_equal(try(f, CLASS_SUBMISSION, 1, ""), ERR_DENIED); /* nobody logged in */
}

static void an_alias_of_ours_may_lead_elsewhere(void **state)
{
	struct fixture *f = *state;
	add(f, &f->route, "away@example.test", "away@example.test", 0, 1, NOW + 60);
	assert_int_equal(try(f, CLASS_MX, 1, ""), ERR_OK);
}

/* RFC 3461 5.2.7.2, 5.2.7.3 (c): what was asked of an alias goes on to its one address whole; to several without SUCCESS, of which one is told. */
static void an_alias_hands_on_what_was_asked(void **state)
{
	struct fixture *f = *state;
	for (uint32_t n = 1; n <= 3; n++) {
		struct buf targets;
		struct spool_recipient r;
		buf_reset(&f->rcpts);
		buf_reset(&f->out);
		buf_init(&targets, SIZE_MAX);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(ipc_target_put(&targets, &(struct ipc_target){ 1, 1000 + i, VIEW("x@example.test") }), ERR_OK);
		struct ipc_route route = { VIEW("team@example.test"), 1, NOW + 60, { buf_view(&targets), n } };
		add_route(f, &f->route, "team@example.test", DSN_SUCCESS | DSN_FAILURE | DSN_EXPAND, &route);
		assert_int_equal(try(f, CLASS_MX, 1, ""), ERR_OK);
		assert_int_equal(f->m.rcpts.count, n);
		struct view rest = f->m.rcpts.bytes;
		for (uint32_t i = 0; i < n; i++) {
			assert_true(spool_recipient_next(&rest, &r));
			assert_int_equal(r.notify, n == 1 ? DSN_SUCCESS | DSN_FAILURE : i == 0 ? DSN_FAILURE | DSN_EXPAND : DSN_FAILURE);
			assert_true(view_eqs(r.orcpt, "rfc822;o@else.test"));
		}
		buf_fini(&targets);
	}
}

static void believes_no_seal_but_lookups_for_this_address(void **state)
{
	struct fixture *f = *state;
	add(f, &f->login, "bob@example.test", "bob@example.test", 1002, 1, NOW + 60); /* another key */
	assert_int_equal(try(f, CLASS_MX, 1, ""), ERR_DENIED);
	buf_reset(&f->rcpts);
	add(f, &f->route, "bob@example.test", "carol@example.test", 1002, 1, NOW + 60); /* another's route */
	assert_int_equal(try(f, CLASS_MX, 1, ""), ERR_DENIED);
	buf_reset(&f->rcpts);
	add(f, &f->route, "bob@example.test", "bob@example.test", 1002, 1, NOW - ADMIT_GRACE - 1); /* long run out */
	assert_int_equal(try(f, CLASS_MX, 1, ""), ERR_DENIED);
	assert_int_equal(f->why.outcome, IPC_LATER);
}

static void takes_submission_with_a_log_in_for_that_door(void **state)
{
	struct fixture *f = *state;
	add(f, &f->route, "x@far.example", "x@far.example", 0, 0, NOW + 60);
	log_in(f, 1, NOW - 600);
	assert_int_equal(try(f, CLASS_SUBMISSION, 1, "alice@example.test"), ERR_OK);
	assert_true(view_eq(f->m.account, VIEW("alice@example.test")));
	assert_int_equal(f->m.tenant, state_tenant(VIEW("alice@example.test"), VIEW_NONE));
	buf_reset(&f->login_seal);
	log_in(f, 2, NOW + 30); /* IMAP's */
	assert_int_equal(try(f, CLASS_SUBMISSION, 1, ""), ERR_DENIED);
	buf_reset(&f->login_seal);
	log_in(f, 1, NOW - ADMIT_GRACE - 1);
	assert_int_equal(try(f, CLASS_SUBMISSION, 1, ""), ERR_DENIED);
	assert_int_equal(f->why.outcome, IPC_LATER);
}

static void delivers_once_to_one_place(void **state)
{
	struct fixture *f = *state;
	add(f, &f->route, "bob@example.test", "bob@example.test", 1002, 1, NOW + 60);
	add(f, &f->route, "robert@example.test", "robert@example.test", 1002, 1, NOW + 60);
	add(f, &f->route, "carol@example.test", "carol@example.test", 1003, 1, NOW + 60);
	assert_int_equal(try(f, CLASS_MX, 3, ""), ERR_OK);
	assert_int_equal(f->m.rcpts.count, 2);
}

static void refuses_controls_in_an_envelope(void **state)
{
	struct fixture *f = *state;
	add(f, &f->route, "bob@example.test", "bob@example.test", 1002, 1, NOW + 60);
	assert_int_equal(try(f, CLASS_MX, 1, "a\r\nBcc: x@example.test"), ERR_DENIED);
	assert_int_equal(try(f, CLASS_MX, 0, ""), ERR_DENIED);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(takes_mail_for_our_own),
		T(relays_for_no_stranger),
		T(an_alias_of_ours_may_lead_elsewhere),
		T(an_alias_hands_on_what_was_asked),
		T(believes_no_seal_but_lookups_for_this_address),
		T(takes_submission_with_a_log_in_for_that_door),
		T(delivers_once_to_one_place),
		T(refuses_controls_in_an_envelope),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
