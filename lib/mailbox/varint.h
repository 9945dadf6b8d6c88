/* SPDX-License-Identifier: ISC */
/* Numbers in records: seven bits an octet, lowest first, the top bit set where more follow; at most ten octets. */
#ifndef POSTRIDER_MAILBOX_VARINT_H
#define POSTRIDER_MAILBOX_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

static inline void varint_put(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_addc(b, (char)(v | 0x80));
	buf_addc(b, (char)v);
}

/* Cuts a number off *v; false (with *v anywhere) where there is none or it has more than 64 bits. */
static inline bool varint_get(struct view *v, uint64_t *out)
{
	uint64_t r = 0;
	for (unsigned i = 0; i < 10 && i < v->n; i++) {
		uint8_t c = (uint8_t)v->p[i];
		if (i == 9 && c > 1)
			return false;
		r |= (uint64_t)(c & 0x7f) << (7 * i);
		if (c < 0x80) {
			*v = view_skip(*v, i + 1);
			*out = r;
			return true;
		}
	}
	return false;
}

/* Signed numbers, small ones short. */
static inline void varint_put_signed(struct buf *b, int64_t v)
{
	varint_put(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}
static inline bool varint_get_signed(struct view *v, int64_t *out)
{
	uint64_t u;
	if (!varint_get(v, &u))
		return false;
	*out = (int64_t)((u >> 1) ^ (u & 1 ? UINT64_MAX : 0));
	return true;
}

#endif
