/* SPDX-License-Identifier: ISC */
#include "scratch.h"

#include <crypt.h>

#include "accounts/change.h"
#include "accounts/password.h"
#include "base/mem.h"
#include "tls/scram.h"

struct world {
	struct change c;
	struct buf why;
};

static void world_open(struct world *w, void **state)
{
	struct scratch *s = *state;

	buf_init(&w->why, 500);
	w->c = (struct change){ .dir = s->dir, .uid_first = 5000, .uid_last = 5003, .now = 7, .why = &w->why };
	assert_int_equal(table_writer_open(s->dir, ENTRY_TABLE, &w->c.w), ERR_OK);
	assert_int_equal(change_domain_add(&w->c, VIEW("Example.Test")), ERR_OK);
}

static void world_close(struct world *w)
{
	buf_fini(&w->why);
	table_writer_close(w->c.w);
}

static uint32_t add(struct world *w, const char *address)
{
	uint32_t uid = 0;

	assert_int_equal(change_account_add(&w->c, view_of(address), VIEW("$y$x"), VIEW("s"), &uid), ERR_OK);
	return uid;
}

static int add_err(struct world *w, const char *address)
{
	uint32_t uid;
	int err = change_account_add(&w->c, view_of(address), VIEW_NONE, VIEW_NONE, &uid);

	/* A refusal always says why. */
	assert_true(err == ERR_OK || buf_len(&w->why) > 0);
	return err;
}

static const char *value(struct world *w, const char *key, char out[500])
{
	struct buf b;

	buf_init(&b, BASE_VALUE_MAX);
	assert_int_equal(table_refresh(table_writer_table(w->c.w)), ERR_OK);
	if (table_get(table_writer_table(w->c.w), view_of(key), &b) == ERR_OK)
		(void)snprintf(out, 500, "%s", buf_str(&b));
	else
		(void)snprintf(out, 500, "-");
	buf_fini(&b);
	return out;
}
#define EXPECT(w, key, text) assert_string_equal(value(w, key, (char[500]){ 0 }), text)

static void domains(void **state)
{
	struct world w;

	world_open(&w, state);
	EXPECT(&w, "domain:example.test", "created=7\npostmaster=\n");
	assert_int_equal(change_domain_add(&w.c, VIEW("example.TEST")), ERR_EXISTS);
	assert_int_equal(change_domain_add(&w.c, VIEW("not a domain")), ERR_INVALID);
	assert_int_equal(change_domain_add(&w.c, VIEW("")), ERR_INVALID);
	(void)add(&w, "alice@example.test");
	assert_int_equal(change_domain_delete(&w.c, VIEW("example.test")), ERR_EXISTS);
	assert_true(view_search(buf_view(&w.why), VIEW("alice@example.test")) != SIZE_MAX);
	uint32_t uid;
	assert_int_equal(change_account_delete(&w.c, VIEW("alice@example.test"), &uid), ERR_OK);
	assert_int_equal(change_domain_delete(&w.c, VIEW("example.test")), ERR_OK);
	assert_int_equal(change_domain_delete(&w.c, VIEW("example.test")), ERR_NOT_FOUND);
	world_close(&w);
}

static void accounts(void **state)
{
	struct world w;
	uint32_t uid;

	world_open(&w, state);
	assert_int_equal(add(&w, "Alice@Example.test"), 5000);
	EXPECT(&w, "account:alice@example.test", "uid=5000\ncreated=7\ndisabled=0\npassword=$y$x\nscram=s\n");
	assert_int_equal(add_err(&w, "alice@example.test"), ERR_EXISTS);
	assert_int_equal(add_err(&w, "alice@elsewhere.test"), ERR_NOT_FOUND);
	assert_int_equal(add_err(&w, "alice"), ERR_INVALID);
	assert_int_equal(add_err(&w, "\"a b\"@example.test"), ERR_INVALID);
	assert_int_equal(add_err(&w, "../x@example.test\n"), ERR_INVALID);
	assert_int_equal(change_account_disable(&w.c, VIEW("alice@example.test"), true), ERR_OK);
	assert_int_equal(change_account_password(&w.c, VIEW("alice@example.test"), VIEW("h"), VIEW("t")), ERR_OK);
	EXPECT(&w, "account:alice@example.test", "uid=5000\ncreated=7\ndisabled=1\npassword=h\nscram=t\n");
	assert_int_equal(change_account_password(&w.c, VIEW("bob@example.test"), VIEW("h"), VIEW("t")), ERR_NOT_FOUND);
	assert_int_equal(change_account_delete(&w.c, VIEW("bob@example.test"), &uid), ERR_NOT_FOUND);
	world_close(&w);
}

