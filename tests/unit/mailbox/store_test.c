/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailbox/store.h"
#include "tests/unit/mailbox/help.h"

static void test_defaults(void **state)
{
	struct account *a = *state;
	static const char *const names[] = { "INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash" };
	struct store *s = account_open(a);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(store_mailbox_count(s), 6);
		for (size_t i = 0; i < 6; i++) {
			assert_string_equal(mailbox_name(store_mailbox_at(s, i)), names[i]);
			assert_true(store_subscribed(s, view_of(names[i])));
		}
		assert_int_equal(mailbox_uses(store_mailbox(s, VIEW("Junk"))), MAILBOX_USE_JUNK);
		assert_ptr_equal(store_mailbox(s, VIEW("inBox")), store_mailbox_at(s, 0));
		s = account_open(a);
	}
}

static void test_adoption_is_exactly_once(void **state)
{
	struct account *a = *state;
	deliver(a, "one", NULL);
	deliver(a, "two", "Junk:\\Seen $Junk,Archive:\\Flagged");
	struct store *s = account_open(a);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one");
	assert_string_equal(contents_of(a, s, "Junk"), "1:two");
	assert_string_equal(contents_of(a, s, "Archive"), "1:two");
	deliver(a, "three", "Nowhere:");
	settle(s);
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 2:three");
	struct store *other = account_other(a);
	deliver(a, "four", NULL);
	settle(other);
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 2:three 3:four");
	assert_string_equal(contents_of(a, other, "INBOX"), "1:one 2:three 3:four");
	store_close(other);
	s = account_open(a);
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 2:three 3:four");
	assert_string_equal(store_keyword(s, 0), "$Junk");
	struct mailbox_view *v = view_of_mailbox(s, "Junk");
	struct message_info i;
	assert_int_equal(mailbox_view_info(v, 1, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_SEEN);
	assert_int_equal(i.flags.keywords, 1);
	assert_int_equal(i.date, 1000000002);
	mailbox_view_close(v);
}

static void test_nothing_shows_before_it_is_durable(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct mailbox_status st;
	deliver(a, "one", NULL);
	assert_int_equal(store_refresh(s), ERR_OK);
	assert_string_equal(changes(a, v, true), "");
	mailbox_status(store_mailbox(s, VIEW("INBOX")), &st);
	assert_int_equal(st.uidnext, 1);
	assert_int_equal(st.messages, 0);
	assert_int_equal(st.unseen, 0);
	assert_int_equal(st.size, 0);
	assert_int_equal(store_flush_now(s), ERR_OK);
	assert_string_equal(changes(a, v, true), "=1");
	mailbox_status(store_mailbox(s, VIEW("INBOX")), &st);
	assert_int_equal(st.uidnext, 2);
	assert_int_equal(st.messages, 1);
	assert_int_equal(st.unseen, 1);
	mailbox_view_close(v);
}

struct called {
	struct loop *loop;
	int n, err;
};
static void wait_over(void *arg, int err)
{
	struct called *c = arg;
	c->n++;
	c->err = err;
	loop_stop(c->loop);
}
static void watched(void *arg) { ++*(int *)arg; }

static void test_flush_waits(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	struct called one = { a->loop, 0, -1 }, two = one;
	struct store_wait w1 = { 0 }, w2 = { 0 };
	struct store_watch watch;
	int told = 0;
	store_watch(s, &watch, watched, &told);
	assert_int_equal(store_create(s, VIEW("a"), 0), ERR_OK);
	store_flush(s, &w1, wait_over, &one);
	store_flush(s, &w2, wait_over, &two);
	store_wait_cancel(&w2);
	assert_int_equal(one.n, 0);
	loop_run(a->loop);
	assert_int_equal(one.n, 1);
	assert_int_equal(one.err, ERR_OK);
	assert_int_equal(two.n, 0);
	store_flush(s, &w1, wait_over, &one); /* nothing to be flushed: it calls all the same */
	assert_int_equal(one.n, 1);
	loop_run(a->loop);
	assert_int_equal(one.n, 2);
	assert_true(told >= 1);
	store_unwatch(&watch);
}

static void nothing(void *arg) { (void)arg; }
static void stop_loop(void *arg) { loop_stop(arg); }

static void test_flush_in_pool(void **state)
{
	struct account *a = *state;
	struct loop *l = loop_new();
	struct pool *p = pool_new(l, 1);
	struct store_options o = { .pool = p };
	struct called c = { l, 0, -1 };
	struct store_wait w = { 0 };
	struct store *s;
	assert_int_equal(store_open(l, a->fd, &o, &s), ERR_OK);
	for (int i = 0; i < 5; i++) {
		char name[8] = { 'm', (char)('0' + i), 0 };
		assert_int_equal(store_create(s, view_of(name), 0), ERR_OK);
		store_flush(s, &w, wait_over, &c);
		loop_run(l);
		assert_int_equal(c.n, i + 1);
		assert_int_equal(c.err, ERR_OK);
	}
	/* Closed with a flush on its way. */
	assert_int_equal(store_create(s, VIEW("last"), 0), ERR_OK);
	store_flush(s, &w, wait_over, &c);
	store_turn(s);
	store_close(s);
	pool_submit(p, nothing, stop_loop, l);
	loop_run(l);
	pool_free(p);
	loop_free(l);
	assert_non_null(store_mailbox(account_open(a), VIEW("last")));
}

static void test_append(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	struct store_append *ap;
	struct store_append_result r;
	assert_int_equal(append_text(s, "Sent", "alpha", MAIL_SEEN), 1);
	assert_int_equal(store_append_new(s, VIEW("Nope"), &ap), ERR_NOT_FOUND);
	assert_int_equal(store_append_new(s, VIEW("Sent"), &ap), ERR_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_append_begin(ap, 2, i, (struct mail_flags){ 0 }), ERR_OK);
		char text[2] = { 'm', (char)('0' + i) };
		assert_int_equal(store_append_write(ap, view_make(text, 2)), ERR_OK);
		assert_int_equal(store_append_write(ap, VIEW("x")), ERR_TOO_BIG);
		assert_int_equal(store_append_end(ap), ERR_OK);
	}
	assert_int_equal(store_append_commit(ap, &r), ERR_OK);
	assert_int_equal(r.uid_first, 2);
	assert_int_equal(r.uid_last, 4);
	settle(s);
	assert_string_equal(contents_of(a, s, "Sent"), "1:alpha 2:m0 3:m1 4:m2");
	s = account_open(a);
	assert_string_equal(contents_of(a, s, "Sent"), "1:alpha 2:m0 3:m1 4:m2");
	/* Less than was said: nothing at all. */
	assert_int_equal(store_append_new(s, VIEW("Sent"), &ap), ERR_OK);
	assert_int_equal(store_append_begin(ap, 5, 0, (struct mail_flags){ 0 }), ERR_OK);
	assert_int_equal(store_append_write(ap, VIEW("four")), ERR_OK);
	assert_int_equal(store_append_end(ap), ERR_INVALID);
	assert_int_equal(store_append_commit(ap, &r), ERR_INVALID);
	assert_int_equal(store_append_new(s, VIEW("Sent"), &ap), ERR_OK);
	assert_int_equal(store_append_begin(ap, UINT64_C(1) << 40, 0, (struct mail_flags){ 0 }), ERR_TOO_BIG);
	store_append_abort(ap);
	settle(s);
	assert_string_equal(contents_of(a, s, "Sent"), "1:alpha 2:m0 3:m1 4:m2");
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", "/", "a/", "/a", "a//b", "a%", "b*", "\x01", "..", "a/../b", ".", "\xff", "\xc0\xaf", "\xed\xa0\x80",
		"x\x7f", "\xc2\x85" };
	static const char *const good[] = { "a", "a b", "\xc3\xa4/\xe2\x82\xac", ".x", "INBOX/sub", "a&b" };
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(mailbox_name_valid(view_of(bad[i])));
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(mailbox_name_valid(view_of(good[i])));
	char deep[128];
	for (int i = 0; i < 127; i++)
		deep[i] = i % 2 ? '/' : 'd';
	assert_true(mailbox_name_valid(view_make(deep, 63)));
	assert_false(mailbox_name_valid(view_make(deep, 65)));
}

