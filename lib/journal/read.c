/* SPDX-License-Identifier: ISC */
/* Reading frames: the window of octets read ahead, single frames, walks over segments, the way past damage. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/internal.h"

/* Read ahead: little at first, more while a walk goes on. */
#define AHEAD_FIRST (16u << 10)
#define AHEAD_MOST (512u << 10)
#define WINDOW_KEEP (1u << 20) /* a window that one big frame made bigger than this is given back */
#define PATCH_UNIT 4096u
#define CHECK_STEP (64u << 10)

void window_drop(struct journal *j)
{
	j->window.segment = NULL;
	j->window.n = 0;
}

void window_free(struct journal *j)
{
	window_drop(j);
	free(j->window.p);
	j->window.p = NULL;
	j->window.cap = 0;
}

static void window_room(struct window *w, size_t n)
{
	if (w->cap >= n && (w->cap <= WINDOW_KEEP || n > WINDOW_KEEP))
		return;
	free(w->p);
	w->cap = n;
	w->p = mem_resize(NULL, n); /* zeroing would cost more than most reads */
}

/* Reads unit by unit; what cannot be read becomes zeros. */
static int read_patched(struct object *o, uint64_t at, uint8_t *p, size_t n, size_t *got)
{
	*got = 0;
	while (*got < n) {
		size_t k, unit = PATCH_UNIT - (size_t)((at + *got) % PATCH_UNIT);
		int r;

		if (unit > n - *got)
			unit = n - *got;
		r = o->backend->ops->read(o, at + *got, p + *got, unit, &k);
		if (r != ERR_OK) {
			memset(p + *got, 0, unit);
			k = unit;
		}
		*got += k;
		if (k < unit)
			break;
	}
	return ERR_OK;
}

static int window_fill(struct journal *j, struct segment *s, uint64_t offset, size_t n, bool patch)
{
	struct window *w = &j->window;
	int r = segment_open(j, s, false);

	if (r != ERR_OK)
		return r;
	window_drop(j);
	window_room(w, n);
	r = s->object->backend->ops->read(s->object, offset, w->p, n, &w->n);
	if (r == ERR_IO && patch)
		r = read_patched(s->object, offset, w->p, n, &w->n);
	if (r != ERR_OK) {
		w->n = 0;
		return r;
	}
	w->segment = s;
	w->at = offset;
	return ERR_OK;
}

int window_get(struct journal *j, struct segment *s, uint64_t offset, size_t n, uint64_t stop, bool patch, const uint8_t **p,
	size_t *got)
{
	struct window *w = &j->window;
	uint64_t left = offset < stop ? stop - offset : 0;

	if (n > left)
		n = (size_t)left;
	if (w->segment != s || offset < w->at || offset + n > w->at + w->n) {
		bool onward = w->segment == s && offset >= w->at && offset <= w->at + w->n;
		size_t ahead;
		int r;

		w->ahead = !onward ? AHEAD_FIRST : w->ahead < AHEAD_MOST ? w->ahead * 4 : AHEAD_MOST;
		ahead = n > w->ahead ? n : w->ahead;
		r = window_fill(j, s, offset, ahead < left ? ahead : (size_t)left, patch);

		if (r != ERR_OK)
			return r;
	}
	*p = w->p + (offset - w->at);
	*got = w->at + w->n - offset < n ? (size_t)(w->at + w->n - offset) : n;
	return ERR_OK;
}

uint64_t segment_stop(const struct segment *s)
{
	return s->head.type == SEGMENT_COMPACTED ? s->head.table_at : segment_offset(s, s->end);
}

static bool position_fits(const struct segment *s, uint64_t offset, uint64_t position)
{
	if (s->head.type == SEGMENT_PLAIN)
		return position == segment_position(s, offset);
	return position >= s->head.first && position < s->head.end;
}

