/* SPDX-License-Identifier: ISC */
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/random.h"
#include "base/buf.h"
#include "base/err.h"
#include "sys/file.h"
#include "sys/sock.h"

static const char *render(struct buf *b, const char *event, const struct log_field *fields)
{
	buf_reset(b);
	log_render(b, event, fields);
	return buf_str(b);
}

static void renders(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8192);
	assert_string_equal(render(&b, "start", LOG_FIELDS()), "event=start");
	assert_string_equal(render(&b, "e", LOG_FIELDS(LS("a", "plain=1"), LU("u", UINT64_MAX), LI("i", -5))),
		"event=e a=plain=1 u=18446744073709551615 i=-5");
	assert_string_equal(render(&b, "e", LOG_FIELDS(LERR("err", ERR_NOT_FOUND), LERRNO("errno", ENOSPC), LERRNO("odd", 99999))),
		"event=e err=not_found errno=ENOSPC odd=99999");
	assert_string_equal(render(&b, "e", LOG_FIELDS(LS("a", ""), LS("b", NULL), LS("c", "x y"))), "event=e a=\"\" b=\"\" c=\"x y\"");
	assert_string_equal(render(&b, "e", LOG_FIELDS(LV("a", view_make("\"\\\n\0\x7f\xc3\xa4", 7)))),
		"event=e a=\"\\\"\\\\\\x0a\\x00\\x7f\\xc3\\xa4\"");
	buf_fini(&b);
}

static void caps(void **state)
{
	struct log_field fields[20];
	char much[3000];
	struct buf b;

	(void)state;
	memset(much, 'x', sizeof much);
	buf_init(&b, 8192);
	render(&b, "e", LOG_FIELDS(LV("a", view_make(much, sizeof much)), LS("b", "y")));
	assert_int_equal(buf_len(&b), strlen("event=e a=") + 1024 + strlen("... b=y"));
	much[0] = ' ';
	render(&b, "e", LOG_FIELDS(LV("a", view_make(much, sizeof much))));
	assert_int_equal(buf_len(&b), strlen("event=e a=\"") + 1024 + strlen("...\""));
	assert_true(view_ends(buf_view(&b), VIEW("x...\"")));
	/* Fields that do not fit are left out whole. */
	for (size_t i = 0; i < 19; i++)
		fields[i] = LV("name", view_make(much, 1000));
	fields[19] = (struct log_field){ .name = NULL };
	render(&b, "e", fields);
	assert_true(buf_ok(&b) && buf_len(&b) <= 8192);
	assert_true(view_ends(buf_view(&b), VIEW("x\" cut=1")));
	buf_fini(&b);
}

/* Whatever a value holds, a line stays one line of printable ASCII. */
static void escapes_anything(void **state)
{
	struct rnd r = rnd_new(8);
	struct buf b;

	(void)state;
	buf_init(&b, 8192);
	for (int i = 0; i < 3000; i++) {
		char some[1500];
		size_t n = rnd_below(&r, sizeof some);
		for (size_t k = 0; k < n; k++)
			some[k] = (char)rnd_next(&r);
		render(&b, "e", LOG_FIELDS(LV("a", view_make(some, n)), LV("b", view_make(some, n / 2)), LV("c", view_make(some, n))));
		assert_true(buf_ok(&b));
		for (size_t k = 0; k < buf_len(&b); k++)
			assert_true(ascii_isprint(buf_view(&b).p[k]));
	}
	buf_fini(&b);
}

/* What has arrived, or nothing. */
static const char *arrived(int fd, struct buf *b)
{
	size_t n;

	buf_reset(b);
	(void)!sock_read(fd, b, 1 << 20, &n);
	return buf_str(b);
}

static void gathers(void **state)
{
	int fds[2];
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(sock_pair(SOCK_SEQPACKET, fds), ERR_OK);
	log_to(fds[0], LOG_LEVEL_INFO);
	log_debug("hidden");
	log_info("one", LU("n", 1));
	log_warn("two");
	assert_string_equal(arrived(fds[1], &b), "");
	errno = 77;
	log_flush();
	assert_int_equal(errno, 77);
	arrived(fds[1], &b);
	assert_non_null(strstr(buf_str(&b), "Z level=info event=one n=1\n"));
	assert_non_null(strstr(buf_str(&b), "Z level=warn event=two\n"));
	assert_null(strstr(buf_str(&b), "hidden"));
	assert_null(strstr(buf_str(&b), "pid="));
	/* Errors go at once, and so does much. */
	log_error("bad");
	assert_non_null(strstr(arrived(fds[1], &b), "level=error event=bad\n"));
	int lines = 0;
	while (*arrived(fds[1], &b) == '\0' && lines < 1000) {
		log_info("some", LS("text", "0123456789012345678901234567890123456789"));
		lines++;
	}
	assert_true(buf_len(&b) >= 16 * 1024 && buf_len(&b) < 24 * 1024);
	log_to(-1, LOG_LEVEL_INFO);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	buf_fini(&b);
}

