/* SPDX-License-Identifier: ISC */
/* What a crash or a fault of the disk can leave (postrider-mailbox(5), States), and what the opening makes of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/seam.h"
#include "mailbox/incoming.h"
#include "mailbox/records.h"
#include "mailbox/store.h"
#include "sys/file.h"
#include "tests/unit/mailbox/help.h"

#define STEPS 12

static char *summary(struct account *a, struct store *s)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < store_mailbox_count(s); i++) {
		const char *name = mailbox_name(store_mailbox_at(s, i));
		struct mailbox_view *v = view_of_mailbox(s, name);
		struct message_info info;
		buf_printf(&b, "[%s]", name);
		for (uint32_t seq = 1; seq <= mailbox_view_count(v); seq++)
			if (mailbox_view_info(v, seq, &info) == ERR_OK)
				buf_printf(&b, " f%x", info.flags.system);
		mailbox_view_close(v);
		buf_addc(&b, ' ');
		buf_adds(&b, contents_of(a, s, name));
	}
	char *text = strdup(buf_str(&b));
	buf_fini(&b);
	return text;
}

/* A step without a flush; one group of frames each. */
static void step(struct store *s, int i)
{
	struct store_append *ap;
	struct store_append_result r;
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct uidset u = uids_of(1, 1 + (uint32_t)i / 3);
	char text[40];
	switch (i % 4) {
	case 0:
		snprintf(text, sizeof text, "message %d", i);
		assert_int_equal(store_append_new(s, VIEW("INBOX"), &ap), ERR_OK);
		assert_int_equal(store_append_begin(ap, strlen(text), i, (struct mail_flags){ 0 }), ERR_OK);
		assert_int_equal(store_append_write(ap, view_of(text)), ERR_OK);
		assert_int_equal(store_append_commit(ap, &r), ERR_OK);
		break;
	case 1:
		assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, (struct mail_flags){ (uint8_t)(1 << i % 5), 0 }, UINT64_MAX, true, NULL), ERR_OK);
		break;
	case 2:
		assert_int_equal(mailbox_view_copy(v, &u, VIEW("Archive"), false, NULL), ERR_OK);
		break;
	default:
		snprintf(text, sizeof text, "box %d", i);
		assert_int_equal(store_create(s, view_of(text), 0), ERR_OK);
	}
	uidset_fini(&u);
	mailbox_view_close(v);
}

static off_t head_size(struct account *a, char name[300])
{
	struct stat st;
	snprintf(name, 300, "%s/journal/0000000000000000", a->path);
	assert_int_equal(stat(name, &st), 0);
	return st.st_size;
}

/* What an uncut run gives after each step, told by a replay of as many. */
static void run(struct account *a, int steps)
{
	struct store *s = account_open(a);
	append_text(s, "INBOX", "first", 0); /* durable */
	for (int i = 0; i < steps; i++)
		step(s, i);
}

/* M5, M6, M8, and a torn tail: the file is cut at every octet behind the durable mark; whole steps are left, in order. */
static void test_torn_tail(void **state)
{
	struct account *a = *state;
	char *expected[STEPS + 1], name[300], other[300];
	struct account *fresh;
	void *p;
	for (int k = 0; k <= STEPS; k++) {
		account_new(&p);
		fresh = p;
		run(fresh, k);
		settle(fresh->store);
		expected[k] = summary(fresh, fresh->store);
		account_free(&p);
	}
	run(a, STEPS);
	account_close(a);
	off_t size = head_size(a, name);
	int last = 0;
	struct buf whole;
	buf_init(&whole, 1 << 20);
	assert_int_equal(file_slurp(AT_FDCWD, name, &whole), ERR_OK);
	off_t durable = size;
	for (off_t cut = size; cut > 0; cut -= 8) {
		account_new(&p);
		fresh = p;
		snprintf(other, sizeof other, "%s/journal", fresh->path);
		assert_int_equal(file_mkdir(fresh->fd, "journal", 0700), ERR_OK);
		int dir;
		assert_int_equal(file_open_dir(fresh->fd, "journal", &dir), ERR_OK);
		int fd = openat(dir, "0000000000000000", O_CREAT | O_WRONLY, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, buf_view(&whole).p, (size_t)cut), cut);
		close(fd);
		close(dir);
		struct store *s = account_open(fresh);
		char *got = summary(fresh, s);
		int k = STEPS;
		while (k >= 0 && strcmp(got, expected[k]) != 0)
			k--;
		free(got);
		account_free(&p);
		if (k < 0) {
			durable = cut; /* now "first" itself is cut away, or the default mailboxes */
			break;
		}
		assert_true(cut == size ? k == STEPS : k <= last);
		last = k;
	}
	assert_int_equal(last, 0);
	assert_true(durable < size);
	buf_fini(&whole);
	for (int k = 0; k <= STEPS; k++)
		free(expected[k]);
}