int frame_look(struct journal *j, struct segment *s, uint64_t offset, uint64_t stop, bool patch, struct frame_at *f)
{
	const uint8_t *p;
	size_t got;
	int r = window_get(j, s, offset, FRAME_HEAD, stop, patch, &p, &got);

	f->state = FRAME_BAD;
	f->nothing = r == ERR_OK && got == 0;
	f->zero = r == ERR_OK && got >= FRAME_HEAD && p[0] == 0 && memcmp(p, p + 1, FRAME_HEAD - 1) == 0;
	f->offset = offset;
	f->size = 0;
	if (r != ERR_OK || got < FRAME_HEAD || !frame_head_get(p, s->salt_sum, &f->head) ||
		!position_fits(s, offset, f->head.position))
		return r;
	f->size = frame_size(f->head.length);
	if (f->size > stop - offset)
		return ERR_OK;
	f->state = FRAME_BAD_PAYLOAD;
	r = window_get(j, s, offset, (size_t)f->size, stop, patch, &p, &got);
	if (r != ERR_OK || got < f->size)
		return r;
	f->payload = p + FRAME_HEAD;
	if (crc32c(frame_seed(s->salt_sum, f->head.position), f->payload, f->head.length) == f->head.sum)
		f->state = FRAME_GOOD;
	return ERR_OK;
}

/* How far to step over zeros at offset, which the window holds: where 32 stand no frame begins. Behind a live end they are many. */
static uint64_t zeros_to_skip(const struct window *w, uint64_t offset)
{
	const uint8_t *p = w->p + (offset - w->at);
	uint64_t n = 0, held = w->at + w->n - offset;

	while (n + 8 <= held && le64_get(p + n) == 0)
		n += 8;
	return n > FRAME_HEAD ? n - FRAME_HEAD : 0;
}

int frame_resync(struct journal *j, struct segment *s, uint64_t offset, uint64_t stop, uint64_t least, bool patch, uint64_t *found)
{
	struct frame_head h;

	for (offset += 8; offset + FRAME_HEAD <= stop; offset += 8) {
		const uint8_t *p;
		size_t got;
		int r = window_get(j, s, offset, FRAME_HEAD, stop, patch, &p, &got);

		if (r != ERR_OK)
			return r;
		if (got < FRAME_HEAD)
			break;
		if (frame_head_get(p, s->salt_sum, &h) && h.position >= least && position_fits(s, offset, h.position) &&
			frame_size(h.length) <= stop - offset) {
			*found = offset;
			return ERR_OK;
		}
		offset += zeros_to_skip(&j->window, offset);
	}
	*found = stop;
	return ERR_OK;
}

/* The table of a compacted file, made anew from its frames where it is damaged. */
static void table_add(struct segment *s, size_t *cap, uint64_t position, uint64_t offset)
{
	if (s->entries == *cap) {
		*cap = *cap == 0 ? 64 : *cap * 2;
		s->table = mem_resize(s->table, *cap * sizeof(*s->table));
	}
	s->table[s->entries++] = (struct table_entry){ position, offset };
}

static int table_rebuild(struct journal *j, struct segment *s)
{
	uint64_t offset = SEGMENT_DATA, last = 0;
	size_t cap = 0;

	s->entries = 0;
	while (offset < s->head.table_at) {
		struct frame_at f;
		int r = frame_look(j, s, offset, s->head.table_at, true, &f);

		if (r == ERR_OK && f.state == FRAME_BAD)
			r = frame_resync(j, s, offset, s->head.table_at, 0, true, &offset);
		if (r != ERR_OK)
			return r;
		if (f.state == FRAME_BAD)
			continue;
		if (s->entries == 0 || offset - last >= 65536) {
			table_add(s, &cap, f.head.position, offset);
			last = offset;
		}
		offset += f.size;
	}
	return ERR_OK;
}

