/* SPDX-License-Identifier: ISC */
/*
 * A copy of a stream beside its writers: the files up to the one that holds the published mark, that one up to the mark. What is appended
 * meanwhile stands above the mark; compaction is locked out; what is dropped meanwhile is missed when it is to be taken, and all is done again.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "journal/internal.h"
#include "sys/clock.h"

#define TRIES 50
#define PATIENCE_MS 60000
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

/* ERR_NOT_FOUND: it has gone since it was listed. */
static int has_begun(struct backend *b, const struct object_name *name, bool *begun)
{
	uint8_t p[SEGMENT_DATA + FRAME_HEAD];
	struct object *o;
	struct segment_head head;
	struct frame_head frame;
	size_t got = 0;
	int r = b->ops->open(b, name, false, &o);

	if (r != ERR_OK)
		return r;
	if (b->ops->read(o, 0, p, sizeof(p), &got) != ERR_OK)
		got = 0;
	object_unref(o);
	*begun = got == sizeof(p) && segment_head_get(p, &head) == ERR_OK && frame_head_get(p + SEGMENT_DATA, frame_salt_sum(head.salt), &frame) &&
		frame.kind == FRAME_KIND_BEGIN;
	return ERR_OK;
}

struct plan {
	size_t n;        /* so many of the listing are taken */
	uint64_t octets; /* of the last of them */
};

/* Up to the file that holds the published mark, and that one up to it. */
static void plan_to_mark(const struct listing *l, uint64_t mark, struct plan *p)
{
	const struct object_name *last;

	while (p->n < l->n && l->v[p->n].first < mark)
		p->n++;
	last = p->n > 0 ? &l->v[p->n - 1] : NULL;
	if (last != NULL && last->generation == 0)
		p->octets = SEGMENT_DATA + (mark - last->first);
}

/* Nothing was published: all but what was only prepared. */
static int plan_all(struct backend *b, const struct listing *l, struct plan *p)
{
	bool begun = false;
	int r = ERR_OK;

	for (p->n = l->n; p->n > 0 && r == ERR_OK; p->n--) {
		begun = l->v[p->n - 1].generation > 0;
		if (!begun)
			r = has_begun(b, &l->v[p->n - 1], &begun);
		if (begun)
			break;
	}
	return r;
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

int object_take(struct backend *from, const struct object_name *name, struct backend *to, bool share)
{
	int r = share ? from->ops->share(from, name, to) : ERR_UNSUPPORTED;

	return r == ERR_UNSUPPORTED ? copy_object(from, name, to, UINT64_MAX) : r;
}

static int empty(struct backend *b, struct listing *l)
{
	int r = listing_make(b, l);

	for (size_t i = 0; i < l->n && r == ERR_OK; i++)
		r = b->ops->drop(b, &l->v[i]);
	return r;
}

/* Files are shared where nothing is written to them any more: all but the last segment. */
static int take_all(struct backend *from, struct backend *to, const struct listing *l, const struct plan *p, bool share)
{
	int r = ERR_OK;

	for (size_t i = 0; i < p->n && r == ERR_OK; i++) {
		if (i + 1 < p->n || l->v[i].generation > 0)
			r = object_take(from, &l->v[i], to, share);
		else
			r = copy_object(from, &l->v[i], to, p->octets);
	}
	return r;
}

/* ERR_NOT_FOUND: a file has gone meanwhile, which only a drop can do, from the lowest up. */
static int copy_once(struct backend *from, struct backend *to, bool share)
{
	enum backend_mark when;
	uint64_t mark = from->ops->mark_get(from, &when);
	struct listing l = { 0 };
	struct plan p = { .octets = UINT64_MAX };
	int r = listing_make(from, &l);

	if (r == ERR_OK && mark > 0)
		plan_to_mark(&l, mark, &p);
	else if (r == ERR_OK)
		r = plan_all(from, &l, &p);
	if (r == ERR_OK)
		r = take_all(from, to, &l, &p, share);
	if (r == ERR_OK && p.n > 0 && mark > 0)
		r = to->ops->mark_put(to, mark);
	if (r == ERR_NOT_FOUND && empty(to, &l) != ERR_OK)
		r = ERR_IO;
	free(l.v);
	return r;
}

/*
 * A compaction gives new names to what old ones held, so that no listing would be true for long: it waits for us, as we wait for one that is
 * under way, but for no longer than PATIENCE_MS: who holds that lock may be a captured process. ERR_NOT_FOUND: without a lock file nobody is at
 * work here.
 */
static int lock_out_compaction(struct backend *b)
{
	int r;

	for (int i = 0; (r = b->ops->lock(b, BACKEND_LOCK_COMPACT, false, false)) == ERR_BUSY && i < PATIENCE_MS; i++)
		clock_sleep_ms(1);
	return r;
}

static int copy_locked(struct backend *from, struct backend *to, bool share)
{
	int r = ERR_NOT_FOUND;

	for (int i = 0; i < TRIES && r == ERR_NOT_FOUND; i++)
		r = copy_once(from, to, share);
	return r == ERR_NOT_FOUND ? ERR_BUSY : r;
}

int journal_copy(int from, int to, bool share)
{
	struct backend *a, *b;
	bool locked;
	int r = backend_file_open(from, false, false, MODE, NULL, &a);

	if (r != ERR_OK)
		return r;
	r = backend_file_open(to, true, false, MODE, NULL, &b);
	if (r == ERR_OK) {
		r = lock_out_compaction(a);
		locked = r == ERR_OK;
		if (locked || r == ERR_NOT_FOUND)
			r = copy_locked(a, b, share);
		if (locked)
			a->ops->unlock(a, BACKEND_LOCK_COMPACT);
		backend_unref(b);
	}
	backend_unref(a);
	return r;
}