static void put_hint(struct account *a, const char *text)
{
	assert_int_equal(file_mkdir(a->fd, "index", 0700), ERR_OK);
	assert_int_equal(file_replace(a->fd, "index/checkpoint", view_of(text), 0600), ERR_OK);
}

static void assert_opens_the_same(struct account *a, const char *expected)
{
	struct store *s = account_open(a);
	char *got = summary(a, s);
	assert_string_equal(got, expected);
	assert_int_equal(s->st->refused, 0);
	free(got);
}

/* M9: the hint is worth nothing but time. */
static void test_hints(void **state)
{
	struct account *a = *state;
	static const char *const bad[] = { "", "x", "0", "8", "99999999999999999999999", "18446744073709551615", "1000000", "-1", "64\n" };
	char text[32], record[32];
	bool more;
	a->segment_size = 8192;
	struct store *s = account_open(a);
	s->tidy_least = 64;
	uint64_t old = 0;
	for (int i = 0; i < 40; i++) {
		step(s, i * 4);
		if (i % 13 == 0) {
			assert_int_equal(store_tidy(s, &more), ERR_OK);
			old = old ? old : s->checkpoint;
		}
	}
	assert_true(s->checkpoint != STORE_NO_CHECKPOINT && s->checkpoint > old);
	settle(s);
	snprintf(text, sizeof text, "%llu", (unsigned long long)old);
	snprintf(record, sizeof record, "%llu", (unsigned long long)s->last);
	char *expected = summary(a, s);
	assert_opens_the_same(a, expected);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put_hint(a, bad[i]);
		assert_opens_the_same(a, expected);
	}
	put_hint(a, text);
	assert_opens_the_same(a, expected);
	put_hint(a, record);
	assert_opens_the_same(a, expected);
	assert_int_equal(unlinkat(a->fd, "index/checkpoint", 0), 0);
	assert_opens_the_same(a, expected);
	free(expected);
	/* Housekeeping writes a lost one again. */
	assert_int_equal(store_tidy(account_open(a), &more), ERR_OK);
	assert_int_equal(faccessat(a->fd, "index/checkpoint", F_OK, 0), 0);
}

/* A process that was behind when its records were compacted away takes the checkpoint. */
static void test_left_behind(void **state)
{
	struct account *a = *state;
	bool more = true;
	a->segment_size = 8192;
	struct store *behind = account_other(a), *s = account_open(a);
	struct mailbox_view *v = view_of_mailbox(behind, "INBOX");
	s->tidy_least = 64;
	for (int i = 0; i < 40; i++)
		step(s, i * 4);
	struct mailbox_view *w = view_of_mailbox(s, "INBOX");
	settle(s);
	mailbox_view_take(w, true, NULL, NULL);
	struct uidset u = uids_of(1, 30);
	assert_int_equal(mailbox_view_expunge(w, &u, true, NULL), ERR_OK);
	uidset_fini(&u);
	mailbox_view_close(w);
	for (int i = 0; i < 30 && more; i++) {
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		assert_int_equal(store_flush_now(s), ERR_OK);
	}
	uint64_t records = behind->st->records;
	settle(behind);
	char *mine = summary(a, s), *theirs = summary(a, behind);
	assert_string_equal(mine, theirs);
	assert_true(behind->st->records > records);
	assert_string_equal(changes(a, v, true), "=10");
	free(mine);
	free(theirs);
	mailbox_view_close(v);
	store_close(behind);
}

/* M14: a record that does not fit changes nothing else. */
static void test_nonsense_records(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	append_text(s, "INBOX", "x", 0);
	char *expected = summary(a, s);
	for (uint16_t kind = 1; kind < 40; kind++) {
		char junk[16];
		memset(junk, kind * 7, sizeof junk);
		struct journal_frame f = { .kind = kind, .parts = { view_make(junk, sizeof junk) } };
		assert_int_equal(journal_append(s->journal, journal_end(s->journal), &f, 1), ERR_OK);
	}
	settle(s);
	char *got = summary(a, s);
	assert_string_equal(got, expected);
	free(got);
	s = account_open(a);
	got = summary(a, s);
	assert_string_equal(got, expected);
	append_text(s, "INBOX", "y", 0);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:x 2:y");
	free(got);
	free(expected);
}

/* ---- a disk that fails ---- */
struct fault {
	struct journal_seam seam;
	enum seam_op op;
	int error; /* 0: all goes well */
};