static bool table_decode(struct segment *s, const uint8_t *p, size_t n)
{
	if (crc32c(0, p, n) != s->head.table_sum)
		return false;
	for (size_t i = 0; i < n; i += SEGMENT_TABLE_ENTRY) {
		uint64_t offset = le64_get(p + i + 8);

		if (offset < SEGMENT_DATA || offset >= s->head.table_at || (i > 0 && le64_get(p + i) <= le64_get(p + i - SEGMENT_TABLE_ENTRY)))
			return false;
	}
	s->entries = s->head.entries;
	s->table = mem_array(s->entries + 1, sizeof(*s->table));
	for (size_t i = 0; i < s->entries; i++)
		s->table[i] = (struct table_entry){ le64_get(p + i * 16), le64_get(p + i * 16 + 8) };
	return true;
}

static int table_load(struct journal *j, struct segment *s)
{
	size_t got, n = (size_t)s->head.entries * SEGMENT_TABLE_ENTRY;
	const uint8_t *p;
	int r;

	if (s->table != NULL || s->head.entries == 0)
		return ERR_OK;
	if (n > s->head.table_at)
		return table_rebuild(j, s); /* more entries than there can be frames */
	r = window_get(j, s, s->head.table_at, n, s->head.table_at + n, true, &p, &got);
	if (r != ERR_OK)
		return r;
	if (got == n && table_decode(s, p, n))
		return ERR_OK;
	return table_rebuild(j, s);
}

static uint64_t table_find(const struct segment *s, uint64_t position)
{
	size_t low = 0, high = s->entries;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->table[mid].position <= position)
			low = mid + 1;
		else
			high = mid;
	}
	return low == 0 ? SEGMENT_DATA : s->table[low - 1].offset;
}

int segment_seek(struct journal *j, struct segment *s, uint64_t position, uint64_t *offset)
{
	int r;

	if (position < s->head.first)
		position = s->head.first;
	*offset = segment_offset(s, position);
	if (s->head.type == SEGMENT_PLAIN)
		return ERR_OK;
	r = table_load(j, s);
	if (r != ERR_OK)
		return r;
	*offset = table_find(s, position);
	while (*offset < s->head.table_at) {
		const uint8_t *p;
		struct frame_head h;
		size_t got;

		r = window_get(j, s, *offset, FRAME_HEAD, s->head.table_at, true, &p, &got);
		if (r != ERR_OK)
			return r;
		/* What is damaged is for the walk to find and tell. */
		if (got < FRAME_HEAD || !frame_head_get(p, s->salt_sum, &h) || h.position >= position)
			return ERR_OK;
		*offset += frame_size(h.length);
	}
	return ERR_OK;
}

void damage_report(struct journal *j, uint64_t from, uint64_t to)
{
	if (j->on_damage != NULL && to > from)
		j->on_damage(j->damage_arg, from, to);
}

/* Steps over what is not a frame. *position: where the last one ended, then where the next one stands. */
static int walk_damage(struct journal *j, struct segment *s, uint64_t *offset, uint64_t stop, uint64_t *position)
{
	uint64_t found, from = *position;
	struct frame_at f;
	int r = frame_resync(j, s, *offset, stop, from, true, &found);

	if (r != ERR_OK)
		return r;
	*offset = found;
	*position = s->end;
	if (found < stop) {
		r = frame_look(j, s, found, stop, true, &f);
		*position = f.head.position;
	} else if (!s->end_stated) {
		return r; /* it simply ended here: only its successor's begin could have said so, and that is damaged */
	}
	damage_report(j, from, *position);
	return r;
}

int segment_walk(struct journal *j, struct segment *s, uint64_t position, int (*fn)(void *arg, const struct frame_at *f), void *arg,
	uint64_t *next)
{
	uint64_t offset, stop = segment_stop(s);
	int r = segment_seek(j, s, position, &offset);

	*next = position < s->head.first ? s->head.first : position;
	while (r == ERR_OK && offset < stop) {
		struct frame_at f;

		r = frame_look(j, s, offset, stop, true, &f);
		if (r != ERR_OK)
			break;
		/* Positions rise; one that does not is no more to be believed than a wrong sum. */
		if (f.state == FRAME_BAD || f.head.position < *next) {
			r = walk_damage(j, s, &offset, stop, next);
			continue;
		}
		offset += f.size;
		*next = f.head.position + f.size;
		if (f.state == FRAME_BAD_PAYLOAD)
			damage_report(j, f.head.position, *next);
		else if (f.head.kind < FRAME_KIND_OWN && f.head.position >= position)
			r = fn(arg, &f);
	}
	if (r == ERR_OK)
		*next = s->end;
	return r;
}

