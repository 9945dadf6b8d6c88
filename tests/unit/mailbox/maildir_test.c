/* SPDX-License-Identifier: ISC */
/* Out into a Maildir and in again: every mailbox, flag, keyword, date and octet; and a check that finds what is damaged. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox/maildir.h"
#include "mailbox/store.h"
#include "sys/file.h"
#include "tests/unit/mailbox/help.h"

static void assert_folder(const char *mailbox, const char *folder)
{
	struct buf b;
	buf_init(&b, 4096);
	maildir_folder(&b, view_of(mailbox));
	assert_string_equal(buf_str(&b), folder);
	buf_reset(&b);
	if (*folder) {
		assert_true(maildir_mailbox(&b, view_of(folder)));
		assert_string_equal(buf_str(&b), mailbox);
	}
	buf_fini(&b);
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "x", ".a..b", ".&", ".a.", ".%" };
	struct buf b;
	(void)state;
	assert_folder("INBOX", "");
	assert_folder("Sent", ".Sent");
	assert_folder("a/b.c/d", ".a.b&AC4-c.d");
	assert_folder("\xc3\xa4/&", ".&AOQ-.&-");
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(maildir_mailbox(&b, view_of(bad[i])));
	buf_fini(&b);
}

static int open_target(struct account *a)
{
	int fd;
	assert_int_equal(file_mkdir(a->fd, "maildir", 0700), ERR_OK);
	assert_int_equal(file_open_dir(a->fd, "maildir", &fd), ERR_OK);
	return fd;
}

static void test_out_and_in(void **state)
{
	struct account *a = *state;
	void *p;
	struct tool_result r;
	struct mailbox_view *v;
	struct message_info i;
	deliver(a, "Subject: one\r\n\r\ntext\r\nwith\rbare\r\n", "INBOX:\\Seen \\Flagged $Junk work");
	deliver(a, "two", NULL);
	struct store *s = account_open(a);
	assert_int_equal(store_create(s, VIEW("deep/er.dot/\xc3\xa4"), 0), ERR_OK);
	append_text(s, "deep/er.dot/\xc3\xa4", "three\r\n", MAIL_DRAFT | MAIL_ANSWERED | MAIL_DELETED);
	int target = open_target(a);
	assert_int_equal(tool_export(s, target, NULL, &r), ERR_OK);
	assert_int_equal(r.messages, 3);
	assert_int_equal(r.bad, 0);

	account_new(&p);
	struct account *b = p;
	s = account_open(b);
	append_text(s, "INBOX", "here before", 0);
	assert_int_equal(tool_import(s, target, NULL, &r), ERR_OK);
	assert_int_equal(r.messages, 3);
	assert_int_equal(r.bad, 0);
	s = account_open(b);
	assert_string_equal(contents_of(b, s, "INBOX"), "1:here before 2:Subject: one\r\n\r\ntext\r\nwith\rbare\r\n 3:two");
	assert_string_equal(contents_of(b, s, "deep/er.dot/\xc3\xa4"), "1:three\r\n");
	assert_true(store_subscribed(s, VIEW("deep/er.dot/\xc3\xa4")));
	v = view_of_mailbox(s, "INBOX");
	assert_int_equal(mailbox_view_info(v, 2, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_SEEN | MAIL_FLAGGED);
	assert_int_equal(i.date, 1000000001);
	assert_int_equal(i.flags.keywords, UINT64_C(1) << store_keyword_find(s, VIEW("work")) | UINT64_C(1) << store_keyword_find(s, VIEW("$Junk")));
	mailbox_view_close(v);
	v = view_of_mailbox(s, "deep/er.dot/\xc3\xa4");
	assert_int_equal(mailbox_view_info(v, 1, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_DRAFT | MAIL_ANSWERED | MAIL_DELETED);
	mailbox_view_close(v);
	account_free(&p);
	close(target);
}

static void put_file(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* What others write: files in new, without flags; things that are no messages; more messages than one group takes. */
static void test_foreign_maildir(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	struct tool_result r;
	char name[64];
	int target = open_target(a), dir;
	static const char *const dirs[] = { "cur", "new", "tmp", ".Sent", ".Sent/cur", ".bad&name", "cur/folder" };
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		assert_int_equal(file_mkdir(target, dirs[i], 0700), ERR_OK);
	assert_int_equal(file_open_dir(target, "cur", &dir), ERR_OK);
	for (int i = 0; i < 450; i++) {
		snprintf(name, sizeof name, "%03d.host:2,%s", i, i % 2 ? "S" : "");
		put_file(dir, name, "a\nb\r\n");
	}
	assert_int_equal(symlinkat("/etc/passwd", dir, "900.link:2,"), 0);
	close(dir);
	put_file(target, "new/1", "new one");
	put_file(target, ".Sent/cur/1:2,S", "sent");
	put_file(target, "tmp/1", "half");
	put_file(target, "subscriptions", "x");
	assert_int_equal(tool_import(s, target, NULL, &r), ERR_OK);
	assert_int_equal(r.messages, 452);
	assert_int_equal(r.bad, 3); /* the directory, the link, the name */
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct message_info i;
	struct view content;
	assert_int_equal(mailbox_view_count(v), 451);
	assert_int_equal(mailbox_view_info(v, 2, &i), ERR_OK);
	assert_int_equal(i.flags.system, MAIL_SEEN);
	assert_int_equal(store_read(s, &i, &content), ERR_OK);
	assert_true(view_eqs(content, "a\r\nb\r\n"));
	mailbox_view_close(v);
	assert_string_equal(contents_of(a, s, "Sent"), "1:sent");
	close(target);
}

struct found {
	int n;
	char what[2][80];
};
static void note_bad(void *arg, const char *what, int err)
{
	struct found *f = arg;
	assert_int_not_equal(err, ERR_OK);
	assert_in_range(f->n, 0, 1);
	snprintf(f->what[f->n++], sizeof f->what[0], "%s", what);
}

static void test_check(void **state)
{
	struct account *a = *state;
	struct found f = { 0 };
	struct tool_report report = { .bad = note_bad, .arg = &f };
	struct tool_result r;
	struct buf b;
	deliver(a, "whole", NULL);
	deliver(a, "to be damaged", NULL);
	deliver(a, "whole", NULL);
	deliver(a, "whole", NULL);
	struct store *s = account_open(a);
	assert_int_equal(tool_check(s, &report, &r), ERR_OK);
	assert_int_equal(r.messages, 4);
	assert_int_equal(f.n, 0);
	account_close(a);
	buf_init(&b, 1 << 20);
	assert_int_equal(file_slurp(a->fd, "incoming/0000000000000000", &b), ERR_OK);
	size_t at = view_search(buf_view(&b), VIEW("damaged"));
	int fd = openat(a->fd, "incoming/0000000000000000", O_WRONLY);
	assert_int_equal(pwrite(fd, "DAMAGED", 7, (off_t)at), 7);
	close(fd);
	buf_fini(&b);
	s = account_open(a);
	assert_int_equal(tool_check(s, &report, &r), ERR_OK);
	assert_int_equal(r.messages, 3);
	/* The place in the stream, and whose message it is. */
	assert_int_equal(r.bad, 2);
	assert_int_equal(f.n, 2);
	assert_true(view_starts(view_of(f.what[0]), VIEW("incoming, positions ")));
	assert_string_equal(f.what[1], "INBOX UID 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		account_test(test_out_and_in),
		account_test(test_foreign_maildir),
		account_test(test_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