static int fault_before(void *arg, struct seam_call *c)
{
	const struct fault *f = arg;
	return f->error && c->op == f->op ? f->error : 0;
}

struct told {
	struct loop *loop;
	int n, err;
};
static void tell(void *arg, int err)
{
	struct told *t = arg;
	t->n++;
	t->err = err;
	loop_stop(t->loop);
}

static struct store *open_faulty(struct account *a, struct fault *f)
{
	f->seam = (struct journal_seam){ .arg = f, .before = fault_before };
	struct store_options o = { .seam = &f->seam };
	account_open(a);
	account_close(a);
	a->loop = loop_new();
	assert_int_equal(store_open(a->loop, a->fd, &o, &a->store), ERR_OK);
	return a->store;
}

static int wait_flush(struct account *a)
{
	struct told t = { .loop = a->loop };
	struct store_wait w = { 0 };
	store_flush(a->store, &w, tell, &t);
	loop_run(a->loop);
	assert_int_equal(t.n, 1);
	return t.err;
}

/* A failed flush: every waiter is told so, what was changed is undone for all who have the store open, and the service goes on. */
static void test_failed_flush(void **state)
{
	struct account *a = *state;
	struct fault f = { .op = SEAM_FLUSH };
	struct store *s = open_faulty(a, &f), *other = account_other(a);
	append_text(s, "INBOX", "kept", 0);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct uidset u = uids_of(1, 1);
	f.error = EIO;
	step(s, 0);
	assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, (struct mail_flags){ MAIL_SEEN, 0 }, UINT64_MAX, true, NULL), ERR_OK);
	assert_int_equal(store_refresh(other), ERR_OK); /* has taken what is about to be lost */
	assert_int_equal(wait_flush(a), ERR_IO);
	f.error = 0;
	assert_string_equal(changes(a, v, true), "");
	char *mine = summary(a, s);
	assert_non_null(strstr(mine, "[INBOX] f0 1:kept["));
	assert_int_equal(append_text(s, "INBOX", "after", 0), 2);
	settle(other);
	char *theirs = summary(a, other);
	free(mine);
	mine = summary(a, s);
	assert_string_equal(mine, theirs);
	assert_string_equal(contents_of(a, other, "INBOX"), "1:kept 2:after");
	free(mine);
	free(theirs);
	uidset_fini(&u);
	mailbox_view_close(v);
	store_close(other);
	assert_string_equal(contents_of(a, account_open(a), "INBOX"), "1:kept 2:after");
}

/* The same where the flush that fails is a blocking one: who waits for another is told, and not that a later one has reached so far. */
static void test_failed_flush_beside_a_wait(void **state)
{
	struct account *a = *state;
	struct fault f = { .op = SEAM_FLUSH };
	struct store *s = open_faulty(a, &f);
	struct store_wait lost = { 0 }, good = { 0 };
	struct told lost_end = { .loop = a->loop }, good_end = { .loop = a->loop };
	append_text(s, "INBOX", "kept", 0);
	step(s, 0);
	store_flush(s, &lost, tell, &lost_end);
	f.error = EIO;
	assert_int_equal(store_flush_now(s), ERR_IO);
	f.error = 0;
	assert_int_equal(lost_end.n, 0); /* from the loop alone */
	assert_int_equal(append_text(s, "INBOX", "after", 0), 2);
	store_flush(s, &good, tell, &good_end);
	while (lost_end.n == 0 || good_end.n == 0)
		loop_run(a->loop);
	assert_int_equal(lost_end.err, ERR_IO);
	assert_int_equal(good_end.err, ERR_OK);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:kept 2:after");
}

/* Who waits for a change that another process had made already, and not flushed, is not told that it is durable when that is taken back. */
static void test_a_wait_for_anothers_change(void **state)
{
	struct account *a = *state;
	struct fault f = { .op = SEAM_FLUSH, .seam = { .arg = &f, .before = fault_before } };
	struct store_options o = { .seam = &f.seam };
	struct store *s = account_open(a), *other;
	append_text(s, "INBOX", "kept", 0);
	assert_int_equal(store_open(NULL, a->fd, &o, &other), ERR_OK);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX"), *theirs = view_of_mailbox(other, "INBOX");
	struct mail_flags seen = { MAIL_SEEN, 0 };
	struct uidset u = uids_of(1, 1);
	struct message_info info;
	assert_int_equal(mailbox_view_store(theirs, &u, STORE_FLAGS_ADD, seen, UINT64_MAX, true, NULL), ERR_OK);
	assert_int_equal(store_refresh(s), ERR_OK);
	assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, seen, UINT64_MAX, true, NULL), ERR_OK); /* no record is needed */
	struct told t = { .loop = a->loop };
	struct store_wait w = { 0 };
	store_flush(s, &w, tell, &t);
	f.error = EIO;
	assert_int_equal(store_flush_now(other), ERR_IO);
	f.error = 0;
	append_text(other, "INBOX", "later", 0); /* durable, and behind it */
	loop_run(a->loop);
	assert_int_equal(t.err, ERR_IO);
	mailbox_view_take(v, true, NULL, NULL);
	assert_int_equal(mailbox_view_info(v, 1, &info), ERR_OK);
	assert_int_equal(info.flags.system & MAIL_SEEN, 0);
	uidset_fini(&u);
	mailbox_view_close(v);
	mailbox_view_close(theirs);
	store_close(other);
}

