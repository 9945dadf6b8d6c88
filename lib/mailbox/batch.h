/* SPDX-License-Identifier: ISC */
/* The frames of one append to an account's journal, gathered while a change is built: contents (the caller's memory), then records (copied). */
#ifndef POSTRIDER_MAILBOX_BATCH_H
#define POSTRIDER_MAILBOX_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "journal/journal.h"

struct batch {
	struct journal_frame *frames;
	size_t n, cap;
	struct buf *owned; /* payloads that the batch frees */
	size_t nowned, owned_cap;
};

void batch_init(struct batch *b);
void batch_fini(struct batch *b);
void batch_reset(struct batch *b);
/* A frame with the caller's octets, which stay until the batch is done. */
void batch_add_view(struct batch *b, uint16_t kind, struct view payload);
/* A frame whose payload the batch takes from *payload (which is empty afterwards, and must be initialised again for use). */
void batch_take(struct batch *b, uint16_t kind, struct buf *payload);

/* BATCH_ADD(b, flags, .mailbox = 1, …): a record by the name of its row. */
#define BATCH_ADD(b, name, ...)                                                     \
	do {                                                                             \
		struct buf batch_payload;                                                     \
		buf_init(&batch_payload, UINT32_C(64) << 20);                                 \
		record_put_##name(&batch_payload, &(struct record_##name){ __VA_ARGS__ });    \
		batch_take((b), RECORD_##name, &batch_payload);                               \
	} while (0)

#endif
