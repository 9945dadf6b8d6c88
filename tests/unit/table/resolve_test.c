/* SPDX-License-Identifier: ISC */
#include "scratch.h"

#include "lookup/resolve.h"
#include "table/entry.h"

struct world {
	struct table_writer *w;
	struct resolver r;
	struct resolved *out;
};

static void put(struct world *w, const char *key, const char *value)
{
	struct delta_change c = { .key = view_of(key), .value = view_of(value) };

	assert_int_equal(table_append(w->w, &c, 1), ERR_OK);
}

#define ACCOUNT(uid) "uid=" #uid "\ncreated=1\ndisabled=0\n"

static void world_open(struct world *w, void **state)
{
	struct scratch *s = *state;

	assert_int_equal(table_writer_open(s->dir, "main", &w->w), ERR_OK);
	w->r = (struct resolver){ .table = table_writer_table(w->w), .delimiter = VIEW("+") };
	w->out = resolved_new();
	put(w, "domain:example.test", "created=1\npostmaster=alice@example.test\n");
	put(w, "domain:empty.test", "created=1\npostmaster=\n");
	put(w, "account:alice@example.test", ACCOUNT(1001));
	put(w, "account:bob@example.test", ACCOUNT(1002));
}

static void world_close(struct world *w)
{
	resolved_free(w->out);
	table_writer_close(w->w);
}

/* The result as text: "1001:alice@example.test elsewhere@x.test", "none", "foreign: …", "later". */
static const char *ask(struct world *w, const char *address, char out[1000])
{
	struct address a;
	int n = 0;

	assert_true(entry_address(view_of(address), &a));
	resolve(&w->r, &a, w->out);
	out[0] = 0;
	if (w->out->outcome == RESOLVE_LATER)
		return "later";
	if (w->out->outcome == RESOLVE_NONE)
		return "none";
	if (w->out->outcome == RESOLVE_FOREIGN)
		n = sprintf(out, "foreign:");
	for (size_t i = 0; i < w->out->count && n < 900; i++) {
		struct view v = resolved_address(w->out, i);

		n += snprintf(out + n, 1000 - (size_t)n, "%s", n ? " " : "");
		if (w->out->targets[i].kind == RESOLVE_LOCAL)
			n += snprintf(out + n, 1000 - (size_t)n, "%u:", w->out->targets[i].uid);
		n += snprintf(out + n, 1000 - (size_t)n, "%.*s", (int)v.n, v.p);
	}
	return out;
}
#define EXPECT(w, address, result) assert_string_equal(ask(w, address, (char[1000]){ 0 }), result)

static void normalises_addresses(void **state)
{
	struct world w;

	world_open(&w, state);
	EXPECT(&w, "alice@example.test", "1001:alice@example.test");
	EXPECT(&w, "Alice@EXAMPLE.test", "1001:alice@example.test");
	EXPECT(&w, "\"alice\"@example.test", "1001:alice@example.test");
	EXPECT(&w, "\"al\\ice\"@example.test", "1001:alice@example.test");
	EXPECT(&w, "nobody@example.test", "none");
	EXPECT(&w, "alice@other.test", "foreign: alice@other.test");
	EXPECT(&w, "Alice.B@Other.Test", "foreign: Alice.B@other.test");
	world_close(&w);
}

static void strips_tags(void **state)
{
	struct world w;

	world_open(&w, state);
	EXPECT(&w, "alice+news@example.test", "1001:alice@example.test");
	EXPECT(&w, "alice+a+b@example.test", "1001:alice@example.test");
	EXPECT(&w, "alice+@example.test", "1001:alice@example.test");
	EXPECT(&w, "+alice@example.test", "none");
	EXPECT(&w, "alice-news@example.test", "none");
	put(&w, "account:alice+own@example.test", ACCOUNT(1003));
	EXPECT(&w, "alice+own@example.test", "1003:alice+own@example.test");
	w.r.delimiter = VIEW("-+");
	EXPECT(&w, "alice-news@example.test", "1001:alice@example.test");
	w.r.delimiter = VIEW_NONE;
	EXPECT(&w, "alice+news@example.test", "none");
	world_close(&w);
}

