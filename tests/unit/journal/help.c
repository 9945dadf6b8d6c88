/* SPDX-License-Identifier: ISC */
#include "tests/unit/journal/help.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct home home_make(void)
{
	struct home h;
	const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)snprintf(h.path, sizeof(h.path), "%s/prj.XXXXXX", shm);
	assert_non_null(mkdtemp(h.path));
	h.fd = open(h.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(h.fd >= 0);
	return h;
}

static void each_name(const struct home *h, void (*fn)(const struct home *h, const char *name, void *arg), void *arg)
{
	DIR *d = opendir(h->path);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			fn(h, e->d_name, arg);
	(void)closedir(d);
}

static void remove_name(const struct home *h, const char *name, void *arg)
{
	(void)arg;
	assert_int_equal(unlinkat(h->fd, name, 0), 0);
}

void home_empty(const struct home *h) { each_name(h, remove_name, NULL); }

static const char *wanted;
static char found[256];

static void find_name(const struct home *h, const char *name, void *arg)
{
	(void)h;
	(void)arg;
	if (found[0] == '\0' && strstr(name, wanted) != NULL)
		(void)snprintf(found, sizeof(found), "%s", name);
}

const char *home_first_name(const struct home *h, const char *part)
{
	wanted = part;
	found[0] = '\0';
	each_name(h, find_name, NULL);
	return found;
}

void home_remove(struct home *h)
{
	home_empty(h);
	(void)close(h->fd);
	assert_int_equal(rmdir(h->path), 0);
}

static void copy_name(const struct home *h, const char *name, void *arg)
{
	const struct home *to = arg;
	int in = openat(h->fd, name, O_RDONLY | O_CLOEXEC), out = openat(to->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	static char b[65536];
	ssize_t k;

	assert_true(in >= 0 && out >= 0);
	while ((k = read(in, b, sizeof(b))) > 0)
		assert_int_equal(write(out, b, (size_t)k), k);
	(void)close(in);
	(void)close(out);
}

void home_copy(const struct home *from, const struct home *to)
{
	home_empty(to);
	each_name(from, copy_name, (void *)(uintptr_t)to);
}

int home_new(void **state)
{
	struct home *h = malloc(sizeof(*h));

	*h = home_make();
	*state = h;
	return 0;
}

int home_free(void **state)
{
	home_remove(*state);
	free(*state);
	return 0;
}

struct journal *home_open(struct home *h, enum journal_role role, uint64_t segment_size)
{
	struct journal_options o = { .role = role, .segment_size = segment_size, .frame_max = segment_size == 4096 ? 65536 : 0,
		.create = role != JOURNAL_READER };
	struct journal *j;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	return j;
}

void add_text(struct journal *j, uint16_t kind, const char *text)
{
	struct journal_frame f = { .kind = kind, .parts = { view_of(text) } };

	assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
}

static int add_payload(void *arg, const struct journal_record *r)
{
	struct buf *b = arg;

	if (buf_len(b) > 0)
		buf_addc(b, '|');
	buf_addv(b, r->payload);
	return ERR_OK;
}

void texts_of(struct journal *j, struct buf *b)
{
	uint64_t next;

	buf_init(b, 1u << 24);
	assert_int_equal(journal_scan(j, 0, add_payload, b, &next), ERR_OK);
	assert_int_equal(next, journal_end(j));
}

void assert_texts(struct journal *j, const char *expected)
{
	struct buf b;

	texts_of(j, &b);
	assert_string_equal(buf_str(&b), expected);
	buf_fini(&b);
}

static int count_one(void *arg, const struct journal_record *r)
{
	(void)r;
	++*(size_t *)arg;
	return ERR_OK;
}

size_t count_frames_on(struct journal *j, uint64_t *at)
{
	size_t n = 0;

	assert_int_equal(journal_scan(j, *at, count_one, &n, at), ERR_OK);
	return n;
}

size_t count_frames(struct journal *j, uint64_t from) { return count_frames_on(j, &from); }

const char *mem_text(struct view v)
{
	static char ring[8][256];
	static unsigned next;
	char *p = ring[next++ % 8];

	(void)snprintf(p, 256, "%.*s", (int)v.n, v.p);
	return p;
}