/* What delivery may take back is not adopted: a flush of it that fails leaves no message that cannot be read, and none twice. */
static void incoming_append(struct journal *j, uint64_t message, const char *text)
{
	struct incoming in = { .id = { 1, message, 0 }, .date = 1, .back = journal_end(j) };
	struct buf head;
	buf_init(&head, INCOMING_HEAD_MAX);
	incoming_encode(&head, &in, NULL, 0);
	struct journal_frame f = { .kind = INCOMING_MESSAGE, .parts = { buf_view(&head), view_of(text) } };
	assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
	buf_fini(&head);
}

static void test_delivery_taken_back(void **state)
{
	struct account *a = *state;
	struct fault f = { .op = SEAM_FLUSH, .seam = { .arg = &f, .before = fault_before } };
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .seam = &f.seam };
	struct journal *j;
	uint64_t adopted;
	uint32_t valid;
	int fd;
	struct store *s = account_open(a);
	assert_int_equal(file_mkdir(a->fd, "incoming", 0700), ERR_OK);
	assert_int_equal(file_open_dir(a->fd, "incoming", &fd), ERR_OK);
	assert_int_equal(journal_open(fd, &o, &j), ERR_OK);
	incoming_append(j, 1, "one");
	assert_int_equal(journal_flush(j), ERR_OK);
	incoming_append(j, 2, "two");
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one");
	f.error = EIO;
	assert_int_equal(journal_flush(j), ERR_IO);
	f.error = 0;
	settle(s);
	/* The roll has given away positions, but that is not durable yet: nor may what is adopted be. */
	store_heritage(s, &adopted, &valid);
	assert_true(adopted <= journal_durable(j));
	incoming_append(j, 2, "two");
	assert_int_equal(journal_flush(j), ERR_OK);
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 2:two");
	/* A delivery that ended before it could flush: the next one keeps what it finds, and when that is durable it is there. */
	incoming_append(j, 3, "three");
	journal_close(j);
	assert_int_equal(journal_open(fd, &o, &j), ERR_OK);
	f.error = EIO;
	assert_int_equal(journal_flush(j), ERR_IO);
	f.error = 0;
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 2:two");
	assert_int_equal(journal_flush(j), ERR_OK);
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 2:two 3:three");
	journal_close(j);
	close(fd);
}

/* A full disk: refused, nothing changed; room again, and it goes on. */
static void test_full_disk(void **state)
{
	struct account *a = *state;
	struct fault f = { .op = SEAM_WRITE };
	struct store *s = open_faulty(a, &f);
	append_text(s, "INBOX", "kept", 0);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct uidset u = uids_of(1, 1);
	f.error = ENOSPC;
	assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, (struct mail_flags){ MAIL_SEEN, 0 }, UINT64_MAX, true, NULL), ERR_FULL);
	assert_int_equal(store_create(s, VIEW("new"), 0), ERR_FULL);
	deliver(a, "waits in incoming", NULL);
	assert_int_equal(store_refresh(s), ERR_OK); /* what is here can be read all the same */
	assert_string_equal(contents_of(a, s, "INBOX"), "1:kept");
	f.error = 0;
	settle(s);
	assert_int_equal(store_create(s, VIEW("new"), 0), ERR_OK);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:kept 2:waits in incoming");
	uidset_fini(&u);
	mailbox_view_close(v);
	s = account_open(a);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:kept 2:waits in incoming");
	assert_non_null(store_mailbox(s, VIEW("new")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(test_torn_tail),
		account_test(test_hints),
		account_test(test_left_behind),
		account_test(test_nonsense_records),
		account_test(test_failed_flush),
		account_test(test_failed_flush_beside_a_wait),
		account_test(test_a_wait_for_anothers_change),
		account_test(test_delivery_taken_back),
		account_test(test_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
