/* SPDX-License-Identifier: ISC */
#include "tests/unit/journal/disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/file.h"

#define SECTOR 512u
#define PAGE 4096u

/* One that is certain, and those that may have been written since. */
struct sector {
	uint8_t *certain, **maybe;
	size_t n;
};

struct name {
	char text[64];
	struct disk_node *node;
};

struct change { /* of a directory, not flushed */
	enum seam_op op;
	char name[64], to[64];
	struct disk_node *node;
};

struct names {
	struct name *p;
	size_t n, cap;
};

/* Of flushes, as descriptions are told of them. */
struct failures {
	unsigned n;
	bool untold; /* nobody was told of the last one yet */
};

struct disk_node {
	bool is_dir;
	/* A file's. */
	uint8_t *now;
	size_t size, certain_size, cap;
	struct sector *sectors; /* cap / SECTOR */
	bool *dirty;            /* cap / PAGE */
	struct failures failures;
	/* A directory's. */
	struct names names, certain;
	struct change *changes;
	size_t n;
};

struct disk {
	struct failures failures; /* of any kind */
	struct disk_node **nodes; /* the first is the root */
	size_t n;
};

static struct disk_node *node_new(struct disk *d, bool is_dir)
{
	d->nodes = mem_resize(d->nodes, (d->n + 1) * sizeof(struct disk_node *));
	d->nodes[d->n] = mem_new(sizeof(struct disk_node));
	d->nodes[d->n]->is_dir = is_dir;
	return d->nodes[d->n++];
}

struct disk *disk_new(void)
{
	struct disk *d = mem_new(sizeof(*d));

	(void)node_new(d, true);
	return d;
}

struct disk_node *disk_root(const struct disk *d) { return d->nodes[0]; }

static void sector_certain(struct sector *s, uint8_t *bytes)
{
	free(s->certain);
	s->certain = bytes;
	for (size_t i = 0; i < s->n; i++)
		free(s->maybe[i]);
	free(s->maybe);
	s->maybe = NULL;
	s->n = 0;
}

static void node_free(struct disk_node *o)
{
	for (size_t k = 0; k < o->cap / SECTOR; k++)
		sector_certain(&o->sectors[k], NULL);
	free(o->sectors);
	free(o->dirty);
	free(o->now);
	free(o->names.p);
	free(o->certain.p);
	free(o->changes);
	free(o);
}

void disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		node_free(d->nodes[i]);
	free(d->nodes);
	free(d);
}

/* ---- directories ---- */

static struct name *name_find(const struct names *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->p[i].text, text) == 0)
			return &l->p[i];
	return NULL;
}

static void name_set(struct names *l, const char *text, struct disk_node *o)
{
	struct name *n = name_find(l, text);

	if (n == NULL) {
		if (l->n == l->cap) {
			l->cap = l->cap ? 2 * l->cap : 8;
			l->p = mem_resize(l->p, l->cap * sizeof(*l->p));
		}
		n = &l->p[l->n++];
		memset(n, 0, sizeof(*n));
		INVARIANT(strlen(text) < sizeof(n->text));
		(void)strncpy(n->text, text, sizeof(n->text) - 1);
	}
	n->node = o;
}

static void name_remove(struct names *l, const char *text)
{
	struct name *n = name_find(l, text);

	if (n != NULL)
		*n = l->p[--l->n];
}

static void change_apply(struct names *l, const struct change *c)
{
	if (c->op == SEAM_CREATE)
		name_set(l, c->name, c->node);
	if (c->op == SEAM_UNLINK || c->op == SEAM_RENAME)
		name_remove(l, c->name);
	if (c->op == SEAM_RENAME)
		name_set(l, c->to, c->node);
}

static void change_add(struct disk_node *dir, enum seam_op op, const char *name, const char *to, struct disk_node *o)
{
	struct change *n;

	dir->changes = mem_resize(dir->changes, (dir->n + 1) * sizeof(*dir->changes));
	n = &dir->changes[dir->n++];
	memset(n, 0, sizeof(*n));
	n->op = op;
	n->node = o;
	(void)strncpy(n->name, name, sizeof(n->name) - 1);
	(void)strncpy(n->to, to, sizeof(n->to) - 1);
	change_apply(&dir->names, n);
}

struct disk_node *disk_find(const struct disk_node *dir, const char *name)
{
	struct name *n = name_find(&dir->names, name);

	return n != NULL ? n->node : NULL;
}

struct disk_node *disk_create(struct disk *d, struct disk_node *dir, const char *name, bool is_dir)
{
	struct disk_node *o = node_new(d, is_dir);

	change_add(dir, SEAM_CREATE, name, "", o);
	return o;
}

void disk_rename(struct disk_node *dir, const char *name, const char *to)
{
	struct disk_node *o = disk_find(dir, name);

	INVARIANT(o != NULL);
	change_add(dir, SEAM_RENAME, name, to, o);
}

void disk_unlink(struct disk_node *dir, const char *name) { change_add(dir, SEAM_UNLINK, name, "", NULL); }

