/* SPDX-License-Identifier: ISC */
/* The files that make a stream: which of them count, in which order, and where each ends. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/internal.h"
#include "sys/clock.h"

#define OPEN_OBJECTS 24
#define LISTINGS 32u /* until two are the same: compactions do not follow upon each other that fast, only malice does */
#define APPEND_ROOM (UINT64_C(1) << 20) /* what an append may hold beside the largest frame */

static uint64_t page_up(uint64_t n) { return (n + 4095) & ~UINT64_C(4095); }

uint64_t journal_stride(const struct journal *j)
{
	uint64_t n = j->o.segment_size + FRAME_BEGIN_SIZE + frame_size(j->o.frame_max) + APPEND_ROOM;

	return page_up(n);
}

void segment_free(struct segment *s)
{
	if (s == NULL)
		return;
	object_unref(s->object);
	free(s->table);
	free(s);
}

void chain_free(struct journal *j)
{
	window_drop(j);
	for (size_t i = 0; i < j->n; i++)
		segment_free(j->segments[i]);
	free(j->segments);
	segment_free(j->next);
	j->segments = NULL;
	j->n = 0;
	j->head = j->next = NULL;
}

static void close_oldest(struct journal *j)
{
	struct segment *oldest = NULL;
	size_t open = 0;

	for (size_t i = 0; i < j->n; i++) {
		struct segment *s = j->segments[i];

		if (s->object == NULL || s == j->head || s->dirty || s == j->window.segment)
			continue;
		open++;
		if (oldest == NULL || s->used < oldest->used)
			oldest = s;
	}
	if (open <= OPEN_OBJECTS)
		return;
	object_unref(oldest->object);
	oldest->object = NULL;
}

int segment_open(struct journal *j, struct segment *s, bool write)
{
	struct object *o;
	int r;

	s->used = ++j->clock;
	if (s->object != NULL && (s->writable || !write))
		return ERR_OK;
	r = j->backend->ops->open(j->backend, &s->name, write, &o);
	if (r != ERR_OK)
		return r;
	object_unref(s->object);
	s->object = o;
	s->writable = write;
	s->late = write && j->o.role == JOURNAL_SHARED_WRITER;
	close_oldest(j);
	return ERR_OK;
}

size_t chain_find(const struct journal *j, uint64_t position)
{
	size_t low = 0, high = j->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (j->segments[mid]->end > position)
			high = mid;
		else
			low = mid + 1;
	}
	/* Ends rise but for files that were cut away altogether, which have none above their first position. */
	return low;
}

/* Whether the segment was once acknowledged though its begin cannot be read: a frame in it says so. */
static int begin_was_lost(struct journal *j, struct segment *s, bool *lost)
{
	uint64_t size, allocated, offset = SEGMENT_DATA;
	int r = s->object->backend->ops->size(s->object, &size, &allocated);

	*lost = false;
	while (r == ERR_OK && !*lost) {
		struct frame_at f;

		r = frame_resync(j, s, offset, size, s->head.first, false, &offset);
		if (r != ERR_OK || offset >= size)
			break;
		r = frame_look(j, s, offset, size, false, &f);
		*lost = r == ERR_OK && f.head.durable > s->head.first;
	}
	window_drop(j);
	return r;
}

/* Reads the begin of a plain segment, in the octets behind the head. */
static int begin_get(struct journal *j, struct segment *s, const uint8_t *p, size_t n)
{
	struct frame_head h;
	bool lost;
	int r;

	s->cut = NO_CUT;
	if (n >= FRAME_BEGIN_SIZE && frame_head_get(p, s->salt_sum, &h) && h.kind == FRAME_KIND_BEGIN &&
		h.position == s->head.first && h.length == FRAME_BEGIN_PAYLOAD &&
		h.sum == crc32c(frame_seed(s->salt_sum, h.position), p + FRAME_HEAD, FRAME_BEGIN_PAYLOAD)) {
		s->begun = true;
		s->cut = le64_get(p + FRAME_HEAD);
		s->begin_mark = h.durable;
		return ERR_OK;
	}
	r = object_zero_from(s->object, SEGMENT_DATA, &s->clean);
	if (r != ERR_OK || s->clean)
		return r;
	r = begin_was_lost(j, s, &lost);
	s->begun = lost;
	s->begin_mark = lost ? s->head.first : 0;
	return r;
}