struct scan {
	int (*fn)(void *arg, const struct journal_record *r);
	void *arg;
};

static void record_of(const struct frame_at *f, struct journal_record *r)
{
	r->position = f->head.position;
	r->next = f->head.position + f->size;
	r->kind = f->head.kind;
	r->payload = view_make(f->payload, f->head.length);
}

static int scan_frame(void *arg, const struct frame_at *f)
{
	const struct scan *s = arg;
	struct journal_record r;

	record_of(f, &r);
	return s->fn(s->arg, &r);
}

/* What lies between a file and the one before it and is in neither: nothing, or a file that is missing. */
static void report_gap(struct journal *j, size_t i)
{
	uint64_t cut, first = j->segments[i]->head.first;

	if (i == 0 || !chain_gap(j, i - 1))
		return;
	cut = j->segments[i - 1]->cut_behind;
	damage_report(j, j->segments[i - 1]->head.limit, cut < first ? cut : first);
}

static int scan_segment(struct journal *j, size_t i, uint64_t from, const struct scan *s, uint64_t *next)
{
	struct segment *g = j->segments[i];

	if (from <= g->head.first)
		report_gap(j, i);
	if (g->damaged) {
		damage_report(j, from > g->head.first ? from : g->head.first, g->end);
		*next = g->end;
		return ERR_OK;
	}
	return segment_walk(j, g, from, scan_frame, (void *)(uintptr_t)s, next);
}

int journal_scan(struct journal *j, uint64_t from, int (*fn)(void *arg, const struct journal_record *r), void *arg, uint64_t *next)
{
	struct scan s = { fn, arg };

	*next = from;
	for (int tries = 0; *next < j->end;) {
		size_t i = chain_find(j, *next);
		int r;

		if (i == j->n)
			break;
		r = scan_segment(j, i, *next, &s, next);
		if (r == ERR_NOT_FOUND && j->segments[i]->object == NULL && tries++ < 3)
			r = journal_refresh(j); /* it was compacted or dropped under us */
		if (r != ERR_OK)
			return r;
	}
	if (*next < j->end)
		*next = j->end;
	return ERR_OK;
}

/* As segment_seek, but damage before the frame that is asked for does not hide it. */
static int seek_past_damage(struct journal *j, struct segment *s, uint64_t position, uint64_t *offset)
{
	struct frame_at f;
	int r = segment_seek(j, s, position, offset);

	if (r != ERR_OK || s->head.type == SEGMENT_PLAIN || *offset >= segment_stop(s))
		return r;
	r = frame_look(j, s, *offset, segment_stop(s), true, &f);
	if (r == ERR_OK && f.state == FRAME_BAD)
		r = frame_resync(j, s, *offset, segment_stop(s), position, true, offset);
	return r;
}

/* The head of the frame at position, at *offset of *s. */
static int frame_find(struct journal *j, uint64_t position, struct segment **s, uint64_t *offset)
{
	size_t i = chain_find(j, position);

	if (i == j->n || position >= j->end || j->segments[i]->head.first > position)
		return ERR_NOT_FOUND;
	*s = j->segments[i];
	if ((*s)->damaged)
		return ERR_DAMAGED;
	return seek_past_damage(j, *s, position, offset);
}

static int read_once(struct journal *j, uint64_t position, struct journal_record *rec)
{
	struct segment *s;
	struct frame_at f;
	uint64_t offset;
	int r = frame_find(j, position, &s, &offset);

	if (r == ERR_OK && offset >= segment_stop(s))
		return ERR_NOT_FOUND;
	if (r == ERR_OK)
		r = frame_look(j, s, offset, segment_stop(s), true, &f);
	if (r != ERR_OK)
		return r;
	if (f.state != FRAME_BAD && f.head.position != position)
		return ERR_NOT_FOUND;
	if (f.state != FRAME_GOOD)
		return ERR_DAMAGED;
	record_of(&f, rec);
	return ERR_OK;
}

