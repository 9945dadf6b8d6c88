/* SPDX-License-Identifier: ISC */
/* FETCH with what was kept gives octet for octet what it gives without, whatever befalls the file meanwhile. */
#include "tests/unit/imapd/imapd_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "mailbox/summary.h"
#include "sys/file.h"

#define MESSAGES 40
#define PADDING 7000 /* of a message, so that the account is big enough to have a file */
static const char fetch[] = "UID FETCH 1:* (UID ENVELOPE BODY BODYSTRUCTURE)";

static void append_one(struct client *c, int i, const char *subject)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_printf(&b, "From: \"Number %d\" <%d@x.test>\r\nTo: y@x.test\r\nSubject: %s %d\r\n", i, i, subject, i);
	if (i % 2)
		buf_adds(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: image/png; name=\"a\\\"b\"\r\n\r\n");
	else
		buf_adds(&b, "\r\n");
	while (buf_len(&b) < PADDING)
		buf_printf(&b, "line of %d\r\n", i);
	if (i % 2)
		buf_adds(&b, "\r\n--b--\r\n");
	append(c, "INBOX", "", buf_str(&b));
	buf_fini(&b);
}

static void path_of(const struct fixture *f, const char *name, char *path, size_t n) { snprintf(path, n, "%s/%s", f->home, name); }

/* As a fresh process of the account: all that is in memory goes. */
static struct client *fresh(struct fixture *f, struct client *c)
{
	struct store_options o = { .message_max = TEST_MESSAGE_MAX };
	if (c)
		client_free(c);
	imapd_fini(&f->imapd);
	store_close(f->store);
	int fd = open(f->home, O_RDONLY | O_DIRECTORY);
	assert_int_equal(store_open(f->loop, fd, &o, &f->store), ERR_OK);
	close(fd);
	imapd_init(&f->imapd, f->loop, f->store, TEST_MESSAGE_MAX);
	c = client_new(f);
	command(c, "EXAMINE INBOX", "OK");
	return c;
}

static struct buf read_summary(const struct fixture *f)
{
	struct buf b;
	int home;
	buf_init(&b, 1 << 20);
	assert_int_equal(file_open_dir(AT_FDCWD, f->home, &home), ERR_OK);
	assert_int_equal(file_slurp(home, SUMMARY_NAME, &b), ERR_OK);
	fd_close(&home);
	return b;
}

/* In place: a process that has it open sees it. */
static void write_summary(const struct fixture *f, struct view v)
{
	char path[128];
	path_of(f, SUMMARY_NAME, path, sizeof path);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_pwrite(fd, v.p, v.n, 0), ERR_OK);
	assert_int_equal(ftruncate(fd, (off_t)v.n), 0);
	close(fd);
}

static struct client *fill(struct fixture *f, const char *subject)
{
	struct client *c = client_new(f);
	for (int i = 0; i < MESSAGES; i++)
		append_one(c, i, subject);
	command(c, "EXAMINE INBOX", "OK");
	return c;
}

/* What a process without anything kept answers. */
static char *truth(struct client *c)
{
	char path[128];
	char *t = mem_str(view_of(command(c, fetch, "OK")));
	path_of(c->f, SUMMARY_NAME, path, sizeof path);
	assert_int_equal(access(path, F_OK), 0);
	return t;
}

static void none_for_little_mail(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct client *c = client_new(f);
	append_one(c, 1, "little");
	command(c, "EXAMINE INBOX", "OK");
	assert_has(command(c, fetch, "OK"), "\"little 1\"");
	path_of(f, SUMMARY_NAME, path, sizeof path);
	assert_int_equal(access(path, F_OK), -1);
	client_free(c);
}

static void the_same_kept(void **state)
{
	struct fixture *f = *state;
	struct client *c = fill(f, "same");
	char *t = truth(c);
	assert_has(t, "\"same 39\"");
	assert_string_equal(command(c, fetch, "OK"), t);
	c = fresh(f, c);
	assert_string_equal(command(c, fetch, "OK"), t);
	/* A copy has the same content and the same date. */
	command(c, "SELECT INBOX", "OK");
	command(c, "COPY 1:* Archive", "OK");
	struct buf before = read_summary(f);
	command(c, "EXAMINE Archive", "OK");
	assert_string_equal(command(c, fetch, "OK"), t);
	struct buf after = read_summary(f);
	assert_int_equal(buf_len(&before), buf_len(&after));
	buf_fini(&before);
	buf_fini(&after);
	client_free(c);
	free(t);
}

/* An octet in every few is another, before a process starts and while one runs. */
static void damaged(void **state)
{
	struct fixture *f = *state;
	struct client *c = fill(f, "damaged");
	char *t = truth(c);
	struct buf file = read_summary(f);
	for (size_t i = 0; i < buf_len(&file); i += i < 90 ? 1 : 211) {
		char *p = file.mem + file.off + i;
		*p = (char)(*p ^ 0x20);
		write_summary(f, buf_view(&file));
		assert_string_equal(command(c, fetch, "OK"), t);
		write_summary(f, buf_view(&file));
		c = fresh(f, c);
		assert_string_equal(command(c, fetch, "OK"), t);
		*p = (char)(*p ^ 0x20);
	}
	buf_fini(&file);
	client_free(c);
	free(t);
}

static void cut_and_deleted(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct client *c = fill(f, "cut");
	char *t = truth(c);
	path_of(f, SUMMARY_NAME, path, sizeof path);
	struct buf file = read_summary(f);
	for (size_t i = 0; i < buf_len(&file); i += 997) {
		write_summary(f, view_head(buf_view(&file), i));
		assert_string_equal(command(c, fetch, "OK"), t);
		unlink(path);
		assert_string_equal(command(c, fetch, "OK"), t);
		assert_string_equal(command(c, fetch, "OK"), t);
		assert_int_equal(access(path, F_OK), 0);
		write_summary(f, view_head(buf_view(&file), i));
		c = fresh(f, c);
		assert_string_equal(command(c, fetch, "OK"), t);
	}
	buf_fini(&file);
	client_free(c);
	free(t);
}

/* Two accounts whose messages lie at the same places, with the same sizes and dates. */
static void of_another(void **state)
{
	struct fixture *f = *state, *g;
	assert_int_equal(fixture_setup((void **)&g), 0);
	struct client *c = fill(f, "mine "), *d = fill(g, "yours");
	char *t = truth(c), *u = truth(d);
	assert_has(t, "\"mine  7\"");
	assert_has(u, "\"yours 7\"");
	struct buf yours = read_summary(g);
	write_summary(f, buf_view(&yours));
	assert_string_equal(command(c, fetch, "OK"), t);
	write_summary(f, buf_view(&yours));
	c = fresh(f, c);
	assert_string_equal(command(c, fetch, "OK"), t);
	assert_string_equal(command(d, fetch, "OK"), u);
	buf_fini(&yours);
	client_free(c);
	client_free(d);
	fixture_teardown((void **)&g);
	free(t);
	free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
		T(none_for_little_mail),
		T(the_same_kept),
		T(damaged),
		T(cut_and_deleted),
		T(of_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
