/* SPDX-License-Identifier: ISC */
/* Sessions' views: what they are told, when, and with which numbers. */
#include <stdlib.h>
#include <string.h>

#include "mailbox/store.h"
#include "tests/unit/mailbox/help.h"

static struct mail_flags sys(uint8_t bits) { return (struct mail_flags){ bits, 0 }; }

static struct store *five(struct account *a)
{
	deliver(a, "a", NULL);
	deliver(a, "b", NULL);
	deliver(a, "c", NULL);
	deliver(a, "d", NULL);
	deliver(a, "e", NULL);
	return account_open(a);
}

static void expunge(struct mailbox_view *v, uint32_t first, uint32_t last)
{
	struct uidset u = uids_of(first, last);
	assert_int_equal(mailbox_view_expunge(v, &u, true, NULL), ERR_OK);
	uidset_fini(&u);
}

static void flag(struct mailbox_view *v, uint32_t first, uint32_t last, enum store_flags_how how, uint8_t bits, bool own)
{
	struct uidset u = uids_of(first, last);
	assert_int_equal(mailbox_view_store(v, &u, how, sys(bits), UINT64_MAX, own, NULL), ERR_OK);
	uidset_fini(&u);
}

static void test_expunges_wait_until_taken(void **state)
{
	struct account *a = *state;
	struct store *s = five(a);
	struct mailbox_view *me = view_of_mailbox(s, "INBOX"), *other = view_of_mailbox(s, "INBOX");
	struct message_info i;
	expunge(other, 2, 3);
	expunge(other, 5, 5);
	assert_true(mailbox_view_changed(me));
	assert_string_equal(changes(a, me, false), "");
	assert_int_equal(mailbox_view_count(me), 5);
	assert_int_equal(mailbox_view_info(me, 2, &i), ERR_NOT_FOUND);
	assert_int_equal(mailbox_view_info(me, 4, &i), ERR_OK);
	assert_int_equal(i.uid, 4);
	deliver(a, "f", NULL);
	settle(s);
	assert_string_equal(changes(a, me, false), "=6");
	assert_string_equal(changes(a, me, true), "-2(2) -2(3) -3(5)");
	assert_false(mailbox_view_changed(me));
	assert_string_equal(contents(a, s, me), "1:a 4:d 6:f");
	assert_int_equal(mailbox_view_seq(me, 4), 2);
	assert_int_equal(mailbox_view_seq(me, 5), 0);
	assert_int_equal(mailbox_view_seq_from(me, 5), 3);
	assert_int_equal(mailbox_view_seq_from(me, 7), 4);
	mailbox_view_close(me);
	mailbox_view_close(other);
}

static void test_own_changes_are_known(void **state)
{
	struct account *a = *state;
	struct store *s = five(a);
	struct mailbox_view *me = view_of_mailbox(s, "INBOX"), *other = view_of_mailbox(s, "INBOX");
	flag(me, 1, 2, STORE_FLAGS_ADD, MAIL_SEEN, true);
	assert_string_equal(changes(a, me, true), "");
	assert_string_equal(changes(a, other, true), "f1(1) f2(2)");
	flag(other, 3, 3, STORE_FLAGS_ADD, MAIL_FLAGGED, true);
	/* Somebody else's change is still unknown: it must not be lost behind one's own. */
	flag(me, 3, 4, STORE_FLAGS_ADD, MAIL_SEEN, true);
	assert_string_equal(changes(a, me, true), "f3(3) f4(4)");
	assert_string_equal(changes(a, other, true), "f3(3) f4(4)");
	/* What changes nothing is no change. */
	flag(me, 1, 1, STORE_FLAGS_ADD, MAIL_SEEN, false);
	assert_false(mailbox_view_changed(other));
	mailbox_view_close(me);
	mailbox_view_close(other);
}