static void test_create_delete_rename(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	struct mailbox_status before, after;
	assert_int_equal(store_create(s, VIEW("a/b/c"), 0), ERR_OK);
	assert_non_null(store_mailbox(s, VIEW("a/b")));
	assert_true(mailbox_has_children(s, store_mailbox(s, VIEW("a"))));
	assert_int_equal(store_create(s, VIEW("a/b"), 0), ERR_EXISTS);
	assert_int_equal(store_create(s, VIEW("inbox"), 0), ERR_EXISTS);
	assert_int_equal(store_create(s, VIEW("x%"), 0), ERR_INVALID);
	append_text(s, "a/b/c", "deep", 0);
	mailbox_status(store_mailbox(s, VIEW("a/b/c")), &before);
	assert_int_equal(store_rename(s, VIEW("a"), VIEW("a/x")), ERR_INVALID);
	assert_int_equal(store_rename(s, VIEW("none"), VIEW("x")), ERR_NOT_FOUND);
	assert_int_equal(store_rename(s, VIEW("a"), VIEW("Sent")), ERR_EXISTS);
	assert_int_equal(store_create(s, VIEW("z/b"), 0), ERR_OK);
	assert_int_equal(store_delete(s, VIEW("z")), ERR_OK);
	assert_int_equal(store_rename(s, VIEW("a"), VIEW("z")), ERR_EXISTS); /* a/b would be z/b */
	assert_int_equal(store_rename(s, VIEW("a"), VIEW("ab/q")), ERR_OK);
	assert_null(store_mailbox(s, VIEW("a/b/c")));
	assert_null(store_mailbox(s, VIEW("a")));
	s = account_open(a);
	assert_string_equal(contents_of(a, s, "ab/q/b/c"), "1:deep");
	mailbox_status(store_mailbox(s, VIEW("ab/q/b/c")), &after);
	assert_int_equal(before.uidvalidity, after.uidvalidity);
	assert_int_equal(store_delete(s, VIEW("INBOX")), ERR_DENIED);
	assert_int_equal(store_delete(s, VIEW("ab/q")), ERR_OK);
	assert_non_null(store_mailbox(s, VIEW("ab/q/b")));
	assert_int_equal(store_delete(s, VIEW("ab/q/b/c")), ERR_OK);
	assert_int_equal(store_create(s, VIEW("ab/q/b/c"), 0), ERR_OK);
	mailbox_status(store_mailbox(s, VIEW("ab/q/b/c")), &after);
	assert_true(after.uidvalidity > before.uidvalidity);
	assert_int_equal(after.messages, 0);
}

