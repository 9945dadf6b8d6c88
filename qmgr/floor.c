/* SPDX-License-Identifier: ISC */
#include "qmgr/floor.h"

#include <stdlib.h>

#include "base/mem.h"

struct floor {
	const struct state *state;
	uint64_t *heap;
	size_t n, cap;
};

struct floor *floor_new(const struct state *s)
{
	struct floor *f = mem_new(sizeof *f);
	f->state = s;
	return f;
}

void floor_free(struct floor *f)
{
	if (!f)
		return;
	free(f->heap);
	free(f);
}

void floor_out(struct floor *f, struct message *m)
{
	if (m->flags & MSG_OUT)
		return;
	m->flags |= MSG_OUT;
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 256;
		f->heap = mem_resize(f->heap, f->cap * sizeof *f->heap);
	}
	size_t i = f->n++;
	for (; i > 0 && f->heap[(i - 1) / 2] > m->number; i = (i - 1) / 2)
		f->heap[i] = f->heap[(i - 1) / 2];
	f->heap[i] = m->number;
}

void floor_in(struct message *m)
{
	m->flags &= (uint16_t)~MSG_OUT;
}

static void drop_top(struct floor *f)
{
	uint64_t last = f->heap[--f->n];
	size_t i = 0;
	for (size_t child; (child = 2 * i + 1) < f->n; i = child) {
		if (child + 1 < f->n && f->heap[child + 1] < f->heap[child])
			child++;
		if (f->heap[child] >= last)
			break;
		f->heap[i] = f->heap[child];
	}
	if (f->n)
		f->heap[i] = last;
}

uint64_t floor_get(struct floor *f)
{
	while (f->n) {
		handle h = state_find(f->state, f->heap[0]);
		if (h != HANDLE_NONE && state_message(f->state, h)->flags & MSG_OUT)
			return f->heap[0];
		drop_top(f);
	}
	return UINT64_MAX;
}
