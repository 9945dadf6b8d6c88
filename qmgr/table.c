/* SPDX-License-Identifier: ISC */
/* The messages: places in chunks that never move, and an index over their numbers. */
#include <stdlib.h>

#include "base/mem.h"
#include "qmgr/state_private.h"

_Static_assert(sizeof(struct message) <= 48, "a deferred message takes at most 64 octets: 48 here, 8 in the index, 4 in the heap");

struct message *state_message(const struct state *s, handle h)
{
	return &s->chunks[h / CHUNK][h % CHUNK];
}

static size_t slot_of(const struct state *s, uint64_t number)
{
	uint64_t x = number * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(x >> 20) & (s->nindex - 1);
}

static void index_put(struct state *s, uint64_t number, handle h)
{
	size_t i = slot_of(s, number);
	while (s->index[i])
		i = (i + 1) & (s->nindex - 1);
	s->index[i] = h + 1;
}

/* Grows before three quarters are full: 8 octets a message at the worst but for the moment after growing. */
static void index_grow(struct state *s)
{
	uint32_t *old = s->index;
	size_t n = s->nindex;
	s->nindex = n ? 2 * n : 256;
	s->index = mem_array(s->nindex, sizeof *s->index);
	for (size_t i = 0; i < n; i++)
		if (old[i])
			index_put(s, state_message(s, old[i] - 1)->number, old[i] - 1);
	free(old);
}

static size_t index_find(const struct state *s, uint64_t number)
{
	if (!s->nindex)
		return SIZE_MAX;
	for (size_t i = slot_of(s, number); s->index[i]; i = (i + 1) & (s->nindex - 1))
		if (state_message(s, s->index[i] - 1)->number == number)
			return i;
	return SIZE_MAX;
}

/* Closes the gap, so that no search ends early (Knuth's algorithm R). */
static void index_remove(struct state *s, size_t i)
{
	size_t mask = s->nindex - 1;
	s->index[i] = 0;
	for (size_t j = (i + 1) & mask; s->index[j]; j = (j + 1) & mask) {
		size_t home = slot_of(s, state_message(s, s->index[j] - 1)->number);
		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		s->index[i] = s->index[j];
		s->index[j] = 0;
		i = j;
	}
}

static void add_chunk(struct state *s)
{
	s->chunks = mem_resize(s->chunks, (s->nchunks + 1) * sizeof *s->chunks);
	s->chunks[s->nchunks] = mem_array(CHUNK, sizeof(struct message));
	handle first = s->nchunks++ * CHUNK;
	for (uint32_t i = CHUNK; i-- > 0;) {
		s->chunks[s->nchunks - 1][i].heap = s->free;
		s->free = first + i + 1;
	}
}

handle state_find(const struct state *s, uint64_t number)
{
	size_t i = index_find(s, number);
	return i == SIZE_MAX ? HANDLE_NONE : s->index[i] - 1;
}

handle state_add(struct state *s, uint64_t number, uint32_t nrcpts)
{
	handle old = state_find(s, number);
	if (old != HANDLE_NONE)
		state_remove(s, old);
	if (!s->free)
		add_chunk(s);
	if ((s->count + 1) * 4 > s->nindex * 3)
		index_grow(s);
	handle h = s->free - 1;
	struct message *m = state_message(s, h);
	s->free = m->heap;
	*m = (struct message){ .number = number, .nrcpts = nrcpts, .heap = HANDLE_NONE };
	if (nrcpts > 64)
		m->done.map = mem_new((nrcpts + 7) / 8);
	index_put(s, number, h);
	s->count++;
	return h;
}

void state_remove(struct state *s, handle h)
{
	struct message *m = state_message(s, h);
	state_unwait(s, h);
	index_remove(s, index_find(s, m->number));
	if (m->nrcpts > 64)
		free(m->done.map);
	*m = (struct message){ .heap = s->free };
	s->free = h + 1;
	s->count--;
}

handle state_next(const struct state *s, handle *at)
{
	while (*at < s->nchunks * CHUNK) {
		handle h = (*at)++;
		if (state_message(s, h)->nrcpts)
			return h;
	}
	return HANDLE_NONE;
}