/* One that holds nothing was being made, unless a mark says that something stood in it: then that is lost, and its positions stay used. */
static int damaged_head(const struct journal *j, struct segment *s)
{
	uint64_t size, allocated;
	bool empty;
	int r = s->object->backend->ops->size(s->object, &size, &allocated);

	if (r == ERR_OK)
		r = object_zero_from(s->object, SEGMENT_DATA, &empty);
	s->cut = NO_CUT;
	if (r != ERR_OK || (empty && j->durable <= s->name.first))
		return r;
	s->damaged = true;
	s->head.first = s->name.first;
	s->head.limit = s->name.generation > 0 ? s->name.limit : s->name.first + page_up(size);
	s->head.end = s->head.limit;
	return ERR_OK;
}

static int head_load(struct journal *j, struct segment *s)
{
	uint8_t b[SEGMENT_DATA + FRAME_BEGIN_SIZE];
	const struct object_name *name = &s->name;
	size_t got = 0;
	int r = s->object->backend->ops->read(s->object, 0, b, sizeof(b), &got);

	if (r != ERR_OK)
		return r;
	r = got >= SEGMENT_DATA ? segment_head_get(b, &s->head) : ERR_DAMAGED;
	if (r == ERR_OK && (s->head.first != name->first || s->head.generation != name->generation ||
				   (name->generation > 0 && s->head.limit != name->limit)))
		r = ERR_DAMAGED;
	if (r == ERR_DAMAGED)
		return damaged_head(j, s);
	if (r != ERR_OK)
		return r;
	s->salt_sum = frame_salt_sum(s->head.salt);
	if (s->head.type == SEGMENT_PLAIN)
		return begin_get(j, s, b + SEGMENT_DATA, got - SEGMENT_DATA);
	s->begun = true;
	s->entry_durable = true;
	s->cut = s->head.cut;
	return ERR_OK;
}

/* Reads what is needed of a file. Neither damaged nor begun nor clean: state S8 or, with a limit of 0, S9. */
static int segment_load(struct journal *j, const struct object_name *name, struct segment **out)
{
	struct segment *s = mem_new(sizeof(*s));
	int r;

	s->name = *name;
	*out = s;
	r = segment_open(j, s, journal_writes(j) && name->generation == 0);
	return r == ERR_OK ? head_load(j, s) : r;
}

/* A prepared one stays open: under its name another may stand tomorrow. One that was known before is as it was. */
static void close_loaded(struct segment *s)
{
	if (s->clean || s->kept)
		return;
	object_unref(s->object);
	s->object = NULL;
	s->writable = false;
}

struct names {
	struct object_name *p;
	size_t n, cap;
};

static void names_add(void *arg, const struct object_name *name)
{
	struct names *l = arg;

	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 16 : l->cap * 2;
		l->p = mem_resize(l->p, l->cap * sizeof(*l->p));
	}
	l->p[l->n++] = *name;
}

/* By first position; then what wins first: the higher generation. */
static int names_order(const void *a, const void *b)
{
	const struct object_name *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation > y->generation ? -1 : 1;
	return 0;
}

static bool same_name(const struct object_name *a, const struct object_name *b)
{
	return a->first == b->first && a->generation == b->generation && (a->generation == 0 || a->limit == b->limit);
}

/* The segment of that name that is known already: what has begun never changes its head. */
static struct segment *take_known(const struct journal *j, const struct object_name *name)
{
	for (size_t i = 0; i < j->n; i++) {
		struct segment *s = j->segments[i];

		if (s->begun && same_name(&s->name, name)) {
			s->kept = true;
			return s;
		}
	}
	return NULL;
}

static int load_one(struct journal *j, const struct object_name *name, struct segment **out)
{
	*out = take_known(j, name);
	return *out != NULL ? ERR_OK : segment_load(j, name, out);
}

/* Frees those of the array that are not kept; the others are marked anew. */
static void free_unkept(struct segment **p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i]->kept)
			p[i]->kept = false;
		else
			segment_free(p[i]);
	}
}

/*
 * Takes the winners of the names as segments, in order; the others are given as losers. The last stays open: its end is read next, and a writer
 * goes on there.
 */
static int load_winners(struct journal *j, const struct names *names, struct segment **all, size_t *n, struct names *losers)
{
	uint64_t covered = 0;

	*n = 0;
	for (size_t i = 0; i < names->n; i++) {
		const struct object_name *name = &names->p[i];
		struct segment *s;
		int r;

		if (name->first < covered) {
			names_add(losers, name);
			continue;
		}
		r = load_one(j, name, &s);
		if (r == ERR_OK && name->generation > 0 && !s->damaged)
			covered = name->limit;
		if (r != ERR_OK || s->head.limit == 0) {
			segment_free(s);
		} else {
			if (*n > 0)
				close_loaded(all[*n - 1]);
			all[(*n)++] = s;
		}
		if (r != ERR_OK)
			return r;
	}
	return ERR_OK;
}

