/* SPDX-License-Identifier: ISC */
#include "mailbox/batch.h"

#include <stdlib.h>

#include "base/mem.h"

void batch_init(struct batch *b) { *b = (struct batch){ 0 }; }

void batch_reset(struct batch *b)
{
	for (size_t i = 0; i < b->nowned; i++)
		buf_fini(&b->owned[i]);
	b->nowned = b->n = 0;
}

void batch_fini(struct batch *b)
{
	batch_reset(b);
	free(b->frames);
	free(b->owned);
	batch_init(b);
}

void batch_add_view(struct batch *b, uint16_t kind, struct view payload)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 4;
		b->frames = mem_resize(b->frames, b->cap * sizeof *b->frames);
	}
	b->frames[b->n++] = (struct journal_frame){ .kind = kind, .parts = { payload } };
}

void batch_take(struct batch *b, uint16_t kind, struct buf *payload)
{
	INVARIANT(buf_ok(payload));
	if (b->nowned == b->owned_cap) {
		b->owned_cap = b->owned_cap ? b->owned_cap * 2 : 4;
		b->owned = mem_resize(b->owned, b->owned_cap * sizeof *b->owned);
	}
	b->owned[b->nowned++] = *payload;
	batch_add_view(b, kind, buf_view(payload)); /* the buf's memory stays where it is */
	buf_init(payload, payload->max);
}