static void uids_are_never_given_again(void **state)
{
	struct world w;
	uint32_t uid;

	world_open(&w, state);
	assert_int_equal(add(&w, "a@example.test"), 5000);
	assert_int_equal(change_account_delete(&w.c, VIEW("a@example.test"), &uid), ERR_OK);
	assert_int_equal(uid, 5000);
	assert_int_equal(add(&w, "a@example.test"), 5001);
	EXPECT(&w, "uid:5000", "a@example.test");
	assert_int_equal(add(&w, "b@example.test"), 5002);
	assert_int_equal(add(&w, "c@example.test"), 5003);
	assert_int_equal(add_err(&w, "d@example.test"), ERR_LIMIT);
	world_close(&w);
}

static void a_domain_keeps_a_postmaster(void **state)
{
	struct world w;
	uint32_t uid;

	world_open(&w, state);
	(void)add(&w, "a@example.test");
	(void)add(&w, "b@example.test");
	EXPECT(&w, "domain:example.test", "created=7\npostmaster=a@example.test\n");
	EXPECT(&w, "first-account", "a@example.test");
	assert_int_equal(change_account_delete(&w.c, VIEW("a@example.test"), &uid), ERR_OK);
	EXPECT(&w, "domain:example.test", "created=7\npostmaster=b@example.test\n");
	EXPECT(&w, "first-account", "b@example.test");
	assert_int_equal(change_account_delete(&w.c, VIEW("b@example.test"), &uid), ERR_OK);
	EXPECT(&w, "domain:example.test", "created=7\npostmaster=\n");
	EXPECT(&w, "first-account", "-");
	world_close(&w);
}

static void aliases(void **state)
{
	struct view targets[] = { VIEW("Bob@Example.test"), VIEW("X.Y@Other.Test") }, bad[] = { VIEW("|/bin/sh") };
	struct world w;

	world_open(&w, state);
	assert_int_equal(change_alias_set(&w.c, VIEW("Info@example.test"), targets, 2), ERR_OK);
	EXPECT(&w, "alias:info@example.test", "Bob@example.test\nX.Y@other.test");
	assert_int_equal(change_alias_set(&w.c, VIEW("info@example.test"), bad, 1), ERR_INVALID);
	assert_int_equal(change_alias_set(&w.c, VIEW("info@example.test"), targets, 0), ERR_INVALID);
	assert_int_equal(change_alias_set(&w.c, VIEW("info@other.test"), targets, 2), ERR_NOT_FOUND);
	/* An account of this name would never get mail. */
	assert_int_equal(add_err(&w, "info@example.test"), ERR_EXISTS);
	assert_int_equal(change_domain_delete(&w.c, VIEW("example.test")), ERR_EXISTS);
	assert_int_equal(change_alias_delete(&w.c, VIEW("info@example.test")), ERR_OK);
	assert_int_equal(change_alias_delete(&w.c, VIEW("info@example.test")), ERR_NOT_FOUND);
	world_close(&w);
}

static void passwords(void **state)
{
	struct crypt_data *data = mem_new(sizeof(*data));
	struct buf hash, scram;
	char big[PASSWORD_MAX + 1];

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_null(password_fault(VIEW("geheim")));
	assert_null(password_fault(view_make(big, PASSWORD_MAX)));
	assert_non_null(password_fault(view_make(big, PASSWORD_MAX + 1)));
	assert_non_null(password_fault(VIEW("")));
	assert_non_null(password_fault(VIEW("a\0b")));
	assert_non_null(password_fault(VIEW("a\nb")));
	assert_non_null(password_fault(VIEW("\xff")));
	buf_init(&hash, 512);
	buf_init(&scram, 512);
	assert_int_equal(password_store(VIEW("geheim"), &hash, &scram), ERR_OK);
	assert_true(view_starts(buf_view(&hash), VIEW("$y$")));
	assert_string_equal(crypt_r("geheim", buf_str(&hash), data), buf_str(&hash));
	assert_string_not_equal(crypt_r("Geheim", buf_str(&hash), data), buf_str(&hash));
	assert_true(scram_check(buf_view(&scram), VIEW("geheim")));
	assert_false(scram_check(buf_view(&scram), VIEW("geheim ")));
	buf_fini(&hash);
	buf_fini(&scram);
	free(data);
}

#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(domains), T(accounts), T(uids_are_never_given_again), T(a_domain_keeps_a_postmaster), T(aliases), T(passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
