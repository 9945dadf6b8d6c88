/* SPDX-License-Identifier: ISC */
/*
 * The octets of frames and of the heads of segments (postrider-journal(5), Segments, Frames): put into and got from memory, checked, no I/O.
 */
#ifndef POSTRIDER_JOURNAL_FRAME_H
#define POSTRIDER_JOURNAL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FRAME_HEAD 32u
#define FRAME_PAYLOAD_MAX (UINT32_C(1) << 30)
#define FRAME_KIND_OWN 0xff00u /* from here up: the journal's own */
#define FRAME_KIND_BEGIN 0xff00u
#define FRAME_BEGIN_PAYLOAD 8u
#define FRAME_BEGIN_SIZE (FRAME_HEAD + FRAME_BEGIN_PAYLOAD)

#define SEGMENT_HEAD_COPY 512u
#define SEGMENT_DATA 1024u /* where frames begin in the file */
#define SEGMENT_TABLE_ENTRY 16u

struct frame_head {
	uint16_t kind;
	uint32_t length; /* of the payload */
	uint32_t sum;    /* of the payload, see frame_seed */
	uint64_t position;
	uint64_t durable;
};

/* Octets that a frame with this payload takes: head, payload, padding. */
static inline uint64_t frame_size(uint32_t length) { return FRAME_HEAD + (((uint64_t)length + 7) & ~UINT64_C(7)); }
/* Octets of zeros behind such a payload. */
static inline size_t frame_pad(uint32_t length) { return (size_t)(-length & 7u); }

/* What the head's sum goes on from, and what a payload's sum goes on from. */
uint32_t frame_salt_sum(uint64_t salt);
uint32_t frame_seed(uint32_t salt_sum, uint64_t position);

void frame_head_put(uint8_t out[FRAME_HEAD], uint32_t salt_sum, const struct frame_head *h);
/* False where the sum or a field is wrong; the position is the caller's to compare. */
bool frame_head_get(const uint8_t in[FRAME_HEAD], uint32_t salt_sum, struct frame_head *h);

enum segment_type { SEGMENT_PLAIN, SEGMENT_COMPACTED };

struct segment_head {
	enum segment_type type;
	uint32_t generation;
	uint64_t salt;
	uint64_t first, limit;
	uint64_t size; /* positions used at which a writer begins the next one */
	uint64_t cut, end, table_at; /* compacted files only, 0 otherwise */
	uint32_t entries, table_sum;
};

/* Both copies, and zeros between. */
void segment_head_put(uint8_t out[SEGMENT_DATA], const struct segment_head *h);
/* From the first valid copy. ERR_DAMAGED: neither is. ERR_UNSUPPORTED: made by a later version. */
MUST_CHECK int segment_head_get(const uint8_t in[SEGMENT_DATA], struct segment_head *h);

#endif
