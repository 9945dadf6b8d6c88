/* SPDX-License-Identifier: ISC */
/*
 * A copy of a stream beside its writers: the files up to the one that holds the published mark, that one up to the mark. What is appended
 * meanwhile stands above the mark; what is compacted or dropped meanwhile shows in a second listing, and all is done again.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "journal/internal.h"

#define TRIES 50
#define CHUNK (256u << 10)
#define MODE 0600

struct listing {
	struct object_name *v;
	size_t n, cap;
};

static void listing_add(void *arg, const struct object_name *name)
{
	struct listing *l = arg;

	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->v = mem_resize(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = *name;
}

static int by_place(const void *a, const void *b)
{
	const struct object_name *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return (x->limit > y->limit) - (x->limit < y->limit);
}

static int listing_make(struct backend *b, struct listing *l)
{
	int r;

	l->n = 0;
	r = b->ops->list(b, listing_add, l);
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), by_place);
	return r;
}

static bool has_begun(struct backend *b, const struct object_name *name)
{
	uint8_t p[SEGMENT_DATA + FRAME_HEAD];
	struct object *o;
	struct segment_head head;
	struct frame_head frame;
	size_t got = 0;

	if (b->ops->open(b, name, false, &o) != ERR_OK)
		return false;
	if (b->ops->read(o, 0, p, sizeof(p), &got) != ERR_OK)
		got = 0;
	object_unref(o);
	return got == sizeof(p) && segment_head_get(p, &head) == ERR_OK && frame_head_get(p + SEGMENT_DATA, frame_salt_sum(head.salt), &frame) &&
		frame.kind == FRAME_KIND_BEGIN;
}

struct plan {
	size_t head;  /* the last that is copied */
	bool sealed;  /* it as well: one behind it has begun */
	uint64_t octets; /* of the head */
};

/* False: there is nothing that has begun. */
static bool make_plan(struct backend *b, const struct listing *l, uint64_t mark, struct plan *p)
{
	bool found = false;

	*p = (struct plan){ .octets = UINT64_MAX };
	for (size_t i = l->n; i-- > 0;) {
		if (l->v[i].generation == 0 && !has_begun(b, &l->v[i]))
			continue;
		p->sealed = found || l->v[i].generation > 0;
		p->head = i;
		found = true;
		if (mark == 0 || l->v[i].first < mark)
			break;
	}
	if (found && mark > l->v[p->head].first)
		p->octets = SEGMENT_DATA + (mark - l->v[p->head].first);
	return found;
}

static int copy_octets(struct object *from, struct object *to, uint64_t limit)
{
	uint8_t *p = mem_new(CHUNK);
	uint64_t at = 0;
	size_t got = 1, done;
	int r = ERR_OK;

	while (r == ERR_OK && at < limit && got > 0) {
		r = from->backend->ops->read(from, at, p, limit - at < CHUNK ? (size_t)(limit - at) : CHUNK, &got);
		if (r == ERR_OK && got > 0) {
			struct iovec iov = { p, got };

			r = to->backend->ops->append(to, at, &iov, 1, &done);
		}
		at += got;
	}
	free(p);
	return r;
}

static int copy_object(struct backend *from, const struct object_name *name, struct backend *to, uint64_t limit)
{
	struct object *in, *out;
	int r = from->ops->open(from, name, false, &in);

	if (r != ERR_OK)
		return r;
	r = to->ops->create(to, name, VIEW_NONE, &out);
	if (r == ERR_OK) {
		r = copy_octets(in, out, limit);
		object_unref(out);
	}
	object_unref(in);
	return r;
}

static int take(struct backend *from, const struct object_name *name, struct backend *to, bool share)
{
	int r = share ? from->ops->share(from, name, to) : ERR_UNSUPPORTED;

	return r == ERR_UNSUPPORTED ? copy_object(from, name, to, UINT64_MAX) : r;
}

/* Whether the first n are what they were. */
static bool unchanged(const struct listing *before, const struct listing *now, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i >= now->n || by_place(&before->v[i], &now->v[i]) != 0)
			return false;
	return true;
}

static int empty(struct backend *b, struct listing *l)
{
	int r = listing_make(b, l);

	for (size_t i = 0; i < l->n && r == ERR_OK; i++)
		r = b->ops->drop(b, &l->v[i]);
	return r;
}

/* ERR_NOT_FOUND: a file has gone meanwhile. */
static int copy_once(struct backend *from, struct backend *to, bool share)
{
	uint64_t mark = from->ops->mark_get(from);
	struct listing l = { 0 }, again = { 0 };
	struct plan p;
	int r = listing_make(from, &l);

	if (r == ERR_OK && make_plan(from, &l, mark, &p)) {
		for (size_t i = 0; i < p.head && r == ERR_OK; i++)
			r = take(from, &l.v[i], to, share);
		if (r == ERR_OK)
			r = p.sealed ? take(from, &l.v[p.head], to, share) : copy_object(from, &l.v[p.head], to, p.octets);
		if (r == ERR_OK)
			r = listing_make(from, &again);
		if (r == ERR_OK && !unchanged(&l, &again, p.head + 1))
			r = ERR_NOT_FOUND;
		if (r == ERR_OK)
			r = to->ops->mark_put(to, mark);
	}
	if (r == ERR_NOT_FOUND && empty(to, &again) != ERR_OK)
		r = ERR_IO;
	free(l.v);
	free(again.v);
	return r;
}

int journal_copy(int from, int to, bool share)
{
	struct backend *a, *b;
	int r = backend_file_open(from, false, false, MODE, NULL, &a);

	if (r != ERR_OK)
		return r;
	r = backend_file_open(to, true, false, MODE, NULL, &b);
	if (r == ERR_OK) {
		r = ERR_NOT_FOUND;
		for (int i = 0; i < TRIES && r == ERR_NOT_FOUND; i++)
			r = copy_once(a, b, share);
		backend_unref(b);
	}
	backend_unref(a);
	return r == ERR_NOT_FOUND ? ERR_BUSY : r;
}
