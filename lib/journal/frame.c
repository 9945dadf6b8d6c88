/* SPDX-License-Identifier: ISC */
#include "journal/frame.h"

#include <string.h>

#include "base/num.h"

#define MAGIC "PRJOURNL"
#define FORMAT_VERSION 1u
#define HEAD_SUMMED 80u

uint32_t frame_salt_sum(uint64_t salt)
{
	uint8_t b[8];

	le64_put(b, salt);
	return crc32c(0, b, sizeof(b));
}

uint32_t frame_seed(uint32_t salt_sum, uint64_t position)
{
	uint8_t b[8];

	le64_put(b, position);
	return crc32c(salt_sum, b, sizeof(b));
}

void frame_head_put(uint8_t out[FRAME_HEAD], uint32_t salt_sum, const struct frame_head *h)
{
	le16_put(out + 4, h->kind);
	le16_put(out + 6, 0);
	le32_put(out + 8, h->length);
	le32_put(out + 12, h->sum);
	le64_put(out + 16, h->position);
	le64_put(out + 24, h->durable);
	le32_put(out, crc32c(salt_sum, out + 4, FRAME_HEAD - 4));
}

bool frame_head_get(const uint8_t in[FRAME_HEAD], uint32_t salt_sum, struct frame_head *h)
{
	if (le32_get(in) != crc32c(salt_sum, in + 4, FRAME_HEAD - 4))
		return false;
	h->kind = le16_get(in + 4);
	h->length = le32_get(in + 8);
	h->sum = le32_get(in + 12);
	h->position = le64_get(in + 16);
	h->durable = le64_get(in + 24);
	return le16_get(in + 6) == 0 && h->length <= FRAME_PAYLOAD_MAX;
}

static void copy_put(uint8_t *out, const struct segment_head *h)
{
	memcpy(out, MAGIC, 8);
	le16_put(out + 8, FORMAT_VERSION);
	le16_put(out + 10, (uint16_t)h->type);
	le32_put(out + 12, h->generation);
	le64_put(out + 16, h->salt);
	le64_put(out + 24, h->first);
	le64_put(out + 32, h->limit);
	le64_put(out + 40, h->size);
	le64_put(out + 48, h->cut);
	le64_put(out + 56, h->end);
	le64_put(out + 64, h->table_at);
	le32_put(out + 72, h->entries);
	le32_put(out + 76, h->table_sum);
	le32_put(out + HEAD_SUMMED, crc32c(0, out, HEAD_SUMMED));
}

void segment_head_put(uint8_t out[SEGMENT_DATA], const struct segment_head *h)
{
	memset(out, 0, SEGMENT_DATA);
	copy_put(out, h);
	copy_put(out + SEGMENT_HEAD_COPY, h);
}

static bool head_plausible(const struct segment_head *h)
{
	if (h->first % 8 != 0 || h->limit % 8 != 0 || h->limit <= h->first || h->size > h->limit - h->first)
		return false;
	if (h->type == SEGMENT_PLAIN)
		return h->generation == 0 && h->limit - h->first >= FRAME_BEGIN_SIZE;
	return h->type == SEGMENT_COMPACTED && h->generation > 0 && h->end >= h->first && h->end <= h->limit &&
		h->table_at >= SEGMENT_DATA;
}

static int copy_get(const uint8_t *in, struct segment_head *h)
{
	if (memcmp(in, MAGIC, 8) != 0 || le32_get(in + HEAD_SUMMED) != crc32c(0, in, HEAD_SUMMED))
		return ERR_DAMAGED;
	if (le16_get(in + 8) != FORMAT_VERSION)
		return ERR_UNSUPPORTED;
	h->type = le16_get(in + 10) == 0 ? SEGMENT_PLAIN : SEGMENT_COMPACTED;
	h->generation = le32_get(in + 12);
	h->salt = le64_get(in + 16);
	h->first = le64_get(in + 24);
	h->limit = le64_get(in + 32);
	h->size = le64_get(in + 40);
	h->cut = le64_get(in + 48);
	h->end = le64_get(in + 56);
	h->table_at = le64_get(in + 64);
	h->entries = le32_get(in + 72);
	h->table_sum = le32_get(in + 76);
	return head_plausible(h) ? ERR_OK : ERR_DAMAGED;
}

int segment_head_get(const uint8_t in[SEGMENT_DATA], struct segment_head *h)
{
	int r = copy_get(in, h);

	return r == ERR_DAMAGED ? copy_get(in + SEGMENT_HEAD_COPY, h) : r;
}
