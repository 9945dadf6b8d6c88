/* SPDX-License-Identifier: ISC */
/* APPEND and MULTIAPPEND: contents gathered in memory, then one group of frames: the contents and the record that names them. */
#include <stdlib.h>

#include "base/mem.h"
#include "mailbox/records.h"
#include "mailbox/store.h"

struct appended {
	struct buf content;
	int64_t date;
	struct mail_flags flags;
};

struct store_append {
	struct store *store;
	uint32_t mailbox; /* id */
	struct appended *messages;
	size_t n;
	uint64_t octets; /* of all that were begun */
	uint64_t left;   /* still to come of the last one */
	struct store_append_result result;
};

int store_append_new(struct store *s, struct view mailbox, struct store_append **out)
{
	int err = store_catch_up(s);
	const struct mailbox *m = err == ERR_OK ? state_by_name(s->st, mailbox) : NULL;
	if (!m)
		return err == ERR_OK ? ERR_NOT_FOUND : err;
	*out = mem_new(sizeof **out);
	(*out)->store = s;
	(*out)->mailbox = m->id;
	return ERR_OK;
}

int store_append_begin(struct store_append *a, uint64_t size, int64_t date, struct mail_flags flags)
{
	if (size > a->store->message_max)
		return ERR_TOO_BIG;
	if (a->n == STORE_APPEND_MESSAGES_MAX || size > STORE_APPEND_MAX - a->octets)
		return ERR_LIMIT;
	a->messages = mem_resize(a->messages, (a->n + 1) * sizeof *a->messages);
	struct appended *m = &a->messages[a->n++];
	*m = (struct appended){ .date = date, .flags = flags };
	buf_init(&m->content, (size_t)size);
	a->octets += size;
	a->left = size;
	return ERR_OK;
}

int store_append_write(struct store_append *a, struct view part)
{
	if (part.n > a->left)
		return ERR_TOO_BIG;
	buf_addv(&a->messages[a->n - 1].content, part);
	a->left -= part.n;
	return ERR_OK;
}

int store_append_end(struct store_append *a) { return a->left ? ERR_INVALID : ERR_OK; }

static void put_items(const struct store_append *a, struct buf *list)
{
	struct buf item;
	buf_init(&item, 256);
	for (size_t i = 0; i < a->n; i++) {
		const struct appended *m = &a->messages[i];
		struct record_appended r = { .size = buf_len(&m->content), .date = m->date, .flags = m->flags.system & MAIL_FLAGS_ALL,
			.keywords = m->flags.keywords };
		record_put_appended(&item, &r);
		record_add_item(list, &item);
	}
	buf_fini(&item);
}

static int build_append(struct store *s, void *request, struct batch *b)
{
	struct store_append *a = request;
	const struct mailbox *m = state_by_id(s->st, a->mailbox);
	struct buf list;
	if (!m)
		return ERR_NOT_FOUND;
	if (UINT32_MAX - m->uidnext <= a->n)
		return ERR_LIMIT;
	for (size_t i = 0; i < a->n; i++)
		batch_add_view(b, RECORD_content, buf_view(&a->messages[i].content));
	buf_init(&list, UINT32_C(1) << 20);
	put_items(a, &list);
	BATCH_ADD(b, append, .mailbox = m->id, .uid = m->uidnext, .list = buf_view(&list));
	buf_fini(&list);
	a->result = (struct store_append_result){ m->uidvalidity, m->uidnext, m->uidnext + (uint32_t)a->n - 1 };
	return ERR_OK;
}

int store_append_commit(struct store_append *a, struct store_append_result *result)
{
	int err = a->n == 0 || a->left ? ERR_INVALID : store_commit(a->store, build_append, a);
	if (err == ERR_OK)
		*result = a->result;
	store_append_abort(a);
	return err;
}

void store_append_abort(struct store_append *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		buf_fini(&a->messages[i].content);
	free(a->messages);
	free(a);
}
