/* SPDX-License-Identifier: ISC */
#include "ipc/frame.h"

#include <string.h>

#include "base/num.h"

static const char greeting_magic[4] = { 'P', 'R', 'I', '1' };

int ipc_frame_put(struct buf *b, enum ipc_kind kind, const void *m, size_t nfds)
{
	size_t before = buf_len(b);
	char header[IPC_FRAME_HEADER] = { 0 };
	buf_add(b, header, sizeof header);
	int err = buf_ok(b) ? ipc_kinds[kind].put(b, m) : ERR_TOO_BIG;
	size_t length = buf_len(b) - before - IPC_FRAME_HEADER;
	if (err != ERR_OK || length > IPC_FRAME_MAX) {
		buf_cut(b, before);
		b->over = false;
		return ERR_TOO_BIG;
	}
	char *at = b->mem + b->off + before;
	le32_put(at, (uint32_t)length);
	le16_put(at + 4, (uint16_t)kind);
	at[6] = (char)nfds;
	return ERR_OK;
}

int ipc_frame_get(struct view v, struct ipc_frame *f)
{
	if (v.n < IPC_FRAME_HEADER)
		return ERR_AGAIN;
	uint16_t kind = le16_get(v.p + 4);
	f->length = le32_get(v.p);
	f->nfds = (unsigned char)v.p[6];
	if (kind == IPC_NONE || kind >= IPC_KIND_COUNT || f->length > IPC_FRAME_MAX || v.p[7] != 0)
		return ERR_PROTOCOL;
	f->kind = (enum ipc_kind)kind;
	const struct ipc_kind_info *k = &ipc_kinds[kind];
	return f->nfds < k->fds_min || f->nfds > k->fds_max ? ERR_PROTOCOL : ERR_OK;
}

static uint64_t table_hash(void)
{
	struct view t = view_of(ipc_table_text);
	return (uint64_t)crc32c(0, t.p, t.n) << 32 | crc32c(0x504f5354, t.p, t.n);
}

void ipc_greeting_put(struct buf *b, enum ipc_role self)
{
	buf_add(b, greeting_magic, sizeof greeting_magic);
	buf_put64(b, table_hash());
	buf_put8(b, (uint8_t)self);
}

int ipc_greeting_get(struct view v, enum ipc_role *role)
{
	if (v.n < IPC_GREETING)
		return ERR_AGAIN;
	if (memcmp(v.p, greeting_magic, sizeof greeting_magic) != 0 || le64_get(v.p + 4) != table_hash())
		return ERR_PROTOCOL;
	*role = (enum ipc_role)(unsigned char)v.p[12];
	return ERR_OK;
}