/*
 * A segment whose begin is unreadable has begun all the same when something says that it was acknowledged. One whose head is unreadable
 * is damage only then, or when there is nothing else: it must not pass for an empty stream.
 */
static void settle_begun(struct segment **all, size_t n, uint64_t mark)
{
	for (size_t i = n; i-- > 0;) {
		struct segment *s = all[i];

		/* The last of them is no prepared one either, whatever of it is left: a clean one before it was never used. */
		if (!s->begun && !s->damaged && mark > s->head.first && (!s->clean || i == n - 1)) {
			s->begun = true;
			s->clean = false;
		}
		if (s->damaged && mark <= s->head.first && (n > 1 || mark > 0))
			s->damaged = false;
		if (s->begun && s->begin_mark > mark)
			mark = s->begin_mark;
	}
}

static void set_ends(struct journal *j)
{
	uint64_t cut = NO_CUT;

	for (size_t i = j->n; i-- > 0;) {
		struct segment *s = j->segments[i];
		uint64_t end = s->head.type == SEGMENT_COMPACTED && !s->damaged ? s->head.end : s->head.limit;

		s->cut_behind = cut;
		s->end_stated = s->head.type == SEGMENT_COMPACTED || cut <= s->head.limit || i == j->n - 1;
		if (cut < end)
			end = cut;
		s->end = end < s->head.first ? s->head.first : end;
		if (s->cut < cut)
			cut = s->cut;
		if (j->durable > s->head.first)
			s->entry_durable = true;
	}
}

void chain_clip(struct journal *j, uint64_t end)
{
	for (size_t i = 0; i < j->n; i++) {
		struct segment *s = j->segments[i];

		if (s->end > end)
			s->end = end > s->head.first ? end : s->head.first;
	}
	j->end = end;
}

/* The last file has no head to say where it ends: behind what is known to have been in it; and the next one stands where none of its positions was. */
static void end_damaged(struct journal *j, struct segment *s)
{
	if (!s->damaged || s->name.generation > 0)
		return;
	if (j->durable > s->head.limit)
		s->head.limit = s->head.end = j->durable;
	if (j->next == NULL && j->next_first < s->head.first + journal_stride(j))
		j->next_first = s->head.first + journal_stride(j);
}

/* Splits what was loaded into the stream, the prepared segment, and what does not count. */
static void take_all(struct journal *j, struct segment **all, size_t n)
{
	settle_begun(all, n, j->durable);
	j->n = 0;
	j->next_first = 0;
	for (size_t i = 0; i < n; i++) {
		struct segment *s = all[i];

		if (s->head.limit > j->next_first)
			j->next_first = s->head.limit;
		if (s->begun || s->damaged) {
			j->segments[j->n++] = s;
		} else if (s->clean && i == n - 1) {
			j->next = s;
			j->next_first = s->head.first;
		} else {
			/* Its begin may be being written just now. */
			if (i == n - 1)
				j->serial = 0;
			segment_free(s);
		}
	}
	if (j->n > 0)
		end_damaged(j, j->segments[j->n - 1]);
	j->head = j->n > 0 && j->segments[j->n - 1]->head.type == SEGMENT_PLAIN && !j->segments[j->n - 1]->damaged
		? j->segments[j->n - 1]
		: NULL;
	set_ends(j);
}

/* Loads what the names say in place of what the journal knows; on failure that stays. */
static int load_names(struct journal *j, const struct names *names, struct names *losers)
{
	struct segment **all = mem_array(names->n + 1, sizeof(struct segment *));
	struct segment **old = j->segments;
	size_t n, nold = j->n;
	int r = load_winners(j, names, all, &n, losers);

	window_drop(j);
	if (r != ERR_OK) {
		free_unkept(all, n);
		free(all);
		return r;
	}
	for (size_t i = 0; i < nold; i++) {
		if (!old[i]->kept)
			segment_free(old[i]);
	}
	free(old);
	for (size_t i = 0; i < n; i++)
		all[i]->kept = false;
	segment_free(j->next);
	j->next = NULL;
	j->segments = mem_array(n + 2, sizeof(struct segment *));
	take_all(j, all, n);
	j->listed = names->n;
	free(all);
	return ERR_OK;
}

