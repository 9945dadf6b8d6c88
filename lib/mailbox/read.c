/* SPDX-License-Identifier: ISC */
/* Content: by position, from the account's journal or from incoming. */
#include "mailbox/store.h"
#include "proto/header.h"

#define HEADER_STEP 8192

static struct journal *stream_of(struct store *s, const struct message_info *i, uint64_t *position)
{
	*position = i->ref.position & ~MESSAGE_OWN;
	return i->ref.position & MESSAGE_OWN ? s->journal : s->incoming;
}

int store_read(struct store *s, const struct message_info *i, struct view *content)
{
	struct journal_record r;
	uint64_t position;
	struct journal *j = stream_of(s, i, &position);
	int err = j ? journal_read(j, position, &r) : ERR_NOT_FOUND;
	if (err != ERR_OK)
		return err;
	if (r.payload.n < i->ref.offset || r.payload.n - i->ref.offset != i->size)
		return ERR_DAMAGED;
	*content = view_skip(r.payload, i->ref.offset);
	return ERR_OK;
}

int store_read_part(struct store *s, const struct message_info *i, uint64_t offset, void *p, size_t n)
{
	uint64_t position;
	struct journal *j = stream_of(s, i, &position);
	if (offset > i->size || n > i->size - offset)
		return ERR_INVALID;
	return j ? journal_read_part(j, position, i->ref.offset + offset, p, n) : ERR_NOT_FOUND;
}

int store_read_header(struct store *s, const struct message_info *i, struct buf *b)
{
	size_t base = buf_len(b), room = b->max - base;
	uint64_t at = 0, most = i->size < room ? i->size : room;
	while (at < most) {
		size_t step = most - at < HEADER_STEP ? (size_t)(most - at) : HEADER_STEP;
		char *p = buf_room(b, step);
		int err = store_read_part(s, i, at, p, step);
		if (err != ERR_OK)
			return err;
		buf_commit(b, step);
		at += step;
		struct view got = view_skip(buf_view(b), base);
		size_t header = header_size(got);
		/* Short of all that was read: the empty line is there. Of exactly as much: look whether it is. */
		if (header < got.n || view_ends(got, VIEW("\n\r\n")) || view_ends(got, VIEW("\n\n"))) {
			buf_cut(b, base + header);
			break;
		}
	}
	return ERR_OK;
}
