/* SPDX-License-Identifier: ISC */
/* Where a stream ends: postrider-journal(5), RECOVERY. The states in the comments are those of its table. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "journal/internal.h"

#define CHUNK (64u << 10)

int object_zero_from(struct object *o, uint64_t offset, bool *zero)
{
	uint64_t size, allocated;
	uint8_t *p;
	int r = o->backend->ops->size(o, &size, &allocated);

	*zero = true;
	if (r != ERR_OK || size <= offset)
		return r;
	p = mem_new(CHUNK);
	while (*zero && offset < size) {
		size_t got;

		r = o->backend->ops->read(o, offset, p, CHUNK, &got);
		if (r != ERR_OK || got == 0)
			break;
		*zero = p[0] == 0 && memcmp(p, p + 1, got - 1) == 0;
		offset += got;
	}
	free(p);
	return r;
}

/* Whether a valid frame of s at or behind offset states a mark above position. */
static int marked_in(struct journal *j, struct segment *s, uint64_t offset, uint64_t position, bool *yes)
{
	uint64_t stop = segment_offset(s, s->end);

	while (offset < stop && !*yes) {
		struct frame_at f;
		int r = frame_look(j, s, offset, stop, false, &f);

		if (r == ERR_OK && f.state == FRAME_BAD)
			r = frame_resync(j, s, offset, stop, 0, false, &offset);
		if (r != ERR_OK)
			return r;
		if (f.state == FRAME_BAD)
			continue;
		*yes = f.head.durable > position;
		offset += f.size;
	}
	return ERR_OK;
}

/* S5 or S4, S11: was what stood at position in segment i ever durable? */
static int was_durable(struct journal *j, size_t i, uint64_t position, bool *yes)
{
	int r = ERR_OK;

	*yes = j->durable > position;
	if (!*yes && position < j->segments[i]->end)
		r = marked_in(j, j->segments[i], segment_offset(j->segments[i], position), position, yes);
	for (size_t k = i + 1; k < j->n && r == ERR_OK && !*yes; k++) {
		struct segment *s = j->segments[k];

		*yes = s->begun && s->begin_mark > position;
		if (!*yes && s->head.type == SEGMENT_PLAIN && !s->damaged)
			r = marked_in(j, s, SEGMENT_DATA, position, yes);
	}
	return r;
}

/* The stream ends at position in segment i; whatever stands behind it was never acknowledged. */
static int end_here(struct journal *j, size_t i, uint64_t position)
{
	struct segment *s = j->segments[i];
	bool zero = true;
	int r = ERR_OK;

	j->end = position;
	s->end = position;
	s->end_stated = true;
	for (size_t k = i + 1; k < j->n; k++)
		j->segments[k]->end = j->segments[k]->head.first;
	if (i + 1 < j->n) {
		j->torn = true;
		j->serial = 0; /* read the chain anew next time */
	} else if (journal_writes(j)) {
		r = object_zero_from(s->object, segment_offset(s, position), &zero);
		j->torn = !zero;
	}
	return r;
}

/* Steps over damage at *p, which was durable once. */
static int skip_damage(struct journal *j, struct segment *s, const struct frame_at *f, uint64_t *p)
{
	uint64_t found, stop = segment_offset(s, s->end);
	int r;

	if (f->state == FRAME_BAD_PAYLOAD) {
		*p += f->size;
		return ERR_OK;
	}
	r = frame_resync(j, s, segment_offset(s, *p), stop, *p, false, &found);
	if (r != ERR_OK)
		return r;
	if (found < stop)
		*p = segment_position(s, found);
	else if (j->durable > *p && j->durable < s->end)
		*p = j->durable;
	else
		*p = s->end;
	return ERR_OK;
}

static int nothing_behind(struct journal *j, struct segment *s, uint64_t p, bool *nothing)
{
	uint64_t found, stop = segment_offset(s, s->end);
	int r = frame_resync(j, s, segment_offset(s, p), stop, 0, false, &found);

	*nothing = found == stop;
	return r;
}

