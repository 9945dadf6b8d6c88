/* SPDX-License-Identifier: ISC */
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/clock.h"

/* Each test has a directory of its own. */
struct place {
	char path[64];
	int dir;
};

static int set_up(void **state)
{
	struct place *p = mem_new(sizeof *p);

	strcpy(p->path, "/tmp/postrider-file-XXXXXX");
	if (!mkdtemp(p->path) || file_open_dir(AT_FDCWD, p->path, &p->dir))
		return -1;
	*state = p;
	return 0;
}

static int remove_one(const char *name, void *arg)
{
	int dir = *(int *)arg;

	if (unlinkat(dir, name, 0) < 0 && errno == EISDIR)
		unlinkat(dir, name, AT_REMOVEDIR);
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	if (file_list(p->dir, remove_one, &p->dir))
		return -1;
	fd_close(&p->dir);
	int rc = rmdir(p->path);
	free(p);
	return rc;
}

static int make(int dir, const char *name, const char *content)
{
	int fd;

	assert_int_equal(file_create(dir, name, 0600, &fd), ERR_OK);
	assert_int_equal(file_write(fd, content, strlen(content)), ERR_OK);
	return fd;
}

static void opens(void **state)
{
	struct place *p = *state;
	int fd, other;

	fd = make(p->dir, "plain", "x");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	fd_close(&fd);
	assert_int_equal(fd, -1);
	fd_close(&fd);
	assert_int_equal(file_create(p->dir, "plain", 0600, &fd), ERR_EXISTS);
	assert_int_equal(file_open_read(p->dir, "plain", &fd), ERR_OK);
	fd_close(&fd);
	assert_int_equal(file_open_read(p->dir, "none", &fd), ERR_NOT_FOUND);
	assert_int_equal(symlinkat("plain", p->dir, "link"), 0);
	assert_int_equal(file_open_read(p->dir, "link", &fd), ERR_INVALID);
	assert_int_equal(mkfifoat(p->dir, "fifo", 0600), 0);
	assert_int_equal(file_open_read(p->dir, "fifo", &other), ERR_INVALID);
	assert_int_equal(other, -1);
	assert_int_equal(file_open_read(p->dir, ".", &other), ERR_INVALID);
	assert_int_equal(file_open_dir(p->dir, "plain", &other), ERR_INVALID);
	assert_int_equal(symlinkat(".", p->dir, "dirlink"), 0);
	assert_int_equal(file_open_dir(p->dir, "dirlink", &other), ERR_INVALID);
}

static void makes_directories(void **state)
{
	struct place *p = *state;
	int fd;

	assert_int_equal(file_mkdir(p->dir, "d", 0700), ERR_OK);
	assert_int_equal(file_mkdir(p->dir, "d", 0700), ERR_OK);
	fd = make(p->dir, "f", "");
	fd_close(&fd);
	assert_int_equal(file_mkdir(p->dir, "f", 0700), ERR_EXISTS);
	assert_int_equal(symlinkat("d", p->dir, "l"), 0);
	assert_int_equal(file_mkdir(p->dir, "l", 0700), ERR_EXISTS);
	assert_int_equal(file_mkdir(p->dir, "none/d", 0700), ERR_NOT_FOUND);
}

static void reads_and_writes(void **state)
{
	struct place *p = *state;
	char some[8];
	uint64_t size;
	int fd = make(p->dir, "f", "0123456789");

	assert_int_equal(file_pwrite(fd, "ab", 2, 4), ERR_OK);
	assert_int_equal(file_pread(fd, some, 4, 3), ERR_OK);
	assert_memory_equal(some, "3ab6", 4);
	assert_int_equal(file_pread(fd, some, 4, 8), ERR_END);
	assert_int_equal(file_pread(fd, some, 0, 80), ERR_OK);
	assert_int_equal(file_size(fd, &size), ERR_OK);
	assert_int_equal(size, 10);
	assert_int_equal(file_flush(fd), ERR_OK);
	assert_int_equal(file_flush_data(fd), ERR_OK);
	assert_int_equal(file_flush(p->dir), ERR_OK);
	fd_close(&fd);
	assert_int_equal(file_write(-1, "x", 1), ERR_INVALID);
	/* The device that is always full. */
	fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_int_equal(file_write(fd, "x", 1), ERR_FULL);
	assert_int_equal(file_pwrite(fd, "x", 1, 0), ERR_FULL);
	fd_close(&fd);
}

static void slurps(void **state)
{
	struct place *p = *state;
	struct buf b;
	int fd = make(p->dir, "f", "0123456789");

	fd_close(&fd);
	buf_init(&b, 12);
	buf_adds(&b, "<");
	assert_int_equal(file_slurp(p->dir, "f", &b), ERR_OK);
	assert_string_equal(buf_str(&b), "<0123456789");
	buf_reset(&b);
	/* Exactly the maximum is not too much. */
	b.max = 10;
	assert_int_equal(file_slurp(p->dir, "f", &b), ERR_OK);
	buf_fini(&b);
	buf_init(&b, 10);
	buf_adds(&b, "<");
	assert_int_equal(file_slurp(p->dir, "f", &b), ERR_TOO_BIG);
	assert_string_equal(buf_str(&b), "<");
	assert_int_equal(file_slurp(p->dir, "none", &b), ERR_NOT_FOUND);
	buf_fini(&b);
}

static int count(const char *name, void *arg)
{
	(void)name;
	return ++*(int *)arg == 99 ? 99 : 0;
}