static int list_sorted(struct journal *j, struct names *names)
{
	int r;

	names->n = 0;
	r = j->backend->ops->list(j->backend, names_add, names);
	if (r == ERR_OK && names->n > 0)
		qsort(names->p, names->n, sizeof(*names->p), names_order);
	return r;
}

static bool same_names(const struct names *a, const struct names *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_name(&a->p[i], &b->p[i]))
			return false;
	return true;
}

/*
 * While a listing goes on, a compaction may give its result a name that the listing has passed and remove what it has not reached: then nothing
 * seems to cover these positions. So a listing counts when nothing changed meanwhile, or when a second one is the same.
 */
static int list_settled(struct journal *j, struct names *names)
{
	struct names again = { 0 };
	uint64_t after;
	int r = j->backend->ops->watch(j->backend, &j->serial);

	if (r == ERR_OK)
		r = list_sorted(j, names);
	if (r == ERR_OK)
		r = j->backend->ops->watch(j->backend, &after);
	bool same = r == ERR_OK && after == j->serial;
	for (unsigned i = 0; r == ERR_OK && !same; i++) {
		r = i < LISTINGS ? list_sorted(j, &again) : ERR_AGAIN;
		same = r == ERR_OK && same_names(names, &again);
		if (!same) {
			struct names swap = *names;

			*names = again;
			again = swap;
		}
	}
	free(again.p);
	return r;
}

static int load_once(struct journal *j, struct names *losers)
{
	struct names names = { 0 };
	int r = list_settled(j, &names);

	if (r == ERR_OK)
		r = load_names(j, &names, losers);
	if (r != ERR_OK)
		j->serial = 0;
	free(names.p);
	return r;
}

int chain_load(struct journal *j, struct object_name **losers, size_t *nlosers)
{
	struct names lost = { 0 };
	int r = ERR_NOT_FOUND;

	/* A file may go between listing and opening: somebody compacts or drops. */
	for (int i = 0; i < 16 && r == ERR_NOT_FOUND; i++) {
		lost.n = 0;
		r = load_once(j, &lost);
	}
	if (losers != NULL) {
		*losers = lost.p;
		*nlosers = lost.n;
	} else {
		free(lost.p);
	}
	return r == ERR_NOT_FOUND ? ERR_AGAIN : r;
}

void segment_head_new(const struct journal *j, uint64_t first, struct segment_head *h)
{
	*h = (struct segment_head){ .type = SEGMENT_PLAIN, .salt = random_u64(), .first = first,
		.limit = first + journal_stride(j), .size = j->o.segment_size };
}

/* There is a file where the next segment should come: prepared by a flush or another writer, or made and not flushed before a power cut. */
static int take_prepared(struct journal *j, const struct object_name *name)
{
	struct segment *s;
	int r = segment_load(j, name, &s);

	if (r == ERR_OK && s->clean) {
		j->next = s;
		return ERR_OK;
	}
	if (r == ERR_OK)
		r = s->head.limit == 0 ? j->backend->ops->drop(j->backend, name) : ERR_CONFLICT;
	segment_free(s);
	return r;
}

static int create_next(struct journal *j)
{
	struct segment *s = mem_new(sizeof(*s));
	uint8_t head[SEGMENT_DATA];
	int r;

	s->name.first = j->next_first;
	segment_head_new(j, j->next_first, &s->head);
	s->salt_sum = frame_salt_sum(s->head.salt);
	s->clean = true;
	s->writable = true;
	segment_head_put(head, &s->head);
	r = j->backend->ops->create(j->backend, &s->name, view_make(head, sizeof(head)), &s->object);
	if (r == ERR_OK)
		j->next = s;
	else
		segment_free(s);
	return r;
}

int chain_prepare(struct journal *j)
{
	struct object_name name = { .first = j->next_first };
	int r;

	if (j->next != NULL)
		return ERR_OK;
	r = create_next(j);
	if (r == ERR_EXISTS)
		r = take_prepared(j, &name);
	if (r == ERR_OK && j->next == NULL)
		r = create_next(j);
	return r == ERR_EXISTS ? ERR_CONFLICT : r;
}

void chain_begin(struct journal *j, uint64_t cut)
{
	struct segment *s = j->next;

	j->segments = mem_resize(j->segments, (j->n + 2) * sizeof(struct segment *));
	j->segments[j->n++] = s;
	j->head = s;
	j->next = NULL;
	j->next_first = s->head.limit;
	s->begun = true;
	s->cut = cut;
	s->begin_mark = j->durable;
	set_ends(j);
	close_oldest(j);
}
