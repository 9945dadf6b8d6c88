/* SPDX-License-Identifier: ISC */
/* Those that wait for their time: a binary heap of handles by next_try; each message knows its place in it. */
#include "base/mem.h"
#include "qmgr/state_private.h"

static struct message *at(const struct state *s, size_t i)
{
	return state_message(s, s->heap[i]);
}

static void place(struct state *s, size_t i, handle h)
{
	s->heap[i] = h;
	state_message(s, h)->heap = (uint32_t)i;
}

static void rise(struct state *s, size_t i)
{
	handle h = s->heap[i];
	uint32_t t = state_message(s, h)->next_try;
	while (i > 0 && at(s, (i - 1) / 2)->next_try > t) {
		place(s, i, s->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(s, i, h);
}

static void sink(struct state *s, size_t i)
{
	handle h = s->heap[i];
	uint32_t t = state_message(s, h)->next_try;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= s->nheap)
			break;
		if (child + 1 < s->nheap && at(s, child + 1)->next_try < at(s, child)->next_try)
			child++;
		if (at(s, child)->next_try >= t)
			break;
		place(s, i, s->heap[child]);
		i = child;
	}
	place(s, i, h);
}

handle state_first(const struct state *s)
{
	return s->nheap ? s->heap[0] : HANDLE_NONE;
}

void state_wait(struct state *s, handle h, uint32_t next_try)
{
	state_unwait(s, h);
	state_message(s, h)->next_try = next_try;
	if (s->nheap == s->heap_cap) {
		s->heap_cap += s->heap_cap / 2 + 256;
		s->heap = mem_resize(s->heap, s->heap_cap * sizeof *s->heap);
	}
	s->heap[s->nheap] = h;
	rise(s, s->nheap++);
}

void state_unwait(struct state *s, handle h)
{
	size_t i = state_message(s, h)->heap;
	if (i == HANDLE_NONE)
		return;
	state_message(s, h)->heap = HANDLE_NONE;
	handle last = s->heap[--s->nheap];
	if (i == s->nheap)
		return;
	place(s, i, last);
	sink(s, i);
	rise(s, state_message(s, last)->heap);
}