/* A sink that does not read: lines are kept, then lost and counted, and what comes through is whole lines. */
static void outlives_a_slow_sink(int type)
{
	enum { LINES = 20000 };
	int fds[2];
	struct buf b;
	unsigned long long lost = 0;
	size_t n, lines = 0;
	struct view rest, line;

	buf_init(&b, 16 << 20);
	assert_int_equal(sock_pair(type, fds), ERR_OK);
	log_to(fds[0], LOG_LEVEL_INFO);
	for (int i = 0; i < LINES; i++)
		log_info("many", LI("i", i), LS("text", "0123456789012345678901234567890123456789"));
	do {
		while (sock_read(fds[1], &b, 1 << 16, &n) == ERR_OK)
			;
		log_flush();
	} while (sock_read(fds[1], &b, 1 << 16, &n) == ERR_OK);
	log_info("last");
	log_flush();
	while (sock_read(fds[1], &b, 1 << 16, &n) == ERR_OK)
		;
	rest = buf_view(&b);
	while (view_cut(&rest, '\n', &line) && line.n) {
		assert_true(view_starts(line, VIEW("20")) && view_search(line, VIEW(" event=")) == 35);
		size_t at = view_search(line, VIEW("event=log_lines_lost lines="));
		if (at != SIZE_MAX)
			lost += strtoull(line.p + at + 27, NULL, 10);
		else
			lines++;
	}
	assert_true(lost > 0);
	assert_int_equal(lines + lost, LINES + 1);
	log_to(-1, LOG_LEVEL_INFO);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	buf_fini(&b);
}

static void slow_packets(void **state)
{
	(void)state;
	outlives_a_slow_sink(SOCK_SEQPACKET);
}

static void slow_stream(void **state)
{
	(void)state;
	outlives_a_slow_sink(SOCK_STREAM);
}

static void outlives_a_dead_sink(void **state)
{
	int fds[2], again[2];
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	log_to(fds[0], LOG_LEVEL_INFO);
	fd_close(&fds[1]);
	log_error("lost");
	log_error("lost");
	assert_int_equal(sock_pair(SOCK_STREAM, again), ERR_OK);
	log_to(again[0], LOG_LEVEL_INFO);
	log_error("found");
	arrived(again[1], &b);
	assert_non_null(strstr(buf_str(&b), "event=log_lines_lost lines="));
	assert_non_null(strstr(buf_str(&b), "event=found\n"));
	log_to(-1, LOG_LEVEL_INFO);
	fd_close(&fds[0]);
	fd_close(&again[0]);
	fd_close(&again[1]);
	buf_fini(&b);
}

/* Into a file, and to standard error with role and pid. */
static void writes_elsewhere(void **state)
{
	char path[] = "/tmp/postrider-log-XXXXXX", want[64];
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	struct buf b;

	(void)state;
	assert_true(fd >= 0 && saved >= 0);
	buf_init(&b, 1 << 20);
	log_to(fd, LOG_LEVEL_DEBUG);
	log_debug("to_file");
	log_to(-1, LOG_LEVEL_INFO);
	dup2(fd, STDERR_FILENO);
	log_role("tester");
	log_info("to_stderr");
	log_flush();
	dup2(saved, STDERR_FILENO);
	assert_int_equal(file_slurp(AT_FDCWD, path, &b), ERR_OK);
	assert_non_null(strstr(buf_str(&b), "level=debug event=to_file\n"));
	snprintf(want, sizeof want, "level=info role=tester pid=%ld event=to_stderr\n", (long)getpid());
	assert_non_null(strstr(buf_str(&b), want));
	unlink(path);
	fd_close(&fd);
	fd_close(&saved);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renders),
		cmocka_unit_test(caps),
		cmocka_unit_test(escapes_anything),
		cmocka_unit_test(gathers),
		cmocka_unit_test(slow_packets),
		cmocka_unit_test(slow_stream),
		cmocka_unit_test(outlives_a_dead_sink),
		cmocka_unit_test(writes_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
