/* SPDX-License-Identifier: ISC */
/*
 * Zeros written ahead of the head's end. A flush of octets that were written over others has their octets to write and nothing else; one of new
 * octets also has what the file system notes of them. So where flushes are small the head is kept initialised some way ahead, by a thread beside
 * the appends: it writes where no append may reach meanwhile (an append that would, rolls).
 */
#include <stdlib.h>

#include "base/mem.h"
#include "journal/internal.h"

struct journal_ahead {
	struct object *object;
	uint64_t first, from, to;
	int result;
};

/* Where flushes have much to write, writing it twice costs more than it spares. */
static bool worth_it(const struct journal *j)
{
	return j->o.role == JOURNAL_OWNER && j->o.ahead > 0 && j->flush_octets <= j->o.ahead / 4;
}

static uint64_t round_up(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

struct journal_ahead *journal_ahead_begin(struct journal *j)
{
	struct segment *h = j->head;
	struct journal_ahead *a;
	uint64_t end, limit, from;

	if (!worth_it(j) || h == NULL || h->object == NULL || !h->writable || j->torn || j->cut_back || j->ahead.busy)
		return NULL;
	if (j->ahead.first != h->head.first)
		j->ahead = (struct ahead){ .first = h->head.first };
	end = segment_offset(h, j->end);
	limit = SEGMENT_DATA + h->head.size;
	/* Whole pages, where a step has any. */
	from = round_up(end + j->o.ahead / 4, j->o.ahead < 4096 ? 8 : 4096);
	if (from < j->ahead.ready)
		from = j->ahead.ready;
	if (from >= end + j->o.ahead || from >= limit)
		return NULL;
	a = mem_new(sizeof(*a));
	*a = (struct journal_ahead){ .object = object_ref(h->object), .first = h->head.first, .from = from,
		.to = from + j->o.ahead < limit ? from + j->o.ahead : limit };
	j->ahead.busy = true;
	j->ahead.from = from;
	return a;
}

void journal_ahead_run(struct journal_ahead *a) { a->result = a->object->backend->ops->zero(a->object, a->from, a->to); }

void journal_ahead_end(struct journal *j, struct journal_ahead *a)
{
	if (j != NULL && j->ahead.first == a->first) {
		j->ahead.busy = false;
		/* Where it cannot be done it is not tried again in this segment. */
		j->ahead.ready = a->result == ERR_OK ? a->to : UINT64_MAX;
	}
	object_unref(a->object);
	free(a);
}
