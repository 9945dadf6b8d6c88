/* SPDX-License-Identifier: ISC */
/* Content: by position, from the account's journal or from incoming. */
#include "base/map.h"
#include "mailbox/store.h"
#include "proto/header.h"

#define HEADER_STEP 8192
#define HEADER_WHOLE (64u << 10)

static struct journal *stream_of(struct store *s, const struct message_ref *ref, uint64_t *position)
{
	*position = ref->position & ~MESSAGE_OWN;
	return ref->position & MESSAGE_OWN ? s->journal : s->incoming;
}

/* Has it moved from incoming into the journal since the caller learned where it is? */
static bool find_moved(struct store *s, struct message_ref *ref)
{
	if (ref->position & MESSAGE_OWN || store_catch_up(s) != ERR_OK || !s->st->moved)
		return false;
	uintptr_t to = (uintptr_t)map64_get(s->st->moved, ref->position);
	*ref = (struct message_ref){ (uint64_t)(to - 1) | MESSAGE_OWN, 0 };
	return to != 0;
}

static int read_at(struct store *s, const struct message_ref *ref, uint32_t size, struct view *content)
{
	struct journal_record r;
	uint64_t position;
	struct journal *j = stream_of(s, ref, &position);
	int err = j ? journal_read(j, position, &r) : ERR_NOT_FOUND;
	if (err != ERR_OK)
		return err;
	if (r.payload.n < ref->offset || r.payload.n - ref->offset != size)
		return ERR_DAMAGED;
	*content = view_skip(r.payload, ref->offset);
	return ERR_OK;
}

int store_read(struct store *s, const struct message_info *i, struct view *content)
{
	struct message_ref ref = i->ref;
	int err = read_at(s, &ref, i->size, content);
	return err == ERR_NOT_FOUND && find_moved(s, &ref) ? read_at(s, &ref, i->size, content) : err;
}

/* It was found whole, nothing was written to its stream since, and it was not cut off. */
static bool still_whole(struct store *s, struct journal *j, const struct message_info *i, const struct message_ref *ref)
{
	char c;
	return s->checked == ref->position && s->checked_end == journal_end(j) &&
		(i->size == 0 || journal_read_part(j, ref->position & ~MESSAGE_OWN, ref->offset + i->size - 1, &c, 1) == ERR_OK);
}

static int check_at(struct store *s, const struct message_info *i, const struct message_ref *ref)
{
	uint64_t position;
	struct journal *j = stream_of(s, ref, &position);
	if (j && still_whole(s, j, i, ref))
		return ERR_OK;
	s->checked_end = 0;
	int err = j ? journal_check(j, position) : ERR_NOT_FOUND;
	if (err == ERR_OK) {
		s->checked = ref->position;
		s->checked_end = journal_end(j);
	}
	return err;
}

int store_check(struct store *s, const struct message_info *i)
{
	struct message_ref ref = i->ref;
	int err = check_at(s, i, &ref);
	return err == ERR_NOT_FOUND && find_moved(s, &ref) ? check_at(s, i, &ref) : err;
}

static int read_part_at(struct store *s, const struct message_ref *ref, uint64_t offset, void *p, size_t n)
{
	uint64_t position;
	struct journal *j = stream_of(s, ref, &position);
	return j ? journal_read_part(j, position, ref->offset + offset, p, n) : ERR_NOT_FOUND;
}

int store_read_part(struct store *s, const struct message_info *i, uint64_t offset, void *p, size_t n)
{
	struct message_ref ref = i->ref;
	if (offset > i->size || n > i->size - offset)
		return ERR_INVALID;
	int err = read_part_at(s, &ref, offset, p, n);
	return err == ERR_NOT_FOUND && find_moved(s, &ref) ? read_part_at(s, &ref, offset, p, n) : err;
}

/* Of what is small a step is most already: reading all of it has it checked on the way. */
static int read_header_whole(struct store *s, const struct message_info *i, struct buf *b)
{
	struct view content;
	int err = store_read(s, i, &content);
	if (err != ERR_OK)
		return err;
	size_t n = header_size(content), room = b->max - buf_len(b);
	buf_addv(b, view_head(content, n < room ? n : room));
	return ERR_OK;
}

int store_read_header(struct store *s, const struct message_info *i, struct buf *b)
{
	if (i->size <= HEADER_WHOLE)
		return read_header_whole(s, i, b);
	int checked = store_check(s, i);
	if (checked != ERR_OK)
		return checked;
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
