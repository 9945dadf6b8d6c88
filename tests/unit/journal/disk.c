/* SPDX-License-Identifier: ISC */
#include "tests/unit/journal/disk.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define SECTOR 512u
#define PAGE 4096u
#define NAMES_MAX 512u

/* One that is certain, and those that may have been written since. */
struct sector {
	uint8_t *certain, **maybe;
	size_t n;
};

struct inode {
	uint8_t *now;
	size_t size, certain_size, cap;
	struct sector *sectors; /* cap / SECTOR */
	bool *dirty;            /* cap / PAGE */
};

struct name {
	char text[64];
	struct inode *inode;
};

struct change { /* of the directory, not flushed */
	enum seam_op op;
	char name[64], to[64];
	struct inode *inode;
};

struct names {
	struct name p[NAMES_MAX];
	size_t n;
};

struct disk {
	struct names now, certain;
	struct change *changes;
	size_t n;
	struct inode **inodes;
	size_t ninodes;
};

struct disk *disk_new(void) { return mem_new(sizeof(struct disk)); }

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

void disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->ninodes; i++) {
		struct inode *o = d->inodes[i];

		for (size_t k = 0; k < o->cap / SECTOR; k++)
			sector_certain(&o->sectors[k], NULL);
		free(o->sectors);
		free(o->dirty);
		free(o->now);
		free(o);
	}
	free(d->inodes);
	free(d->changes);
	free(d);
}

static struct name *name_find(struct names *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->p[i].text, text) == 0)
			return &l->p[i];
	return NULL;
}

static void name_set(struct names *l, const char *text, struct inode *o)
{
	struct name *n = name_find(l, text);

	if (n == NULL) {
		INVARIANT(l->n < NAMES_MAX);
		n = &l->p[l->n++];
		(void)strncpy(n->text, text, sizeof(n->text) - 1);
	}
	n->inode = o;
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
		name_set(l, c->name, c->inode);
	if (c->op == SEAM_UNLINK || c->op == SEAM_RENAME)
		name_remove(l, c->name);
	if (c->op == SEAM_RENAME)
		name_set(l, c->to, c->inode);
}

static void change_add(struct disk *d, const struct seam_call *c, struct inode *o)
{
	struct change *n;

	d->changes = mem_resize(d->changes, (d->n + 1) * sizeof(*d->changes));
	n = &d->changes[d->n++];
	memset(n, 0, sizeof(*n));
	n->op = c->op;
	n->inode = o;
	(void)strncpy(n->name, c->name, sizeof(n->name) - 1);
	if (c->to != NULL)
		(void)strncpy(n->to, c->to, sizeof(n->to) - 1);
	change_apply(&d->now, n);
}

static struct inode *inode_new(struct disk *d)
{
	d->inodes = mem_resize(d->inodes, (d->ninodes + 1) * sizeof(struct inode *));
	return d->inodes[d->ninodes++] = mem_new(sizeof(struct inode));
}

static void inode_grow(struct inode *o, size_t size)
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

static void inode_write(struct inode *o, const struct iovec *iov, int n, size_t at, size_t k)
{
	size_t from = at, end = at + k;

	inode_grow(o, end);
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

static void inode_flush(struct inode *o)
{
	o->certain_size = o->size;
	for (size_t s = 0; s < o->cap / SECTOR; s++) {
		uint8_t *bytes;

		if (!o->dirty[s * SECTOR / PAGE])
			continue;
		bytes = mem_new(SECTOR);
		memcpy(bytes, o->now + s * SECTOR, SECTOR);
		sector_certain(&o->sectors[s], bytes);
	}
	memset(o->dirty, 0, o->cap / PAGE);
}

void disk_flush_failed(struct disk *d, const char *name)
{
	struct name *n = name_find(&d->now, name);

	if (n != NULL)
		memset(n->inode->dirty, 0, n->inode->cap / PAGE);
}

static void names_flush(struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		change_apply(&d->certain, &d->changes[i]);
	d->n = 0;
}

/* The inode under the name; the lock file is made outside the seam. */
static struct inode *inode_of(struct disk *d, const char *name)
{
	struct name *n = name_find(&d->now, name);

	if (n == NULL) {
		INVARIANT(strcmp(name, "lock") == 0);
		name_set(&d->certain, name, inode_new(d));
		name_set(&d->now, name, d->inodes[d->ninodes - 1]);
		n = name_find(&d->now, name);
	}
	return n->inode;
}

void disk_follow(struct disk *d, const struct seam_call *c, long result)
{
	if (result < 0 || c->op == SEAM_READ)
		return;
	if (c->op == SEAM_FLUSH_DIR)
		names_flush(d);
	else if (c->op == SEAM_CREATE)
		change_add(d, c, inode_new(d));
	else if (c->op == SEAM_RENAME || c->op == SEAM_UNLINK)
		change_add(d, c, inode_of(d, c->name));
	else if (c->op == SEAM_WRITE)
		inode_write(inode_of(d, c->name), c->iov, c->iovs, (size_t)c->at, (size_t)result);
	else if (c->op == SEAM_FLUSH)
		inode_flush(inode_of(d, c->name));
	else if (c->op == SEAM_TRUNCATE) {
		struct inode *o = inode_of(d, c->name);

		memset(o->now + c->at, 0, o->size - (size_t)c->at);
		o->size = (size_t)c->at;
	} else if (c->op == SEAM_RESERVE) {
		struct inode *o = inode_of(d, c->name);

		inode_grow(o, (size_t)c->at);
		if (o->size < c->at)
			o->size = (size_t)c->at;
	}
}

static void leave_inode(const struct inode *o, struct rng *r, unsigned keep, int fd)
{
	size_t size = rng_below(r, 100) < keep ? o->size : o->certain_size;
	uint8_t zeros[SECTOR] = { 0 };

	for (size_t s = 0; s * SECTOR < size; s++) {
		const struct sector *c = &o->sectors[s];
		const uint8_t *p = c->certain != NULL ? c->certain : zeros;
		size_t n = size - s * SECTOR < SECTOR ? size - s * SECTOR : SECTOR;

		/* All of it means as it is now; otherwise any state since the last certain one. */
		if (c->n > 0 && keep == 100)
			p = c->maybe[c->n - 1];
		else if (c->n > 0 && rng_below(r, 100) < keep)
			p = c->maybe[rng_below(r, 2) ? c->n - 1 : rng_below(r, c->n)];
		assert_int_equal(pwrite(fd, p, n, (off_t)(s * SECTOR)), n);
	}
}

void disk_leave(const struct disk *d, struct rng *r, unsigned keep, const struct home *to)
{
	struct names *left = mem_new(sizeof(*left));

	*left = d->certain;
	for (size_t i = 0; i < d->n; i++)
		if (rng_below(r, 100) < keep)
			change_apply(left, &d->changes[i]);
	home_empty(to);
	for (size_t i = 0; i < left->n; i++) {
		int fd = openat(to->fd, left->p[i].text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
		leave_inode(left->p[i].inode, r, keep, fd);
		(void)close(fd);
	}
	free(left);
}