/* Quoted local parts and old routing signs mean nothing but themselves: look-up only, and never a relay. */
static void takes_odd_local_parts_literally(void **state)
{
	struct world w;

	world_open(&w, state);
	EXPECT(&w, "\"a b\"@example.test", "none");
	EXPECT(&w, "\"alice@x\"@example.test", "none");
	EXPECT(&w, "\"alice+news@x\"@example.test", "none");
	EXPECT(&w, "alice%other.test@example.test", "none");
	EXPECT(&w, "other.test!alice@example.test", "none");
	EXPECT(&w, "\"alice@other.test\"@example.test", "none");
	put(&w, "account:\"a b\"@example.test", ACCOUNT(1004));
	EXPECT(&w, "\"a b\"@example.test", "1004:\"a b\"@example.test");
	world_close(&w);
}

static void postmaster_always_exists(void **state)
{
	struct world w;

	world_open(&w, state);
	EXPECT(&w, "postmaster@example.test", "1001:alice@example.test");
	EXPECT(&w, "PostMaster@example.test", "1001:alice@example.test");
	EXPECT(&w, "\"postmaster\"@example.test", "1001:alice@example.test");
	/* Without any account the message waits; it is not refused. */
	EXPECT(&w, "postmaster@empty.test", "later");
	put(&w, "first-account", "bob@example.test");
	EXPECT(&w, "postmaster@empty.test", "1002:bob@example.test");
	w.r.postmaster = VIEW("bob@example.test");
	EXPECT(&w, "postmaster@example.test", "1002:bob@example.test");
	w.r.postmaster = VIEW("Root@other.test");
	EXPECT(&w, "postmaster@example.test", "Root@other.test");
	/* A substitute that does not exist is passed over. */
	w.r.postmaster = VIEW("gone@example.test");
	EXPECT(&w, "postmaster@example.test", "1001:alice@example.test");
	w.r.postmaster = VIEW("postmaster@example.test");
	EXPECT(&w, "postmaster@example.test", "1001:alice@example.test");
	put(&w, "alias:postmaster@example.test", "bob@example.test");
	EXPECT(&w, "postmaster@example.test", "1002:bob@example.test");
	EXPECT(&w, "postmaster@other.test", "foreign: postmaster@other.test");
	world_close(&w);
}

static void expands_aliases(void **state)
{
	struct world w;

	world_open(&w, state);
	put(&w, "alias:info@example.test", "alice@example.test\nBob@example.test\nX@Other.test\nalice@example.test");
	EXPECT(&w, "info@example.test", "1001:alice@example.test 1002:bob@example.test X@other.test");
	EXPECT(&w, "info+tag@example.test", "1001:alice@example.test 1002:bob@example.test X@other.test");
	put(&w, "alias:all@example.test", "info@example.test\nalice+x@example.test\ngone@example.test");
	EXPECT(&w, "all@example.test", "1001:alice@example.test 1002:bob@example.test X@other.test");
	put(&w, "alias:dead@example.test", "gone@example.test");
	EXPECT(&w, "dead@example.test", "none");
	put(&w, "alias:bad@example.test", "not an address");
	EXPECT(&w, "bad@example.test", "later");
	world_close(&w);
}

static void cuts_loops(void **state)
{
	struct world w;

	world_open(&w, state);
	put(&w, "alias:a@example.test", "b@example.test");
	put(&w, "alias:b@example.test", "A@example.test");
	EXPECT(&w, "a@example.test", "none");
	put(&w, "alias:b@example.test", "a@example.test\nbob@example.test");
	EXPECT(&w, "a@example.test", "1002:bob@example.test");
	/* Naming itself is how an account forwards and keeps. */
	put(&w, "alias:alice@example.test", "Alice@example.test\nx@other.test");
	EXPECT(&w, "alice@example.test", "1001:alice@example.test x@other.test");
	put(&w, "alias:ghost@example.test", "ghost@example.test");
	EXPECT(&w, "ghost@example.test", "none");
	world_close(&w);
}

static void chain(struct world *w, int n)
{
	char key[64], value[64];

	for (int i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "alias:c%d@example.test", i);
		(void)snprintf(value, sizeof(value), i + 1 < n ? "c%d@example.test" : "alice@example.test", i + 1);
		put(w, key, value);
	}
}