static void test_rename_inbox(void **state)
{
	struct account *a = *state;
	deliver(a, "one", "INBOX:\\Flagged");
	deliver(a, "two", NULL);
	struct store *s = account_open(a);
	assert_int_equal(store_create(s, VIEW("INBOX/sub"), 0), ERR_OK);
	assert_int_equal(store_rename(s, VIEW("INBOX"), VIEW("old/mail")), ERR_OK);
	settle(s);
	assert_string_equal(contents_of(a, s, "old/mail"), "1:one 2:two");
	assert_string_equal(contents_of(a, s, "INBOX"), "");
	assert_non_null(store_mailbox(s, VIEW("INBOX/sub")));
	deliver(a, "three", NULL);
	settle(s);
	s = account_open(a);
	assert_string_equal(contents_of(a, s, "INBOX"), "3:three");
	assert_string_equal(contents_of(a, s, "old/mail"), "1:one 2:two");
}

static void test_subscriptions(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	assert_int_equal(store_subscribe(s, VIEW("none/yet"), true), ERR_OK);
	assert_int_equal(store_subscribe(s, VIEW("none/yet"), true), ERR_OK);
	assert_int_equal(store_subscribe(s, VIEW("Junk"), false), ERR_OK);
	assert_int_equal(store_subscribe(s, VIEW("Junk"), false), ERR_OK);
	s = account_open(a);
	assert_true(store_subscribed(s, VIEW("none/yet")));
	assert_false(store_subscribed(s, VIEW("Junk")));
	assert_int_equal(store_subscription_count(s), 6);
	assert_string_equal(store_subscription(s, 0), "INBOX");
	assert_int_equal(store_delete(s, VIEW("Sent")), ERR_OK);
	assert_true(store_subscribed(s, VIEW("Sent"))); /* RFC 3501 6.3.9 */
}