int journal_read(struct journal *j, uint64_t position, struct journal_record *rec)
{
	int r = read_once(j, position, rec);

	/* Its file may have been replaced by a compaction meanwhile. */
	if (r == ERR_NOT_FOUND && journal_refresh(j) == ERR_OK)
		r = read_once(j, position, rec);
	return r;
}

/* The head of the frame at exactly this position, read past the window, and where it stands in *s. */
static int head_once(struct journal *j, uint64_t position, struct segment **s, uint64_t *at, struct frame_head *h)
{
	uint8_t b[FRAME_HEAD];
	size_t got;
	int r = frame_find(j, position, s, at);

	if (r == ERR_OK && *at >= segment_stop(*s))
		return ERR_NOT_FOUND;
	if (r == ERR_OK)
		r = segment_open(j, *s, false);
	if (r == ERR_OK)
		r = (*s)->object->backend->ops->read((*s)->object, *at, b, sizeof(b), &got);
	if (r != ERR_OK)
		return r;
	if (got < sizeof(b) || !frame_head_get(b, (*s)->salt_sum, h))
		return ERR_DAMAGED;
	return h->position == position ? ERR_OK : ERR_NOT_FOUND;
}

static int read_part_once(struct journal *j, uint64_t position, uint64_t offset, void *p, size_t n)
{
	struct segment *s;
	struct frame_head h;
	uint64_t at;
	size_t got;
	int r = head_once(j, position, &s, &at, &h);

	if (r != ERR_OK)
		return r;
	if (offset > h.length || n > h.length - offset)
		return ERR_INVALID;
	r = s->object->backend->ops->read(s->object, at + FRAME_HEAD + offset, p, n, &got);
	return r == ERR_OK && got < n ? ERR_DAMAGED : r;
}

int journal_read_part(struct journal *j, uint64_t position, uint64_t offset, void *p, size_t n)
{
	int r = read_part_once(j, position, offset, p, n);

	if (r == ERR_NOT_FOUND && journal_refresh(j) == ERR_OK)
		r = read_part_once(j, position, offset, p, n);
	return r;
}

static int check_once(struct journal *j, uint64_t position)
{
	struct segment *s;
	struct frame_head h;
	uint64_t at;
	uint8_t *p;
	int r = head_once(j, position, &s, &at, &h);

	if (r != ERR_OK)
		return r;
	p = mem_new(CHECK_STEP);
	uint32_t sum = frame_seed(s->salt_sum, position);
	for (uint32_t done = 0; done < h.length && r == ERR_OK;) {
		size_t got, n = h.length - done < CHECK_STEP ? h.length - done : CHECK_STEP;

		r = s->object->backend->ops->read(s->object, at + FRAME_HEAD + done, p, n, &got);
		if (r == ERR_OK && got < n)
			r = ERR_DAMAGED;
		sum = crc32c(sum, p, got);
		done += (uint32_t)n;
	}
	free(p);
	return r == ERR_OK && sum != h.sum ? ERR_DAMAGED : r;
}

int journal_check(struct journal *j, uint64_t position)
{
	int r = check_once(j, position);

	if (r == ERR_NOT_FOUND && journal_refresh(j) == ERR_OK)
		r = check_once(j, position);
	return r;
}

uint64_t journal_tail(const struct journal *j, uint64_t octets)
{
	uint64_t at = octets < j->end ? j->end - octets : 0;
	size_t i = chain_find(j, at);

	if (i == j->n && j->n > 0)
		i--; /* nothing is in the head yet */
	else if (i > 0 && i < j->n && j->segments[i]->head.first > at)
		i--; /* between two segments, where a roll left positions unused: it is the earlier one's end that is meant */
	if (i == j->n || j->segments[i]->head.first < journal_start(j))
		return journal_start(j);
	return j->segments[i]->head.first;
}
