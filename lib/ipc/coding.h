/* SPDX-License-Identifier: ISC */
/* How fields stand on the wire: numbers little-endian, octet strings behind a 32-bit length. For the generated code. */
#ifndef POSTRIDER_IPC_CODING_H
#define POSTRIDER_IPC_CODING_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/view.h"

static inline void ipc_put_bytes(struct buf *b, struct view v)
{
	buf_put32(b, (uint32_t)v.n);
	buf_addv(b, v);
}

#define IPC_GET(bits, get)                                                   \
	static inline bool ipc_get##bits(struct view *r, uint##bits##_t *out) \
	{                                                                    \
		if (r->n < (bits) / 8)                                       \
			return false;                                        \
		*out = get(r->p);                                            \
		*r = view_skip(*r, (bits) / 8);                              \
		return true;                                                 \
	}
static inline uint8_t ipc_le8(const void *p)
{
	return *(const uint8_t *)p;
}
IPC_GET(8, ipc_le8)
IPC_GET(16, le16_get)
IPC_GET(32, le32_get)
IPC_GET(64, le64_get)
#undef IPC_GET

static inline bool ipc_get_bytes(struct view *r, size_t max, struct view *out)
{
	uint32_t n;
	if (!ipc_get32(r, &n) || n > max || n > r->n)
		return false;
	*out = view_head(*r, n);
	*r = view_skip(*r, n);
	return true;
}

#endif