/* Reads the frames of segment i from *p on. *ended: the stream ends in it. */
static int tail_segment(struct journal *j, size_t i, uint64_t *p, bool *ended)
{
	struct segment *s = j->segments[i];
	int r = segment_open(j, s, false);

	while (r == ERR_OK && *p < s->end) {
		struct frame_at f;
		bool durable = false, nothing = false;

		r = frame_look(j, s, segment_offset(s, *p), segment_offset(s, s->end), false, &f);
		if (r == ERR_OK && f.state == FRAME_GOOD) {
			*p += f.size;
			continue;
		}
		if (r == ERR_OK && (f.nothing || (f.zero && j->looked && !journal_writes(j))) && i == j->n - 1 && j->durable <= *p) {
			*ended = true; /* S1, without a further look; or, for a reader, S2: writers fill from the front what was looked at once */
			return end_here(j, i, *p);
		}
		if (r == ERR_OK && !s->end_stated)
			r = nothing_behind(j, s, *p, &nothing);
		if (r == ERR_OK && nothing) {
			s->end = *p;
			return ERR_OK;
		}
		if (r == ERR_OK)
			r = was_durable(j, i, *p, &durable);
		if (r != ERR_OK)
			return r;
		if (!durable) {
			*ended = true;
			return end_here(j, i, *p);
		}
		r = skip_damage(j, s, &f, p);
	}
	return r;
}

bool chain_gap(const struct journal *j, size_t i)
{
	return j->segments[i]->cut_behind != NO_CUT && j->segments[i]->cut_behind > j->segments[i]->head.limit;
}

/* S19 or S11: the file behind segment i is missing. Was it ever durable? */
static int gap_behind(struct journal *j, size_t i, bool *ended)
{
	bool durable;
	int r;

	if (!chain_gap(j, i))
		return ERR_OK;
	r = was_durable(j, i, j->segments[i]->head.limit, &durable);
	if (r != ERR_OK || durable)
		return r;
	*ended = true;
	return end_here(j, i, j->segments[i]->end);
}

int recover_tail(struct journal *j, uint64_t from)
{
	size_t i;
	bool ended = false;
	int r = ERR_OK;

	window_drop(j);
	j->torn = false;
	if (j->n == 0)
		return ERR_NOT_FOUND;
	if (j->head != NULL)
		j->head->end = j->head->head.limit;
	i = chain_find(j, from);
	if (i > 0 && from <= j->segments[i - 1]->head.limit)
		r = gap_behind(j, i - 1, &ended);
	for (; i < j->n && r == ERR_OK && !ended; i++) {
		struct segment *s = j->segments[i];
		uint64_t p = from > s->head.first ? from : s->head.first;

		if (s->head.type == SEGMENT_PLAIN && !s->damaged)
			r = tail_segment(j, i, &p, &ended);
		if (r == ERR_OK && !ended)
			r = gap_behind(j, i, &ended);
	}
	window_drop(j);
	if (r == ERR_OK && !ended) {
		/* The last file is full to its limit, or can take no frames. */
		j->end = j->segments[j->n - 1]->end;
		j->torn = true;
	}
	return r;
}

static int rewrite_chunk(struct segment *s, uint64_t from, size_t n, uint8_t *p)
{
	struct iovec iov = { p, n };
	size_t got, done;
	int r = s->object->backend->ops->read(s->object, segment_offset(s, from), p, n, &got);

	if (r == ERR_OK && got < n)
		r = ERR_IO;
	return r == ERR_OK ? s->object->backend->ops->append(s->object, segment_offset(s, from), &iov, 1, &done) : r;
}

/* The octets of s in [from, to), by the object that is open. */
static int rewrite_octets(struct segment *s, uint64_t from, uint64_t to)
{
	uint8_t *p = mem_new(CHUNK);
	int r = ERR_OK;

	while (r == ERR_OK && from < to) {
		size_t n = to - from < CHUNK ? (size_t)(to - from) : CHUNK;

		r = rewrite_chunk(s, from, n, p);
		from += n;
	}
	s->dirty = true;
	free(p);
	return r;
}

static int rewrite_segment(struct journal *j, struct segment *s, uint64_t from, uint64_t to)
{
	int r;

	object_unref(s->object);
	s->object = NULL;
	r = segment_open(j, s, true);
	if (r == ERR_OK)
		r = rewrite_octets(s, from, to);
	if (r == ERR_OK)
		s->late = s->late && to < s->end;
	return r;
}

int segment_cover(struct journal *j, struct segment *s)
{
	uint64_t from = j->durable > s->head.first ? j->durable : s->head.first, to = s->end < j->end ? s->end : j->end;
	int r = s->late && from < to ? rewrite_octets(s, from, to) : ERR_OK;

	s->late = s->late && r != ERR_OK;
	return r;
}

