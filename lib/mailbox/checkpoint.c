/* SPDX-License-Identifier: ISC */
#include "mailbox/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mailbox/records.h"

/* A part is closed when it has passed this; the buffers' bound lies well above it. */
#define PART_SIZE (UINT64_C(4) << 20)
#define BUF_BOUND (UINT64_C(32) << 20)
#define MESSAGES_A_RECORD 4096

struct writer {
	struct buf list;    /* nested items of this part */
	struct buf record;  /* the payload that is being made */
	struct buf item;
	unsigned part;
	uint64_t records;
	bool names_only;
	void (*fn)(void *arg, struct buf *payload);
	void *arg;
};

static void close_part(struct writer *w, bool last)
{
	struct buf payload;
	buf_init(&payload, BUF_BOUND);
	struct record_checkpoint r = { .part = w->part++, .last = last, .records = w->records, .list = buf_view(&w->list) };
	record_put_checkpoint(&payload, &r);
	INVARIANT(buf_ok(&payload));
	buf_reset(&w->list);
	w->fn(w->arg, &payload);
	buf_fini(&payload);
}

/* Takes w->record as the payload of a nested record of this kind. */
static void nest(struct writer *w, unsigned kind)
{
	INVARIANT(buf_ok(&w->record));
	struct record_nested r = { .kind = kind, .payload = buf_view(&w->record) };
	record_put_nested(&w->item, &r);
	record_add_item(&w->list, &w->item);
	buf_reset(&w->record);
	INVARIANT(buf_ok(&w->list));
	if (buf_len(&w->list) >= PART_SIZE)
		close_part(w, false);
}

static void write_names(struct writer *w, const struct state *st)
{
	for (unsigned i = 0; i < st->nkeywords; i++) {
		record_put_keyword(&w->record, &(struct record_keyword){ .bit = i, .name = view_of(st->keywords[i]) });
		nest(w, RECORD_keyword);
	}
	for (size_t i = 0; i < st->nsubscriptions; i++) {
		record_put_subscribe(&w->record, &(struct record_subscribe){ .on = 1, .name = view_of(st->subscriptions[i]) });
		nest(w, RECORD_subscribe);
	}
}

static void write_message(struct buf *list, struct buf *item, const struct message *m)
{
	struct record_message r = { .uid = m->uid, .modseq = m->modseq, .own = (m->position & MESSAGE_OWN) != 0,
		.position = m->position & ~MESSAGE_OWN, .offset = m->offset, .size = m->size, .date = m->date, .flags = m->flags,
		.keywords = m->keywords };
	record_put_message(item, &r);
	record_add_item(list, item);
}

/* Messages in records of a bounded number; the last (or only) one has the mailbox' own numbers. */
static void write_messages(struct writer *w, const struct mailbox *m)
{
	struct buf list;
	size_t i = w->names_only ? m->n : 0;
	buf_init(&list, BUF_BOUND);
	do {
		size_t end = m->n - i > MESSAGES_A_RECORD ? i + MESSAGES_A_RECORD : m->n;
		for (; i < end; i++)
			write_message(&list, &w->item, &m->messages[i]);
		bool last = i == m->n;
		struct record_kept r = { .mailbox = m->id, .uidnext = last ? m->uidnext : m->messages[i - 1].uid + 1,
			.highestmodseq = m->highestmodseq, .recent = last ? m->recent : 0, .list = buf_view(&list) };
		record_put_kept(&w->record, &r);
		buf_reset(&list);
		nest(w, RECORD_kept);
	} while (i < m->n);
	buf_fini(&list);
}

static int id_cmp(const void *a, const void *b)
{
	const struct mailbox *x = *(struct mailbox *const *)a, *y = *(struct mailbox *const *)b;
	return (x->id > y->id) - (x->id < y->id);
}

/* By id: ids only grow in the journal, and so they must here. */
static void write_mailboxes(struct writer *w, const struct state *st)
{
	struct mailbox **all = mem_array(st->n + 1, sizeof(struct mailbox *));
	if (st->n)
		memcpy(all, st->mailboxes, st->n * sizeof(struct mailbox *));
	qsort(all, st->n, sizeof(struct mailbox *), id_cmp);
	for (size_t i = 0; i < st->n; i++) {
		const struct mailbox *m = all[i];
		struct record_mailbox r = { .id = m->id, .uidvalidity = m->uidvalidity, .uses = m->uses, .name = view_of(m->name) };
		record_put_mailbox(&w->record, &r);
		nest(w, RECORD_mailbox);
		write_messages(w, m);
	}
	free(all);
}

static void write_state(const struct state *st, bool names_only, void (*fn)(void *arg, struct buf *payload), void *arg)
{
	struct writer w = { .fn = fn, .arg = arg, .records = st->records, .names_only = names_only };
	buf_init(&w.list, BUF_BOUND);
	buf_init(&w.record, BUF_BOUND);
	buf_init(&w.item, BUF_BOUND);
	write_names(&w, st);
	write_mailboxes(&w, st);
	struct record_account r = { .next_id = st->next_id, .uidvalidity = st->uidvalidity, .incoming = st->incoming, .back = st->back };
	record_put_account(&w.record, &r);
	nest(&w, RECORD_account);
	close_part(&w, true);
	buf_fini(&w.list);
	buf_fini(&w.record);
	buf_fini(&w.item);
}

void checkpoint_write(const struct state *st, void (*fn)(void *arg, struct buf *payload), void *arg) { write_state(st, false, fn, arg); }

void checkpoint_write_names(const struct state *st, void (*fn)(void *arg, struct buf *payload), void *arg) { write_state(st, true, fn, arg); }
