/* SPDX-License-Identifier: ISC */
/* The flush in three steps: what to flush is fixed in the loop, flushed in any thread, and settled in the loop. */
#include <stdlib.h>

#include "base/mem.h"
#include "journal/internal.h"

#define RESERVE_AHEAD (1u << 20)

struct journal_flush {
	struct backend *backend;
	struct object **objects;
	size_t n;
	bool names;  /* a directory entry is to be flushed too */
	uint64_t to; /* what this makes durable */
	unsigned cuts;
	int result;
	struct object *reserve; /* make room in this one up to reserve_to */
	uint64_t reserve_to;
	bool prepare; /* make the segment next_first */
	struct segment_head next_head;
	struct object *next;
};

int object_flush(struct object *o)
{
	int r;

	INVARIANT(pthread_mutex_lock(&o->turn) == 0);
	if (o->failed == ERR_OK)
		o->failed = o->backend->ops->flush(o);
	r = o->failed;
	INVARIANT(pthread_mutex_unlock(&o->turn) == 0);
	return r;
}

/* All its frames were cut away, and a later begin says so: what of it reaches the disk makes no difference. */
static bool is_cut_away(const struct segment *s) { return s->end <= s->head.first; }

/* The segments with frames between the durable mark and the end. */
static int flush_gather(struct journal *j, struct journal_flush *f)
{
	for (size_t i = chain_find(j, j->durable); i < j->n; i++) {
		struct segment *s = j->segments[i];
		int r;

		if (s->head.type != SEGMENT_PLAIN || s->damaged)
			continue;
		f->names |= !s->entry_durable;
		if (is_cut_away(s))
			continue;
		r = segment_open(j, s, journal_writes(j));
		if (r == ERR_OK)
			r = segment_cover(j, s);
		if (r != ERR_OK)
			return r;
		f->objects[f->n++] = object_ref(s->object);
	}
	return ERR_OK;
}

/* Zeros stand ahead of the end, and more will be written. */
static bool is_ready(const struct journal *j)
{
	return j->ahead.first == j->head->head.first && j->ahead.ready != UINT64_MAX && j->ahead.ready > segment_offset(j->head, j->end);
}

/* Work that later appends and flushes are spared: room in the head, and the segment behind it. */
static void flush_ahead(struct journal *j, struct journal_flush *f)
{
	uint64_t used;

	if (j->head == NULL || j->torn || j->cut_back)
		return;
	used = j->end - j->head->head.first;
	if (j->o.role == JOURNAL_OWNER && used < j->head->head.size && !is_ready(j)) {
		uint64_t left = j->head->head.size - used;

		f->reserve = object_ref(j->head->object);
		f->reserve_to = segment_offset(j->head, j->end + (left < RESERVE_AHEAD ? left : RESERVE_AHEAD));
		/* In steps, so that most flushes ask for nothing. */
		f->reserve_to = f->reserve_to / (RESERVE_AHEAD / 2) * (RESERVE_AHEAD / 2);
	}
	if (j->next == NULL && used >= j->head->head.size / 2) {
		f->prepare = true;
		segment_head_new(j, j->next_first, &f->next_head);
	}
}

struct journal_flush *journal_flush_begin(struct journal *j)
{
	struct journal_flush *f;

	if (j->durable >= j->end && j->lost_from == j->lost_to)
		return NULL;
	f = mem_new(sizeof(*f));
	f->backend = j->backend;
	atomic_fetch_add(&j->backend->refs, 1);
	f->objects = mem_array(j->n + 1, sizeof(struct object *));
	f->to = j->end;
	f->cuts = j->cuts;
	f->result = j->rewrite ? recover_rewrite(j) : ERR_OK;
	if (f->result == ERR_OK)
		f->result = flush_gather(j, f);
	if (j->lost_from != j->lost_to)
		f->cuts--; /* settled as lost */
	if (f->result == ERR_OK && journal_writes(j))
		flush_ahead(j, f);
	return f;
}