static void test_flags(void **state)
{
	struct account *a = *state;
	struct store *s = five(a);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct store_flags_result r = { 0 };
	struct mailbox_status st;
	struct message_info i;
	struct uidset all = uids_of(1, UINT32_MAX);
	flag(v, 1, 3, STORE_FLAGS_ADD, MAIL_SEEN | MAIL_DELETED, true);
	flag(v, 2, 2, STORE_FLAGS_REMOVE, MAIL_SEEN, true);
	flag(v, 3, 3, STORE_FLAGS_SET, MAIL_DRAFT, true);
	assert_int_equal(mailbox_view_info(v, 1, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_SEEN | MAIL_DELETED);
	uint64_t first_modseq = i.modseq;
	assert_int_equal(mailbox_view_info(v, 2, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_DELETED);
	assert_true(i.modseq > first_modseq);
	assert_int_equal(mailbox_view_info(v, 3, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_DRAFT);
	mailbox_status(store_mailbox(s, VIEW("INBOX")), &st);
	assert_int_equal(st.unseen, 4);
	assert_int_equal(st.deleted, 2);
	assert_true(st.highestmodseq == i.modseq);
	/* RFC 7162 3.1.3 */
	assert_int_equal(mailbox_view_store(v, &all, STORE_FLAGS_ADD, sys(MAIL_FLAGGED), first_modseq, true, &r), ERR_OK);
	assert_int_equal(uidset_count(&r.modified), 2);
	assert_int_equal(uidset_count(&r.changed), 3);
	assert_true(uidset_has(&r.modified, 2) && uidset_has(&r.modified, 3));
	uidset_fini(&r.modified);
	uidset_fini(&r.changed);
	assert_int_equal(mailbox_view_first_unseen(v), 2);
	assert_int_equal(mailbox_view_expunge(v, NULL, false, &r.changed), ERR_OK);
	assert_int_equal(uidset_count(&r.changed), 2);
	uidset_fini(&r.changed);
	uidset_fini(&all);
	mailbox_view_close(v);
	s = account_open(a);
	assert_string_equal(contents_of(a, s, "INBOX"), "3:c 4:d 5:e");
}

/* One small record, however many messages, and holes in the UIDs do not make it grow. */
static void test_all_is_one_small_record(void **state)
{
	struct account *a = *state;
	struct store *s = five(a);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	expunge(v, 2, 2);
	expunge(v, 4, 4);
	(void)changes(a, v, true);
	uint64_t before = s->next;
	struct uidset u = { 0 };
	uidset_add(&u, 1);
	uidset_add(&u, 3);
	uidset_add(&u, 5);
	assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, sys(MAIL_SEEN), UINT64_MAX, true, NULL), ERR_OK);
	assert_true(s->next - before <= 64);
	uidset_fini(&u);
	mailbox_view_close(v);
}

static void test_copy_and_move(void **state)
{
	struct account *a = *state;
	struct store *s = five(a);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct store_copy_result r;
	struct uidset u = uids_of(2, 4);
	expunge(v, 3, 3);
	flag(v, 2, 2, STORE_FLAGS_ADD, MAIL_ANSWERED, true);
	assert_int_equal(mailbox_view_copy(v, &u, VIEW("None"), false, &r), ERR_NOT_FOUND);
	assert_int_equal(mailbox_view_copy(v, &u, VIEW("Archive"), false, &r), ERR_OK);
	assert_int_equal(uidset_count(&r.from), 2);
	assert_int_equal(r.to_first, 1);
	assert_int_equal(r.to_last, 2);
	uidset_fini(&r.from);
	assert_int_equal(mailbox_view_copy(v, &u, VIEW("INBOX"), false, &r), ERR_OK); /* into itself */
	assert_int_equal(r.to_first, 6);
	assert_int_equal(r.to_last, 7);
	uidset_fini(&r.from);
	assert_int_equal(mailbox_view_copy(v, &u, VIEW("Trash"), true, &r), ERR_OK);
	uidset_fini(&r.from);
	settle(s);
	/* Flags that changed before the expunge was taken are not told again; what is new is. */
	assert_string_equal(changes(a, v, true), "-2(2) -2(3) -2(4) =4");
	assert_string_equal(contents(a, s, v), "1:a 5:e 6:b 7:d");
	mailbox_view_close(v);
	s = account_open(a);
	assert_string_equal(contents_of(a, s, "Archive"), "1:b 2:d");
	assert_string_equal(contents_of(a, s, "Trash"), "1:b 2:d");
	v = view_of_mailbox(s, "Trash");
	struct message_info i, j;
	assert_int_equal(mailbox_view_info(v, 1, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_ANSWERED);
	assert_int_equal(i.date, 1000000002);
	mailbox_view_close(v);
	v = view_of_mailbox(s, "INBOX");
	assert_int_equal(mailbox_view_info(v, 3, &j), ERR_OK);
	assert_true(i.ref.position == j.ref.position);
	mailbox_view_close(v);
	uidset_fini(&u);
}

static void test_deleted_mailbox(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	assert_int_equal(store_create(s, VIEW("tmp"), 0), ERR_OK);
	append_text(s, "tmp", "x", 0);
	append_text(s, "tmp", "y", 0);
	struct mailbox_view *v = view_of_mailbox(s, "tmp");
	struct message_info i;
	struct uidset u = uids_of(1, 2);
	assert_int_equal(store_delete(s, VIEW("tmp")), ERR_OK);
	assert_int_equal(store_create(s, VIEW("tmp"), 0), ERR_OK); /* another of the same name */
	assert_null(mailbox_view_mailbox(v));
	assert_int_equal(mailbox_view_info(v, 1, &i), ERR_NOT_FOUND);
	assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, sys(MAIL_SEEN), UINT64_MAX, true, NULL), ERR_OK);
	assert_int_equal(mailbox_view_expunge(v, &u, true, NULL), ERR_OK);
	assert_string_equal(changes(a, v, true), "-1(1) -1(2)");
	assert_string_equal(changes(a, v, true), "");
	uidset_fini(&u);
	mailbox_view_close(v);
}

