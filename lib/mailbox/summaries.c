/* SPDX-License-Identifier: ISC */
/* The summaries of a store: opened when somebody asks, and compacted with the rest. */
#include <stdlib.h>

#include "mailbox/store.h"
#include "mailbox/summary.h"
#include "proto/imap_body.h"

static uint64_t mail_messages(const struct store *s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s->st->n; i++)
		n += s->st->mailboxes[i]->n;
	return n;
}

static bool identity(const struct store *s, struct summary_identity *id)
{
	const struct mailbox *inbox = state_by_name(s->st, VIEW("INBOX"));
	*id = (struct summary_identity){ .uidvalidity = inbox ? inbox->uidvalidity : 0, .version = IMAP_BODY_VERSION };
	return inbox && store_identity(s, &id->home, &id->journal, &id->uid);
}

void store_summary_begin(struct store *s)
{
	struct summary_identity id;
	bool known = identity(s, &id);
	if (s->summary && (!known || !summary_is(s->summary, &id))) {
		summary_free(s->summary);
		s->summary = NULL;
	}
	if (!known || (!s->summary && state_octets(s->st) < STORE_SUMMARY_LEAST))
		return;
	if (!s->summary)
		s->summary = summary_new(s->home, &id, SUMMARY_COMPACT_LEAST);
	summary_refresh(s->summary);
}

void store_summary_end(struct store *s)
{
	if (s->summary)
		summary_rest(s->summary);
}

static struct summary_key key_of(const struct message_info *i)
{
	return (struct summary_key){ .position = i->ref.position, .offset = i->ref.offset, .size = i->size, .date = i->date };
}

bool store_summary_get(struct store *s, const struct message_info *i, enum summary_kind kind, struct view *text)
{
	struct summary_key k = key_of(i);
	return s->summary && summary_get(s->summary, &k, kind, text);
}

void store_summary_put(struct store *s, const struct message_info *i, enum summary_kind kind, struct view text)
{
	struct summary_key k = key_of(i);
	if (s->summary)
		summary_put(s->summary, &k, kind, text);
}

/* ---- compaction ---- */
struct living {
	struct content *contents[2]; /* of incoming, of the journal */
	size_t n[2];
};

static bool is_live(void *arg, const struct summary_key *k)
{
	const struct living *l = arg;
	size_t own = (k->position & MESSAGE_OWN) != 0, lo = 0, hi = l->n[own];
	uint64_t position = k->position & ~MESSAGE_OWN;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->contents[own][mid].position < position)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n[own] && l->contents[own][lo].position == position;
}

void store_summary_tidy(struct store *s)
{
	struct living l;
	if (!s->summary || !summary_compaction_due(s->summary, mail_messages(s)))
		return;
	for (size_t own = 0; own < 2; own++)
		l.contents[own] = state_contents(s->st, own != 0, &l.n[own]);
	summary_compact(s->summary, is_live, &l);
	for (size_t own = 0; own < 2; own++)
		free(l.contents[own]);
}