static void prepare_run(struct journal_flush *f)
{
	struct object_name name = { .first = f->next_head.first };
	uint8_t head[SEGMENT_DATA];

	segment_head_put(head, &f->next_head);
	if (f->backend->ops->create(f->backend, &name, view_make(head, sizeof(head)), &f->next) != ERR_OK) {
		f->next = NULL;
		return;
	}
	if (object_flush(f->next) == ERR_OK && f->backend->ops->flush_names(f->backend) == ERR_OK)
		return;
	object_unref(f->next);
	f->next = NULL;
}

void journal_flush_run(struct journal_flush *f)
{
	for (size_t i = 0; i < f->n && f->result == ERR_OK; i++)
		f->result = object_flush(f->objects[i]);
	if (f->result == ERR_OK && f->names)
		f->result = f->backend->ops->flush_names(f->backend);
	if (f->result == ERR_OK && f->reserve != NULL)
		f->backend->ops->reserve(f->reserve, f->reserve_to);
	if (f->result == ERR_OK && f->prepare)
		prepare_run(f);
}

void journal_flush_ran(struct journal_flush *f, int result)
{
	if (f->result == ERR_OK)
		f->result = result;
}

static void flush_free(struct journal_flush *f)
{
	for (size_t i = 0; i < f->n; i++)
		object_unref(f->objects[i]);
	free(f->objects);
	object_unref(f->reserve);
	object_unref(f->next);
	backend_unref(f->backend);
	free(f);
}

/* Takes the segment that the flush prepared. */
static void take_next(struct journal *j, struct journal_flush *f)
{
	struct segment *s;

	if (f->next == NULL)
		return;
	if (j->o.role != JOURNAL_OWNER || j->next != NULL || j->next_first != f->next_head.first) {
		j->serial = 0;
		return;
	}
	s = mem_new(sizeof(*s));
	s->name.first = f->next_head.first;
	s->head = f->next_head;
	s->salt_sum = frame_salt_sum(s->head.salt);
	s->clean = s->writable = s->entry_durable = true;
	s->object = f->next;
	f->next = NULL;
	j->next = s;
}

/*
 * All of s is durable. What was reserved in it behind its end goes back, once its successor says for good that this is the end; one that was cut
 * away as a whole keeps its begin, and with it its place in the chain.
 */
static void segment_settled(struct journal *j, struct segment *s)
{
	s->dirty = false;
	if (s != j->head && j->o.role == JOURNAL_OWNER && s->object != NULL && s->writable && s->end > s->head.first &&
		j->head->head.first < j->durable)
		s->object->backend->ops->seal(s->object, segment_offset(s, s->end));
}

static int flush_good(struct journal *j, const struct journal_flush *f)
{
	if (f->to > j->durable) {
		int r = j->backend->ops->mark_put(j->backend, f->to);

		/* To an owner the published mark only spares reading (journal_publish); another shared writer would cut at it. */
		if (r != ERR_OK && j->o.role != JOURNAL_OWNER)
			return r;
		j->unpublished = r != ERR_OK;
		j->flush_octets = (7 * j->flush_octets + (f->to - j->durable)) / 8;
		j->durable = f->to;
	}
	for (size_t i = 0; i < j->n; i++) {
		struct segment *s = j->segments[i];

		if (s->dirty && s->end <= j->durable)
			segment_settled(j, s);
		if (s->head.first < j->durable)
			s->entry_durable = true;
	}
	if (j->pending_to <= j->durable)
		j->pending_from = j->pending_to = 0;
	else if (j->pending_from < j->durable)
		j->pending_from = j->durable;
	return ERR_OK;
}

int journal_publish(struct journal *j)
{
	int r = j->unpublished ? j->backend->ops->mark_put(j->backend, j->durable) : ERR_OK;

	j->unpublished = r != ERR_OK;
	return r;
}

/*
 * What this life of the stream appended behind the durable mark is given up; the roll may have to wait for the next append. What was found at
 * opening is kept: somebody may have been told that it is durable.
 */