static void bounds_depth(void **state)
{
	struct world w;

	world_open(&w, state);
	chain(&w, RESOLVE_DEPTH);
	EXPECT(&w, "c0@example.test", "1001:alice@example.test");
	chain(&w, RESOLVE_DEPTH + 1);
	EXPECT(&w, "c0@example.test", "later");
	assert_int_equal(w.out->err, ERR_LIMIT);
	world_close(&w);
}

/* Each alias names ten of the next level: 10^6 addresses, of which only a bounded number is ever looked at. */
static void bounds_a_bomb(void **state)
{
	struct world w;
	char key[64], value[1000];

	world_open(&w, state);
	for (int level = 0; level < 5; level++)
		for (int i = 0; i < 100; i++) {
			int n = 0;

			(void)snprintf(key, sizeof(key), "alias:l%d-%d@example.test", level, i);
			for (int k = 0; k < 10; k++)
				n += snprintf(value + n, sizeof(value) - (size_t)n, "l%d-%d@example.test\n", level + 1, (i * 10 + k) % 100);
			put(&w, key, value);
		}
	EXPECT(&w, "l0-0@example.test", "none");
	for (int i = 0; i < 200; i++) {
		int n = 0;

		(void)snprintf(key, sizeof(key), "alias:w%d@example.test", i);
		for (int k = 0; k < 10; k++)
			n += snprintf(value + n, sizeof(value) - (size_t)n, "u%d@other.test\nw%d@example.test\n", i * 10 + k, (i * 7 + k) % 200);
		put(&w, key, value);
	}
	EXPECT(&w, "w0@example.test", "later");
	assert_int_equal(w.out->err, ERR_LIMIT);
	world_close(&w);
}

static bool owns(struct world *w, const char *account, const char *address)
{
	struct address a;
	bool yes = false;

	assert_true(entry_address(view_of(address), &a));
	assert_int_equal(resolve_owns(&w->r, view_of(account), &a, &yes), ERR_OK);
	return yes;
}

static void knows_who_owns_an_address(void **state)
{
	struct world w;

	world_open(&w, state);
	put(&w, "alias:info@example.test", "alice@example.test");
	put(&w, "alias:both@example.test", "alice@example.test\nbob@example.test");
	put(&w, "alias:alice@example.test", "alice@example.test\nx@other.test");
	assert_true(owns(&w, "alice@example.test", "Alice@Example.test"));
	assert_true(owns(&w, "alice@example.test", "alice+tag@example.test"));
	assert_false(owns(&w, "alice@example.test", "bob@example.test"));
	assert_false(owns(&w, "alice@example.test", "both@example.test"));
	assert_false(owns(&w, "alice@example.test", "alice@other.test"));
	assert_false(owns(&w, "alice@example.test", "nobody@example.test"));
	/* alice's own forward copies elsewhere, so that what ends at alice ends at two places. */
	assert_false(owns(&w, "alice@example.test", "info@example.test"));
	put(&w, "alias:info@example.test", "bob@example.test");
	assert_true(owns(&w, "bob@example.test", "info@example.test"));
	world_close(&w);
}

static void finds_accounts_for_log_in(void **state)
{
	struct address a, name;
	struct world w;
	struct buf b;

	world_open(&w, state);
	buf_init(&b, 10000);
	assert_true(entry_address(VIEW("ALICE+x@example.test"), &a));
	assert_int_equal(resolve_account(&w.r, &a, &name, &b), ERR_OK);
	assert_true(view_eqs(address_view(&name), "alice@example.test"));
	put(&w, "alias:info@example.test", "alice@example.test");
	assert_true(entry_address(VIEW("info@example.test"), &a));
	assert_int_equal(resolve_account(&w.r, &a, &name, &b), ERR_NOT_FOUND);
	buf_fini(&b);
	world_close(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(normalises_addresses), T(strips_tags), T(takes_odd_local_parts_literally), T(postmaster_always_exists), T(expands_aliases),
		T(cuts_loops), T(bounds_depth), T(bounds_a_bomb), T(knows_who_owns_an_address), T(finds_accounts_for_log_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
