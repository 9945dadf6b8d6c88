/* SPDX-License-Identifier: ISC */
/*
 * The records of an account's journal: the input is a row of them (u16 kind, u16 length, payload), applied one after the other to an empty
 * state. Whatever they say, the state stays one that sessions can live with, and a checkpoint of it makes the same state again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "mailbox/checkpoint.h"
#include "mailbox/mailbox.h"
#include "mailbox/records.h"
#include "mailbox/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mailbox(const struct mailbox *m)
{
	uint32_t unseen = 0, deleted = 0, last = 0;
	uint64_t octets = 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct message *msg = &m->messages[i];
		INVARIANT(msg->uid > last && msg->uid < m->uidnext);
		last = msg->uid;
		unseen += !(msg->flags & MAIL_SEEN);
		deleted += (msg->flags & MAIL_DELETED) != 0;
		octets += msg->size;
	}
	INVARIANT(unseen == m->unseen && deleted == m->deleted && octets == m->size);
	INVARIANT(mailbox_name_valid(view_of(m->name)) && m->recent <= m->uidnext && m->uidvalidity > 0);
}

static void check(const struct state *st)
{
	for (size_t i = 0; i < st->n; i++) {
		check_mailbox(st->mailboxes[i]);
		INVARIANT(state_by_name(st, view_of(st->mailboxes[i]->name)) == st->mailboxes[i]);
		INVARIANT(state_by_id(st, st->mailboxes[i]->id) == st->mailboxes[i] && st->mailboxes[i]->id < st->next_id);
	}
}

static void load_part(void *arg, struct buf *payload) { INVARIANT(state_apply(arg, RECORD_checkpoint, 1, buf_view(payload), true)); }

static bool same(const struct message *a, const struct message *b)
{
	return a->modseq == b->modseq && a->keywords == b->keywords && a->position == b->position && a->date == b->date && a->uid == b->uid &&
		a->size == b->size && a->offset == b->offset && a->flags == b->flags;
}

static void check_checkpoint(const struct state *st)
{
	struct state *again = state_new();
	checkpoint_write(st, load_part, again);
	INVARIANT(again->n == st->n && again->nsubscriptions == st->nsubscriptions && again->nkeywords == st->nkeywords &&
		again->next_id == st->next_id && again->incoming == st->incoming && again->records == st->records);
	for (size_t i = 0; i < st->n; i++) {
		const struct mailbox *a = st->mailboxes[i], *b = again->mailboxes[i];
		INVARIANT(strcmp(a->name, b->name) == 0 && a->id == b->id && a->uidnext == b->uidnext && a->n == b->n && a->unseen == b->unseen &&
			a->size == b->size && a->highestmodseq == b->highestmodseq);
		for (size_t k = 0; k < a->n; k++)
			INVARIANT(same(&a->messages[k], &b->messages[k]));
	}
	state_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state *st = state_new();
	struct view in = view_make(data, size);
	struct buf text;
	uint64_t position = 64;
	buf_init(&text, 1 << 22);
	while (in.n >= 4) {
		unsigned kind = le16_get(in.p);
		struct view payload = view_head(view_skip(in, 4), le16_get(in.p + 2));
		(void)state_apply(st, kind, position, payload, true);
		record_dump(&text, kind, payload);
		buf_reset(&text);
		position += 32;
		in = view_skip(in, 4 + payload.n);
	}
	check(st);
	check_checkpoint(st);
	buf_fini(&text);
	state_free(st);
	return 0;
}
