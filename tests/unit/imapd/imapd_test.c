/* SPDX-License-Identifier: ISC */
#define _XOPEN_SOURCE_EXTENDED 1
#include "tests/unit/imapd/imapd_test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define PATIENCE_MS 20000

int fixture_setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	const char *tmp = getenv("TMPDIR");
	snprintf(f->home, sizeof(f->home), "%.40s/imapd_test_XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->home));
	int fd = open(f->home, O_RDONLY | O_DIRECTORY);
	f->loop = loop_new();
	struct store_options o = { .message_max = TEST_MESSAGE_MAX };
	assert_int_equal(store_open(f->loop, fd, &o, &f->store), ERR_OK);
	close(fd);
	imapd_init(&f->imapd, f->loop, f->store, TEST_MESSAGE_MAX);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	imapd_fini(&f->imapd);
	store_close(f->store);
	loop_free(f->loop);
	nftw(f->home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static bool seen(const struct client *c)
{
	struct view rest = buf_view(&c->got), line;
	while (view_cut(&rest, '\n', &line))
		if (rest.p != NULL && view_starts(line, view_of(c->until)))
			return true;
	return false;
}

static void on_ready(void *arg, unsigned ready)
{
	struct client *c = arg;
	(void)ready;
	char *p = buf_room(&c->got, 1 << 16);
	assert_non_null(p);
	ssize_t n = read(c->fd, p, 1 << 16);
	if (n > 0) {
		buf_commit(&c->got, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		c->closed = true;
		io_want(c->io, 0);
	}
	if (c->closed || (c->until && seen(c)))
		loop_stop(c->f->loop);
}

static void on_timeout(void *arg)
{
	struct fixture *f = arg;
	f->timed_out = true;
	loop_stop(f->loop);
}

const char *client_read(struct client *c, const char *until)
{
	struct timer *t = timer_new(c->f->loop, on_timeout, c->f);
	c->until = until;
	c->f->timed_out = false;
	timer_set(t, PATIENCE_MS);
	if (!seen(c) && !c->closed) {
		io_want(c->io, IO_READ);
		loop_run(c->f->loop);
	}
	timer_free(t);
	if (c->f->timed_out)
		fail_msg("no \"%s\" came, but:\n%s", until, buf_str(&c->got));
	c->until = NULL;
	return buf_str(&c->got);
}

static void stop_now(void *arg)
{
	loop_stop(arg);
}

void run_for(struct fixture *f, uint64_t ms)
{
	struct timer *t = timer_new(f->loop, stop_now, f->loop);
	timer_set(t, ms);
	loop_run(f->loop);
	timer_free(t);
}

void client_send(struct client *c, const void *p, size_t n)
{
	const char *at = p;
	while (n > 0) {
		ssize_t put = write(c->fd, at, n);
		if (put < 0 && errno == EAGAIN) {
			/* The other end is in this process, and needs its turn. */
			run_for(c->f, 1);
			continue;
		}
		assert_true(put > 0);
		at += put;
		n -= (size_t)put;
	}
}

const char *talk(struct client *c, const char *send, const char *until)
{
	buf_reset(&c->got);
	client_send(c, send, strlen(send));
	return client_read(c, until);
}

const char *command(struct client *c, const char *text, const char *answer)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_printf(&b, "x %s\r\n", text);
	const char *got = talk(c, buf_str(&b), "x ");
	buf_reset(&b);
	buf_printf(&b, "x %s", answer);
	struct view rest = view_of(got), line;
	bool ok = false;
	while (view_cut(&rest, '\n', &line))
		ok = ok || view_starts(line, buf_view(&b));
	if (!ok)
		fail_msg("%s: wanted \"%s\", got:\n%s", text, answer, got);
	buf_fini(&b);
	return got;
}

void append(struct client *c, const char *mailbox, const char *flags, const char *message)
{
	struct buf b;
	buf_init(&b, 1 << 22);
	buf_printf(&b, "x APPEND %s (%s) {%zu+}\r\n%s\r\n", mailbox, flags, strlen(message), message);
	assert_has(talk(c, buf_str(&b), "x "), "x OK [APPENDUID ");
	buf_fini(&b);
}

struct client *client_new(struct fixture *f)
{
	struct client *c = mem_new(sizeof(*c));
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	c->f = f;
	c->fd = fds[0];
	assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
	buf_init(&c->got, 1 << 26);
	c->io = io_new(f->loop, c->fd, on_ready, c);
	struct imapd_client who = { .fd = fds[1], .account = VIEW("a@x.test"), .id = VIEW("id"), .peer = VIEW("192.0.2.1"), .tag = VIEW("login") };
	imapd_add(&f->imapd, &who);
	assert_has(client_read(c, "login "), "login OK [CAPABILITY IMAP4rev1 ");
	return c;
}

void client_free(struct client *c)
{
	io_free(c->io);
	close(c->fd);
	buf_fini(&c->got);
	free(c);
}

void assert_has_at(const char *text, const char *part, bool want, const char *file, int line)
{
	if ((strstr(text, part) != NULL) == want)
		return;
	print_error("%s \"%s\" in:\n%s\n", want ? "no" : "unwanted", part, text);
	_fail(file, line);
}
