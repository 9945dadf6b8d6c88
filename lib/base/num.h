/* SPDX-License-Identifier: ISC */
/* Numbers and codings from and to text, strict: no sign, no blanks, no leading garbage, no wrap. */
#ifndef POSTRIDER_BASE_NUM_H
#define POSTRIDER_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

/* All of v as a decimal of at most max; at least one digit. *out is untouched on failure. */
bool num_u64(struct view v, uint64_t max, uint64_t *out);
bool num_u32(struct view v, uint32_t max, uint32_t *out);
bool num_hex64(struct view v, uint64_t *out);
/* A size with an optional suffix K, M, G (powers of 1024), or a duration with s, m, h, d (default s), in octets or seconds. */
bool num_size(struct view v, uint64_t *out);
bool num_duration(struct view v, uint64_t *seconds);

/* RFC 4648 4. base64_put adds the coding of v, without line breaks. */
void base64_put(struct buf *b, struct view v);
/* Strict decoding: right padding, no blanks; false, with nothing added, when v is not the coding of anything. */
bool base64_get(struct buf *b, struct view v);
/* Lenient decoding for MIME bodies (RFC 2045 6.8): skips what is not in the alphabet. */
void base64_get_mime(struct buf *b, struct view v);
bool hex_get(struct buf *b, struct view v);

/* Little-endian loads and stores. */
static inline uint16_t le16_get(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)(b[0] | (unsigned)b[1] << 8);
}
static inline uint32_t le32_get(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t le64_get(const void *p)
{
	const uint8_t *b = p;
	return (uint64_t)le32_get(b) | (uint64_t)le32_get(b + 4) << 32;
}
static inline void le16_put(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}
static inline void le32_put(void *p, uint32_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
	b[2] = (uint8_t)(v >> 16);
	b[3] = (uint8_t)(v >> 24);
}
static inline void le64_put(void *p, uint64_t v)
{
	le32_put(p, (uint32_t)v);
	le32_put((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

/* CRC-32C (RFC 3720 B.4), going on from seed (0 at first); by the processor's instruction where it has one. */
uint32_t crc32c(uint32_t seed, const void *p, size_t n);

#endif