int recover_rewrite(struct journal *j)
{
	int r = ERR_OK;

	for (size_t i = chain_find(j, j->durable); i < j->n && j->segments[i]->head.first < j->floor && r == ERR_OK; i++) {
		struct segment *s = j->segments[i];
		uint64_t from = j->durable > s->head.first ? j->durable : s->head.first;

		if (s->head.type == SEGMENT_PLAIN && !s->damaged && s->end > from)
			r = rewrite_segment(j, s, from, s->end < j->floor ? s->end : j->floor);
	}
	j->rewrite = r != ERR_OK;
	return r;
}

/* Frames of ours at or behind position were cut away by another writer. */
static void note_cut(struct journal *j, uint64_t position)
{
	if (j->pending_to <= position)
		return;
	j->lost_from = j->pending_from > position ? j->pending_from : position;
	j->lost_to = j->pending_to;
	j->pending_from = j->pending_to = 0;
	j->cuts++;
}

/* Where to go on reading: at the end that we knew, or where another writer cut it back. */
static uint64_t resume_at(struct journal *j)
{
	for (size_t i = j->n; i-- > 0;) {
		struct segment *s = j->segments[i];

		if (s->head.first >= j->end)
			continue;
		if (s->end >= j->end || s == j->head || s->head.type != SEGMENT_PLAIN)
			return j->end;
		if (s->end == s->head.first && i > 0)
			continue; /* cut away as a whole */
		note_cut(j, s->end);
		return s->end;
	}
	return j->end;
}

/* Whether the prepared segment has got its begin. */
static int next_begun(struct journal *j, bool *yes)
{
	uint8_t b[FRAME_BEGIN_SIZE];
	size_t got;
	int r;

	*yes = false;
	if (j->next == NULL)
		return ERR_OK;
	r = j->next->object->backend->ops->read(j->next->object, SEGMENT_DATA, b, sizeof(b), &got);
	for (size_t i = 0; r == ERR_OK && i < got; i++)
		*yes |= b[i] != 0;
	return r;
}

int chain_reload_raw(struct journal *j)
{
	int r = ERR_NOT_FOUND;

	/* A file may go between the two: another process compacts or drops. */
	for (int i = 0; i < 16 && r == ERR_NOT_FOUND; i++) {
		r = chain_load(j, NULL, NULL);
		if (r == ERR_OK)
			r = recover_tail(j, resume_at(j));
	}
	if (r != ERR_OK)
		j->serial = 0;
	return r;
}

int chain_reload(struct journal *j)
{
	uint64_t end = j->end;
	bool torn = j->torn;
	int r = chain_reload_raw(j);

	/* What stands behind an owner's end is of a failed append or flush, and waits to be cut away. */
	if (r == ERR_OK && j->o.role == JOURNAL_OWNER && (torn || j->cut_back)) {
		chain_clip(j, end);
		j->torn = true;
	}
	return r;
}

/*
 * The usual case of a refresh, without a look at all that is prepared behind the end: where the next frame would begin there is nothing yet. A
 * writer fills its octets from the front, so that nothing begins further on; what a power cut tears is looked for at the opening.
 */
static int nothing_new(struct journal *j, bool *yes)
{
	struct segment *s = j->head;
	uint8_t b[FRAME_HEAD];
	size_t got;
	int r;

	*yes = false;
	if (s == NULL || s->object == NULL || s->damaged || j->torn || s->head.type != SEGMENT_PLAIN || j->end < s->head.first ||
		j->end >= s->head.limit || resume_at(j) != j->end)
		return ERR_OK;
	r = s->object->backend->ops->read(s->object, segment_offset(s, j->end), b, sizeof(b), &got);
	*yes = r == ERR_OK;
	for (size_t i = 0; r == ERR_OK && i < got; i++)
		*yes &= b[i] == 0;
	return r;
}

int refresh_locked(struct journal *j)
{
	bool same;
	enum backend_mark when;
	uint64_t serial, mark = j->backend->ops->mark_get(j->backend, &when);
	bool reload;
	int r = j->backend->ops->watch(j->backend, &serial);

	if (r == ERR_OK)
		r = next_begun(j, &reload);
	if (r != ERR_OK)
		return r;
	/* First: what cannot be read below it is damage, and not the end. */
	if (mark > j->durable)
		j->durable = mark;
	if (reload || serial != j->serial)
		r = chain_reload(j);
	else if ((r = nothing_new(j, &same)) == ERR_OK && !same)
		r = recover_tail(j, resume_at(j));
	return r;
}