static void test_keywords_have_a_limit(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	unsigned bit;
	for (unsigned i = 0; i < MAIL_KEYWORDS_MAX; i++) {
		char name[8] = { 'k', (char)('A' + i / 26), (char)('a' + i % 26), 0 };
		assert_int_equal(store_keyword_add(s, view_of(name), &bit), ERR_OK);
		assert_int_equal(bit, i);
	}
	assert_int_equal(store_keyword_add(s, VIEW("more"), &bit), ERR_LIMIT);
	assert_int_equal(store_keyword_add(s, VIEW("KAB"), &bit), ERR_OK);
	assert_int_equal(bit, 1);
	s = account_open(a);
	assert_int_equal(store_keyword_count(s), MAIL_KEYWORDS_MAX);
	assert_int_equal(store_keyword_find(s, VIEW("kab")), 1);
	assert_int_equal(store_keyword_find(s, VIEW("other")), -1);
}

static void test_header(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	struct message_info i;
	struct buf big, b;
	buf_init(&big, 1 << 20);
	for (int k = 0; k < 2000; k++)
		buf_printf(&big, "X-%d: some value\r\n", k);
	size_t header = buf_len(&big) + 2;
	buf_adds(&big, "\r\nbody\r\n\r\nmore\r\n");
	append_text(s, "INBOX", buf_str(&big), 0);
	append_text(s, "INBOX", "no: body\r\n", 0);
	append_text(s, "INBOX", "\r\nno header", 0);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	static const struct {
		uint32_t seq;
		size_t max, got;
	} rows[] = { { 1, 1 << 20, 0 }, { 1, 100, 100 }, { 2, 100, 10 }, { 3, 100, 2 } };
	for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
		buf_init(&b, rows[k].max);
		assert_int_equal(mailbox_view_info(v, rows[k].seq, &i), ERR_OK);
		assert_int_equal(store_read_header(s, &i, &b), ERR_OK);
		assert_int_equal(buf_len(&b), rows[k].got ? rows[k].got : header);
		buf_fini(&b);
	}
	char part[5] = { 0 };
	assert_int_equal(mailbox_view_info(v, 3, &i), ERR_OK);
	assert_int_equal(store_read_part(s, &i, 2, part, 4), ERR_OK);
	assert_string_equal(part, "no h");
	assert_int_equal(store_read_part(s, &i, i.size - 1, part, 2), ERR_INVALID);
	mailbox_view_close(v);
	buf_fini(&big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(test_defaults),
		account_test(test_adoption_is_exactly_once),
		account_test(test_nothing_shows_before_it_is_durable),
		account_test(test_flush_waits),
		account_test(test_flush_in_pool),
		account_test(test_append),
		cmocka_unit_test(test_names),
		account_test(test_create_delete_rename),
		account_test(test_rename_inbox),
		account_test(test_subscriptions),
		account_test(test_keywords_have_a_limit),
		account_test(test_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