static void replaces(void **state)
{
	struct place *p = *state;
	struct stat st;
	struct buf b;
	char whole[128];
	int n = 0;

	buf_init(&b, 100);
	assert_int_equal(file_replace(p->dir, "f", VIEW("old"), 0640), ERR_OK);
	assert_int_equal(file_replace(p->dir, "f", VIEW("new"), 0604), ERR_OK);
	assert_int_equal(file_slurp(p->dir, "f", &b), ERR_OK);
	assert_string_equal(buf_str(&b), "new");
	assert_int_equal(fstatat(p->dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
	/* By a whole path, and where it cannot be: nothing is left lying. */
	snprintf(whole, sizeof whole, "%s/f", p->path);
	assert_int_equal(file_replace(AT_FDCWD, whole, VIEW_NONE, 0600), ERR_OK);
	assert_int_equal(file_mkdir(p->dir, "d", 0700), ERR_OK);
	assert_int_equal(file_replace(p->dir, "d", VIEW("x"), 0600), ERR_INVALID);
	assert_int_equal(file_replace(p->dir, "none/f", VIEW("x"), 0600), ERR_NOT_FOUND);
	assert_int_equal(file_replace(p->dir, "d/", VIEW("x"), 0600), ERR_INVALID);
	assert_int_equal(file_list(p->dir, count, &n), ERR_OK);
	assert_int_equal(n, 2);
	buf_fini(&b);
}

/* More names than the kernel gives in one answer. */
static void lists(void **state)
{
	struct place *p = *state;
	int n = 0;

	for (int i = 0; i < 900; i++) {
		char name[64];
		snprintf(name, sizeof name, "a name that is somewhat longer than others %d", i);
		int fd = make(p->dir, name, "");
		fd_close(&fd);
	}
	assert_int_equal(file_list(p->dir, count, &n), 99);
	assert_int_equal(n, 99);
	/* The stop of the one walk is not the start of the next. */
	n = 100;
	assert_int_equal(file_list(p->dir, count, &n), ERR_OK);
	assert_int_equal(n, 1000);
	n = 0;
	assert_int_equal(file_list_here(p->dir, count, &n), 99);
	n = 100;
	assert_int_equal(file_list_here(p->dir, count, &n), ERR_OK);
	assert_int_equal(n, 1000);
	n = 100;
	assert_int_equal(file_list_here(p->dir, count, &n), ERR_OK);
	assert_int_equal(n, 1000);
	int fd = make(p->dir, "no directory", "");
	assert_int_not_equal(file_list_here(fd, count, &n), ERR_OK);
	fd_close(&fd);
}

static void locks(void **state)
{
	struct place *p = *state;
	int one = make(p->dir, "f", ""), two = open(p->path, O_RDONLY | O_CLOEXEC);

	fd_close(&two);
	two = openat(p->dir, "f", O_RDWR | O_CLOEXEC);
	assert_int_equal(file_lock(one, true, false), ERR_OK);
	assert_int_equal(file_lock(two, true, false), ERR_BUSY);
	assert_int_equal(file_lock(two, false, false), ERR_BUSY);
	assert_int_equal(file_unlock(one), ERR_OK);
	assert_int_equal(file_lock(two, false, false), ERR_OK);
	assert_int_equal(file_lock(one, false, true), ERR_OK);
	assert_int_equal(file_lock(one, true, false), ERR_BUSY);
	fd_close(&two);
	assert_int_equal(file_lock(one, true, true), ERR_OK);
	fd_close(&one);
}

static void proves_writers(void **state)
{
	struct place *p = *state;
	int writer = make(p->dir, "f", "x"), reader;

	assert_int_equal(file_open_read(p->dir, "f", &reader), ERR_OK);
	assert_false(file_no_writers(reader));
	fd_close(&writer);
	assert_true(file_no_writers(reader));
	/* The lease was given back: nobody is kept waiting. */
	writer = openat(p->dir, "f", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(writer >= 0);
	assert_false(file_no_writers(reader));
	fd_close(&writer);
	fd_close(&reader);
}

static void memfds(void **state)
{
	char some[8] = "";
	int fd;

	(void)state;
	assert_int_equal(fd_memfd("test", VIEW("const"), &fd), ERR_OK);
	assert_int_equal(read(fd, some, sizeof some), 5);
	assert_string_equal(some, "const");
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fd_cloexec(fd, false), ERR_OK);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_int_equal(fd_cloexec(fd, true), ERR_OK);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_nonblock(fd), ERR_OK);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	fd_close(&fd);
	assert_int_equal(fd_nonblock(-1), ERR_INVALID);
}

static void clocks(void **state)
{
	uint32_t ns = UINT32_MAX;
	uint64_t a = clock_mono_ns(), one = random_u64();

	(void)state;
	assert_true(clock_wall(&ns) > 1700000000 && ns < 1000000000);
	assert_true(clock_mono_ns() >= a);
	assert_true(clock_mono_ms() >= a / 1000000);
	assert_true(one != random_u64());
}

/* What the kernel's table has room for. */
static size_t table_room(void)
{
	char line[128];
	unsigned long n = 0;
	FILE *f = fopen("/proc/self/status", "r");

	assert_non_null(f);
	while (n == 0 && fgets(line, sizeof line, f))
		(void)sscanf(line, "FDSize: %lu", &n);
	fclose(f);
	return n;
}

static void expects_descriptors(void **state)
{
	int before = dup(0), after;

	(void)state;
	assert_true(before >= 0);
	fd_expect(900);
	assert_true(table_room() >= 900);
	/* More than the limit allows does no harm, and nothing stays open. */
	fd_expect(SIZE_MAX / 2);
	after = dup(0);
	assert_int_equal(after, before + 1);
	fd_close(&after);
	fd_close(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(makes_directories, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_and_writes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slurps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replaces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(locks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(proves_writers, set_up, tear_down),
		cmocka_unit_test(expects_descriptors),
		cmocka_unit_test(memfds),
		cmocka_unit_test(clocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