static void names_flush(struct disk_node *dir)
{
	for (size_t i = 0; i < dir->n; i++)
		change_apply(&dir->certain, &dir->changes[i]);
	dir->n = 0;
}

/* ---- files ---- */

static void file_grow(struct disk_node *o, size_t size)
{
	size_t cap = (size + 4 * PAGE) / PAGE * PAGE, old = o->cap;

	if (size <= old)
		return;
	o->now = mem_resize(o->now, cap);
	memset(o->now + old, 0, cap - old);
	o->sectors = mem_resize(o->sectors, cap / SECTOR * sizeof(struct sector));
	memset(o->sectors + old / SECTOR, 0, (cap - old) / SECTOR * sizeof(struct sector));
	o->dirty = mem_resize(o->dirty, cap / PAGE);
	memset(o->dirty + old / PAGE, 0, (cap - old) / PAGE);
	o->cap = cap;
}

void disk_write(struct disk_node *o, const struct iovec *iov, int n, uint64_t offset, size_t k)
{
	size_t at = (size_t)offset, from = at, end = at + k;

	file_grow(o, end);
	for (int i = 0; i < n && k > 0; i++) {
		size_t one = iov[i].iov_len < k ? iov[i].iov_len : k;

		memcpy(o->now + at, iov[i].iov_base, one);
		at += one;
		k -= one;
	}
	if (end > o->size)
		o->size = end;
	for (size_t s = from / PAGE * (PAGE / SECTOR); s < o->cap / SECTOR && s * SECTOR < end; s++) {
		struct sector *c = &o->sectors[s];

		o->dirty[s * SECTOR / PAGE] = true;
		c->maybe = mem_resize(c->maybe, (c->n + 1) * sizeof(uint8_t *));
		c->maybe[c->n] = mem_new(SECTOR);
		memcpy(c->maybe[c->n++], o->now + s * SECTOR, SECTOR);
	}
}

void disk_truncate(struct disk_node *o, uint64_t size)
{
	if (size < o->size)
		memset(o->now + size, 0, o->size - (size_t)size);
	else
		file_grow(o, (size_t)size);
	o->size = (size_t)size;
}

void disk_reserve(struct disk_node *o, uint64_t size)
{
	file_grow(o, (size_t)size);
	if (o->size < size)
		o->size = (size_t)size;
}

static void octets_flush(struct disk_node *o, bool all)
{
	o->certain_size = o->size;
	for (size_t s = 0; s < o->cap / SECTOR; s++) {
		uint8_t *bytes;

		if (!o->dirty[s * SECTOR / PAGE] && (!all || o->sectors[s].n == 0))
			continue;
		bytes = mem_new(SECTOR);
		memcpy(bytes, o->now + s * SECTOR, SECTOR);
		sector_certain(&o->sectors[s], bytes);
	}
	if (o->cap > 0)
		memset(o->dirty, 0, o->cap / PAGE);
}

static void node_flush(struct disk_node *o)
{
	if (o->is_dir)
		names_flush(o);
	else
		octets_flush(o, false);
}

static unsigned told_at_first(const struct failures *f) { return f->n - f->untold; }

static bool tell(struct failures *f, unsigned *told)
{
	bool news = *told != f->n;

	if (news)
		f->untold = false;
	*told = f->n;
	return news;
}

static void note_failure(struct failures *f)
{
	f->n++;
	f->untold = true;
}

unsigned disk_told(const struct disk_node *o) { return told_at_first(&o->failures); }
unsigned disk_told_all(const struct disk *d) { return told_at_first(&d->failures); }

static void make_clean(struct disk_node *o)
{
	if (o->cap > 0)
		memset(o->dirty, 0, o->cap / PAGE);
}

bool disk_flush(struct disk_node *o, unsigned *told)
{
	if (tell(&o->failures, told)) {
		make_clean(o);
		return false;
	}
	node_flush(o);
	return true;
}

void disk_flush_failed(struct disk *d, struct disk_node *o, unsigned *told)
{
	make_clean(o);
	note_failure(&d->failures);
	note_failure(&o->failures);
	(void)tell(&o->failures, told);
}

bool disk_flush_all(struct disk *d, unsigned *told)
{
	for (size_t i = 0; i < d->n; i++)
		node_flush(d->nodes[i]);
	return !tell(&d->failures, told);
}

void disk_flush_all_failed(struct disk *d, unsigned *told)
{
	for (size_t i = 0; i < d->n; i++) {
		struct disk_node *o = d->nodes[i];

		if (o->cap == 0 || memchr(o->dirty, true, o->cap / PAGE) == NULL)
			continue;
		make_clean(o);
		note_failure(&o->failures);
	}
	note_failure(&d->failures);
	(void)tell(&d->failures, told);
}

void disk_settle(struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->nodes[i]->is_dir)
			names_flush(d->nodes[i]);
		else
			octets_flush(d->nodes[i], true);
}

/* ---- the seam of one stream ---- */

/* The node under the name; the lock file is made outside the seam. */
static struct disk_node *node_of(struct disk *d, const char *name)
{
	struct disk_node *root = disk_root(d), *o = disk_find(root, name);

