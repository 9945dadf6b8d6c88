/* SPDX-License-Identifier: ISC */
/*
 * Adoption: what local-delivery has appended to `incoming` becomes messages with UIDs, by reference. A record says up to which
 * position all is adopted, and the guarded append lets only one process say it, so that each delivery is adopted exactly once. What
 * local-delivery may still take back, because its flush can fail, waits.
 */
#include <stdlib.h>

#include "base/map.h"
#include "log/log.h"
#include "mailbox/incoming.h"
#include "mailbox/records.h"
#include "mailbox/store.h"
#include "sys/file.h"

/* Deliveries in one record. */
#define ADOPT_MAX 4096

struct adoption {
	struct store *s;
	struct batch *batch;
	struct buf list, item;
	struct map64 *uids;   /* mailbox id → next UID */
	unsigned keywords;    /* that the account has by now */
	struct buf names[MAIL_KEYWORDS_MAX]; /* of the new ones */
	unsigned deliveries;
	uint64_t next, back, limit;
	const struct map64 *known; /* positions that are adopted already; or NULL */
};

static int keyword_bit(struct adoption *a, struct view name)
{
	int bit = state_keyword(a->s->st, name);
	for (unsigned i = a->s->st->nkeywords; bit < 0 && i < a->keywords; i++)
		if (view_ieq(buf_view(&a->names[i]), name))
			bit = (int)i;
	if (bit >= 0 || a->keywords == MAIL_KEYWORDS_MAX || !state_keyword_valid(name))
		return bit;
	BATCH_ADD(a->batch, keyword, .bit = a->keywords, .name = name);
	buf_init(&a->names[a->keywords], MAIL_KEYWORD_LENGTH_MAX);
	buf_addv(&a->names[a->keywords], name);
	return (int)a->keywords++;
}

static void add_flag(struct adoption *a, struct view word, struct mail_flags *f)
{
#define X(name, bit, text)        \
	if (view_ieqs(word, text)) {   \
		f->system |= bit;           \
		return;                     \
	}
	MAIL_FLAG_TABLE(X)
#undef X
	int bit = word.n && word.p[0] != '\\' ? keyword_bit(a, word) : -1;
	if (bit >= 0)
		f->keywords |= UINT64_C(1) << bit;
}

static uint32_t next_uid(struct adoption *a, const struct mailbox *m)
{
	uintptr_t uid = (uintptr_t)map64_get(a->uids, m->id);
	if (uid == 0)
		uid = m->uidnext;
	(void)map64_set(a->uids, m->id, (void *)(uid + 1));
	return (uint32_t)uid;
}

static void adopt_into(struct adoption *a, const struct journal_record *r, const struct incoming *in, const struct incoming_target *t)
{
	struct mailbox *m = state_by_name(a->s->st, t->mailbox);
	struct mail_flags flags = { 0 };
	struct view rest = t->flags, word;
	if (!m)
		m = state_by_name(a->s->st, VIEW("INBOX"));
	while (view_word(&rest, &word))
		add_flag(a, word, &flags);
	struct record_adopted item = { .position = r->position, .offset = in->head, .size = r->payload.n - in->head, .date = in->date,
		.mailbox = m->id, .uid = next_uid(a, m), .flags = flags.system, .keywords = flags.keywords };
	record_put_adopted(&a->item, &item);
	record_add_item(&a->list, &a->item);
}

static int adopt_one(void *arg, const struct journal_record *r)
{
	struct adoption *a = arg;
	struct incoming in;
	struct incoming_target t = { .mailbox = VIEW("INBOX") };
	if (r->position >= a->limit)
		return ERR_END;
	a->next = r->next;
	if (r->kind != INCOMING_MESSAGE || (a->known && map64_get(a->known, r->position)))
		return ERR_OK;
	if (incoming_decode(r->payload, &in) != ERR_OK) {
		log_warn("incoming_record_refused", LU("position", r->position));
		return ERR_OK;
	}
	a->back = in.back;
	if (in.ntargets == 0)
		adopt_into(a, r, &in, &t);
	while (incoming_next_target(&in.targets, &t))
		adopt_into(a, r, &in, &t);
	return ++a->deliveries == ADOPT_MAX ? ERR_END : ERR_OK;
}

static void adoption_init(struct adoption *a, struct store *s, struct batch *b, uint64_t from, uint64_t limit)
{
	*a = (struct adoption){ .s = s, .batch = b, .keywords = s->st->nkeywords, .uids = map64_new(), .next = from, .limit = limit };
	buf_init(&a->list, UINT32_C(32) << 20);
	buf_init(&a->item, 256);
}

static void adoption_fini(struct adoption *a)
{
	buf_fini(&a->list);
	buf_fini(&a->item);
	for (unsigned i = a->s->st->nkeywords; i < a->keywords; i++)
		buf_fini(&a->names[i]);
	map64_free(a->uids);
}

static int gather(struct adoption *a, uint64_t from)
{
	uint64_t scanned = 0;
	int err = journal_scan(a->s->incoming, from, adopt_one, a, &scanned);
	/* Damage at the end was skipped; but what a roll makes of the positions above the limit is not durable yet. */
	if (err == ERR_OK && scanned > a->next)
		a->next = scanned < a->limit ? scanned : a->limit;
	return err == ERR_END ? ERR_OK : err;
}

static int build_adoption(struct store *s, void *request, struct batch *b)
{
	struct adoption a;
	/* What will be shown must not vanish in a power cut while its UID lives on. */
	adoption_init(&a, s, b, s->st->incoming, journal_settled(s->incoming));
	int err = gather(&a, s->st->incoming);
	if (err == ERR_OK && a.next > s->st->incoming)
		BATCH_ADD(b, adopt, .next = a.next, .list = buf_view(&a.list), .back = a.back);
	*(bool *)request = a.deliveries == ADOPT_MAX;
	adoption_fini(&a);
	return err;
}

int store_adopt_missed(struct store *s, uint64_t *from, const struct map64 *known, struct batch *b, uint64_t *deliveries)
{
	struct adoption a;
	adoption_init(&a, s, b, *from, s->st->incoming);
	a.known = known;
	int err = gather(&a, *from);
	if (err == ERR_OK && a.deliveries)
		BATCH_ADD(b, adopt, .next = s->st->incoming, .list = buf_view(&a.list));
	*deliveries += a.deliveries;
	*from = a.deliveries == ADOPT_MAX ? a.next : s->st->incoming;
	adoption_fini(&a);
	return err;
}

static int open_incoming(struct store *s)
{
	struct journal_options o = { .role = JOURNAL_READER };
	int fd, err = file_open_dir(s->home, "incoming", &fd);
	if (err == ERR_OK) {
		err = journal_open(fd, &o, &s->incoming);
		fd_close(&fd);
	}
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

int store_adopt(struct store *s)
{
	int err = s->incoming ? journal_refresh(s->incoming) : open_incoming(s);
	bool more = s->incoming != NULL;
	while (err == ERR_OK && more && journal_end(s->incoming) > s->st->incoming)
		err = store_commit(s, build_adoption, &more);
	return err;
}