static void flush_failed(struct journal *j)
{
	uint64_t kept = journal_kept(j);

	j->cuts++;
	j->rewrite = true;
	j->pending_from = j->pending_to = 0;
	j->lost_from = j->lost_to = 0;
	if (j->end <= kept)
		return;
	j->lost_from = kept;
	j->lost_to = j->end;
	j->cut_back = true;
	if (roll_locked(j) != ERR_OK && j->cut_back && j->o.role == JOURNAL_OWNER)
		chain_clip(j, kept);
	/* Nothing will ever be flushed in these, so they need not stay open. */
	for (size_t i = 0; i < j->n; i++)
		if (is_cut_away(j->segments[i]))
			j->segments[i]->dirty = false;
}

static void give_lost(struct journal *j, uint64_t *from, uint64_t *to)
{
	if (from != NULL)
		*from = j->lost_from;
	if (to != NULL)
		*to = j->lost_to;
	j->lost_from = j->lost_to = 0;
}

static int flush_settle(struct journal *j, struct journal_flush *f, uint64_t *lost_from, uint64_t *lost_to)
{
	int r = writer_lock(j);

	if (r != ERR_OK)
		return r; /* nothing is known: it is not durable as far as we know */
	if (f->cuts != j->cuts) {
		r = f->result != ERR_OK ? f->result : ERR_IO;
		give_lost(j, lost_from, lost_to);
	} else if (f->result == ERR_OK || j->durable >= f->to) {
		r = flush_good(j, f);
	} else {
		r = f->result;
		flush_failed(j);
		give_lost(j, lost_from, lost_to);
	}
	writer_unlock(j);
	return r;
}

int journal_flush_end(struct journal *j, struct journal_flush *f, uint64_t *lost_from, uint64_t *lost_to)
{
	int r = f->result;

	if (lost_from != NULL)
		*lost_from = 0;
	if (lost_to != NULL)
		*lost_to = 0;
	if (j != NULL && journal_writes(j)) {
		take_next(j, f);
		r = flush_settle(j, f, lost_from, lost_to);
	}
	flush_free(f);
	return r;
}

int journal_flush(struct journal *j)
{
	struct journal_flush *f = journal_flush_begin(j);

	if (f == NULL)
		return ERR_OK;
	journal_flush_run(f);
	return journal_flush_end(j, f, NULL, NULL);
}

/* What stands in [mark, end), and the heads of the segments that begin there. */
static int forget(struct journal *j, uint64_t mark, uint64_t end)
{
	int r = ERR_OK;

	window_drop(j);
	for (size_t i = chain_find(j, mark); i < j->n && j->segments[i]->head.first < end && r == ERR_OK; i++) {
		struct segment *s = j->segments[i];

		if (s->head.type != SEGMENT_PLAIN || s->damaged || is_cut_away(s))
			continue;
		r = segment_open(j, s, false);
		if (r == ERR_OK)
			r = s->object->backend->ops->forget(s->object, s->head.first < mark ? segment_offset(s, mark) : 0, segment_offset(s, s->end < end ? s->end : end));
	}
	return r == ERR_OK ? j->backend->ops->flush_names(j->backend) : r;
}

/*
 * Up to where the stream is on stable storage, with no owner in it: an owner that died may have published less than was flushed, and after a power cut or the
 * loss of its disk the mark may be an older one.
 */
static uint64_t look_for_yourself(struct journal *j, uint64_t mark)
{
	uint64_t end = j->end;

	if (forget(j, mark, end) != ERR_OK || chain_load(j, NULL, NULL) != ERR_OK || recover_tail(j, mark) != ERR_OK ||
		j->backend->ops->locked(j->backend, BACKEND_LOCK_SHARED))
		return mark;
	return j->end < end ? j->end : end;
}

uint64_t journal_settled(struct journal *j)
{
	enum backend_mark when;
	uint64_t mark = j->backend->ops->mark_get(j->backend, &when);
	bool owned = j->backend->ops->locked(j->backend, BACKEND_LOCK_SHARED);

	if (when == BACKEND_MARK_EARLIER || (when == BACKEND_MARK_NONE && !owned))
		return j->end;
	if (mark < j->end && !owned)
		mark = look_for_yourself(j, mark);
	return mark < j->end ? mark : j->end;
}