	if (o == NULL) {
		INVARIANT(strcmp(name, "lock") == 0);
		o = node_new(d, false);
		name_set(&root->certain, name, o);
		name_set(&root->names, name, o);
	}
	return o;
}

void disk_follow(struct disk *d, const struct seam_call *c, long result)
{
	if (result < 0 || c->op == SEAM_READ)
		return;
	if (c->op == SEAM_FLUSH_DIR)
		node_flush(disk_root(d));
	else if (c->op == SEAM_CREATE)
		(void)disk_create(d, disk_root(d), c->name, false);
	else if (c->op == SEAM_RENAME)
		disk_rename(disk_root(d), c->name, c->to);
	else if (c->op == SEAM_UNLINK)
		disk_unlink(disk_root(d), c->name);
	else if (c->op == SEAM_WRITE)
		disk_write(node_of(d, c->name), c->iov, c->iovs, c->at, (size_t)result);
	else if (c->op == SEAM_FLUSH)
		node_flush(node_of(d, c->name));
	else if (c->op == SEAM_TRUNCATE)
		disk_truncate(node_of(d, c->name), c->at);
	else if (c->op == SEAM_RESERVE)
		disk_reserve(node_of(d, c->name), c->at);
}

/* ---- what is left ---- */

struct leaving {
	struct rnd *rng;
	unsigned keep;
	disk_made_fn *made;
	void *arg;
};

static unsigned keep_of(const struct leaving *l)
{
	static const unsigned mixed[] = { 0, 0, 100, 100, 50 };

	return l->keep == DISK_MIXED ? mixed[rnd_below(l->rng, 5)] : l->keep;
}

/* All of it means as it is now; otherwise any state since the last certain one. NULL: zeros. */
static const uint8_t *leave_sector(const struct sector *c, struct rnd *r, unsigned keep)
{
	if (c->n > 0 && keep == 100)
		return c->maybe[c->n - 1];
	if (c->n > 0 && rnd_below(r, 100) < keep)
		return c->maybe[rnd_below(r, 2) ? c->n - 1 : rnd_below(r, c->n)];
	return c->certain;
}

static void leave_file(const struct leaving *l, const struct disk_node *o, int fd)
{
	unsigned keep = keep_of(l);
	size_t size = rnd_below(l->rng, 100) < keep ? o->size : o->certain_size;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (size_t s = 0; s * SECTOR < size; s++) {
		const uint8_t *p = leave_sector(&o->sectors[s], l->rng, keep);
		size_t n = size - s * SECTOR < SECTOR ? size - s * SECTOR : SECTOR;

		if (p != NULL)
			assert_int_equal(pwrite(fd, p, n, (off_t)(s * SECTOR)), n);
	}
}

static void leave_dir(const struct leaving *l, const struct disk_node *dir, int to)
{
	struct names left = { NULL, 0, 0 };
	unsigned keep = keep_of(l);

	if (l->made != NULL)
		l->made(l->arg, dir, to);
	for (size_t i = 0; i < dir->certain.n; i++)
		name_set(&left, dir->certain.p[i].text, dir->certain.p[i].node);
	for (size_t i = 0; i < dir->n; i++)
		if (rnd_below(l->rng, 100) < keep)
			change_apply(&left, &dir->changes[i]);
	for (size_t i = 0; i < left.n; i++) {
		const struct disk_node *o = left.p[i].node;
		int fd;

		if (o->is_dir)
			assert_int_equal(mkdirat(to, left.p[i].text, 0700), 0);
		fd = openat(to, left.p[i].text, o->is_dir ? O_RDONLY | O_DIRECTORY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		if (o->is_dir)
			leave_dir(l, o, fd);
		else
			leave_file(l, o, fd);
		(void)close(fd);
	}
	free(left.p);
}

void disk_leave(const struct disk *d, struct rnd *r, unsigned keep, int to, disk_made_fn *made, void *arg)
{
	struct leaving l = { r, keep, made, arg };

	leave_dir(&l, disk_root(d), to);
}

static bool file_is(const struct disk_node *o, int fd)
{
	uint64_t size;
	bool same = file_size(fd, &size) == ERR_OK && size == o->size;
	uint8_t *p = same ? mem_new(o->size + 1) : NULL;

	same = same && file_pread(fd, p, o->size, 0) == ERR_OK && (o->size == 0 || memcmp(p, o->now, o->size) == 0);
	free(p);
	return same;
}

static int count_name(const char *name, void *arg)
{
	(void)name;
	++*(size_t *)arg;
	return 0;
}

static bool dir_is(const struct disk_node *dir, int at)
{
	size_t n = 0;
	bool same = file_list(at, count_name, &n) == ERR_OK && n == dir->names.n;

	for (size_t i = 0; i < dir->names.n && same; i++) {
		const struct disk_node *o = dir->names.p[i].node;
		int fd = openat(at, dir->names.p[i].text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		same = fd >= 0 && (o->is_dir ? dir_is(o, fd) : file_is(o, fd));
		fd_close(&fd);
	}
	return same;
}

bool disk_is(const struct disk *d, int fd) { return dir_is(disk_root(d), fd); }