static void test_recent(void **state)
{
	struct account *a = *state;
	deliver(a, "a", NULL);
	struct store *s = account_open(a);
	struct mailbox_view *peek;
	struct mailbox_status st;
	assert_int_equal(mailbox_view_open(s, VIEW("INBOX"), true, &peek), ERR_OK);
	assert_true(mailbox_view_recent(peek, 1));
	struct mailbox_view *first = view_of_mailbox(s, "INBOX"), *second = view_of_mailbox(s, "INBOX");
	assert_true(mailbox_view_recent(first, 1));
	assert_int_equal(mailbox_view_recent_count(first), 1);
	assert_int_equal(mailbox_view_recent_count(second), 0);
	deliver(a, "b", NULL);
	settle(s);
	mailbox_status(store_mailbox(s, VIEW("INBOX")), &st);
	assert_int_equal(st.recent, 1);
	assert_string_equal(changes(a, second, true), "=2");
	assert_string_equal(changes(a, first, true), "=2");
	assert_true(mailbox_view_recent(second, 2));
	assert_false(mailbox_view_recent(first, 2));
	mailbox_view_close(peek);
	mailbox_view_close(first);
	mailbox_view_close(second);
	s = account_open(a);
	first = view_of_mailbox(s, "INBOX");
	assert_int_equal(mailbox_view_recent_count(first), 0);
	mailbox_view_close(first);
}

/* Another process' changes come in by refresh; a stale request is checked against what is there now. */
static void test_two_writers(void **state)
{
	struct account *a = *state;
	struct store *s = five(a), *o = account_other(a);
	struct mailbox_view *mine = view_of_mailbox(s, "INBOX"), *theirs = view_of_mailbox(o, "INBOX");
	struct uidset gone = { 0 };
	expunge(theirs, 1, 2);
	assert_int_equal(mailbox_view_expunge(mine, NULL, true, &gone), ERR_OK); /* not knowing of that yet */
	assert_int_equal(uidset_count(&gone), 3);
	uidset_fini(&gone);
	assert_string_equal(changes(a, mine, true), "-1(1) -1(2) -1(3) -1(4) -1(5)");
	assert_int_equal(store_refresh(o), ERR_OK);
	assert_string_equal(changes(a, theirs, true), "-1(1) -1(2) -1(3) -1(4) -1(5)");
	assert_int_equal(append_text(o, "INBOX", "new", 0), 6);
	assert_int_equal(append_text(s, "INBOX", "newer", 0), 7);
	settle(o);
	assert_string_equal(contents_of(a, o, "INBOX"), "6:new 7:newer");
	assert_int_equal(store_create(o, VIEW("n"), 0), ERR_OK);
	assert_int_equal(store_create(s, VIEW("n"), 0), ERR_EXISTS);
	mailbox_view_close(mine);
	mailbox_view_close(theirs);
	store_close(o);
}

/* What is left in incoming moves into the journal; who still knows the old place reads on. */
static void test_contents_move(void **state)
{
	struct account *a = *state;
	char text[3001] = { 0 };
	bool more = true;
	struct message_info i;
	struct view content;
	a->segment_size = 16384;
	for (int k = 0; k < 40; k++) {
		memset(text, 'a' + k % 26, 3000);
		deliver(a, text, NULL);
	}
	struct store_options o = { .tidy_least = 8192 };
	struct store *s, *other = account_other(a);
	assert_int_equal(store_open(NULL, a->fd, &o, &s), ERR_OK);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	expunge(v, 4, 38);
	assert_int_equal(mailbox_view_info(v, 2, &i), ERR_OK);
	for (int k = 0; k < 20 && more; k++) {
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		assert_int_equal(store_flush_now(s), ERR_OK);
	}
	assert_false(more);
	assert_true(journal_start(s->incoming) > 0);
	store_close(other);
	other = account_other(a);
	memset(text, 'b', 3000);
	assert_int_equal(store_read(s, &i, &content), ERR_OK);
	assert_true(view_eqs(content, text));
	assert_int_equal(store_read_part(s, &i, 2990, text, 10), ERR_OK);
	mailbox_view_close(v);
	v = view_of_mailbox(other, "INBOX");
	for (uint32_t k = 1; k <= 5; k++) {
		assert_int_equal(mailbox_view_info(v, k, &i), ERR_OK);
		assert_int_equal(store_read(other, &i, &content), ERR_OK);
		assert_int_equal(content.n, 3000);
		assert_int_equal(content.p[0], "abcmn"[k - 1]);
	}
	mailbox_view_close(v);
	store_close(other);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(test_expunges_wait_until_taken),
		account_test(test_own_changes_are_known),
		account_test(test_flags),
		account_test(test_all_is_one_small_record),
		account_test(test_copy_and_move),
		account_test(test_deleted_mailbox),
		account_test(test_recent),
		account_test(test_two_writers),
		account_test(test_contents_move),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
