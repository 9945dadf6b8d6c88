/* SPDX-License-Identifier: ISC */
/* What each record does to the state. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mailbox/mailbox.h"
#include "mailbox/records.h"
#include "mailbox/state.h"

static bool apply(struct state *st, unsigned kind, uint64_t at, struct view v, bool inside);

/* ---- messages of a mailbox ---- */
static void count(struct mailbox *m, const struct message *msg, bool in)
{
	uint32_t one = in ? 1 : UINT32_MAX;
	if (!(msg->flags & MAIL_SEEN))
		m->unseen += one;
	if (msg->flags & MAIL_DELETED)
		m->deleted += one;
	m->size = in ? m->size + msg->size : m->size - msg->size;
}

static void touch(struct state *st, struct mailbox *m, uint64_t at, uint64_t *which)
{
	st->changes++;
	*which = at;
	if (m->highestmodseq < at)
		m->highestmodseq = at;
}

static bool add(struct mailbox *m, const struct message *msg)
{
	if (msg->uid < m->uidnext || msg->uid == UINT32_MAX || (msg->position & ~MESSAGE_OWN) >> 62)
		return false;
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap + m->cap / 2 + 1 : 8;
		m->messages = mem_resize(m->messages, m->cap * sizeof *m->messages);
	}
	m->messages[m->n++] = *msg;
	m->uidnext = msg->uid + 1;
	count(m, msg, true);
	return true;
}

static bool row_fits(const struct state *st, const struct mailbox *m, const struct message *msg, uint64_t end)
{
	uint64_t below = msg->position & MESSAGE_OWN ? end : st->incoming;
	return msg->uid > (m->n ? msg[-1].uid : 0) && msg->uid < m->uidnext && msg->modseq < end && (msg->position & ~MESSAGE_OWN) < below &&
		!(msg->flags & ~MAIL_FLAGS_ALL);
}

bool state_take_rows(const struct state *st, struct mailbox *m, size_t n, uint64_t end)
{
	for (; n > 0; n--) {
		const struct message *msg = &m->messages[m->n];
		if (!row_fits(st, m, msg, end))
			return false;
		count(m, msg, true);
		m->n++;
	}
	return true;
}

static bool fits32(uint64_t v) { return v <= UINT32_MAX; }

/* ---- mailboxes ---- */
static void place(struct state *st, struct mailbox *m)
{
	size_t i;
	bool found;
	if (st->n == st->cap) {
		st->cap = st->cap ? st->cap * 2 : 8;
		st->mailboxes = mem_resize(st->mailboxes, st->cap * sizeof *st->mailboxes);
	}
	i = state_name_at(st, view_of(m->name), &found);
	memmove(st->mailboxes + i + 1, st->mailboxes + i, (st->n - i) * sizeof(struct mailbox *));
	st->mailboxes[i] = m;
	st->n++;
}

static void take_out(struct state *st, const struct mailbox *m)
{
	bool found;
	size_t i = state_name_at(st, view_of(m->name), &found);
	INVARIANT(found);
	memmove(st->mailboxes + i, st->mailboxes + i + 1, (st->n - i - 1) * sizeof(struct mailbox *));
	st->n--;
}

static bool apply_mailbox(struct state *st, uint64_t at, struct view v)
{
	struct record_mailbox r;
	if (!record_get_mailbox(v, &r) || !mailbox_name_valid(r.name) || state_by_name(st, r.name) || r.id == 0 || r.id < st->next_id ||
		r.id >= UINT32_MAX || r.uidvalidity == 0 || !fits32(r.uidvalidity) || st->n >= MAILBOX_COUNT_MAX)
		return false;
	struct mailbox *m = mem_new(sizeof *m);
	*m = (struct mailbox){ .id = (uint32_t)r.id, .uidvalidity = (uint32_t)r.uidvalidity, .uidnext = 1, .recent = 1, .shown_next = 1,
		.uses = (unsigned)(r.uses & 0xff), .name = mem_str(mailbox_is_inbox(r.name) ? VIEW("INBOX") : r.name), .highestmodseq = at ? at : 1 };
	place(st, m);
	(void)map64_set(st->by_id, m->id, m);
	st->next_id = m->id + 1;
	if (st->uidvalidity < m->uidvalidity)
		st->uidvalidity = m->uidvalidity;
	st->changes++;
	return true;
}

static bool apply_remove(struct state *st, uint64_t at, struct view v)
{
	struct record_remove r;
	(void)at;
	struct mailbox *m = record_get_remove(v, &r) ? state_by_id(st, r.id) : NULL;
	if (!m || mailbox_is_inbox(view_of(m->name)))
		return false;
	take_out(st, m);
	(void)map64_del(st->by_id, m->id);
	free(m->name);
	free(m->messages);
	free(m);
	st->changes++;
	return true;
}

static void rename_one(struct state *st, struct mailbox *m, struct view from, struct view to)
{
	struct buf b;
	buf_init(&b, MAILBOX_NAME_MAX * 2);
	buf_addv(&b, to);
	buf_addv(&b, view_skip(view_of(m->name), from.n));
	take_out(st, m);
	free(m->name);
	m->name = mem_str(buf_view(&b));
	buf_fini(&b);
	place(st, m);
}

static bool apply_rename(struct state *st, uint64_t at, struct view v)
{
	struct record_rename r;
	(void)at;
	if (!record_get_rename(v, &r) || !mailbox_name_valid(r.to) || mailbox_is_inbox(r.from) || state_by_name(st, r.to))
		return false;
	struct mailbox *m = state_by_name(st, r.from);
	struct view prefix = r.to;
	if (!m || (view_starts(r.to, r.from) && r.to.n > r.from.n && r.to.p[r.from.n] == MAILBOX_SEPARATOR))
		return false;
	if (state_children_fit(st, r.from, r.to) != ERR_OK)
		return false;
	rename_one(st, m, r.from, prefix);
	size_t i = 0;
	while ((m = state_next_child(st, r.from, &i))) {
		rename_one(st, m, r.from, prefix);
		i = 0; /* the order has changed; what was renamed is not below `from` any more */
	}
	st->changes++;
	return true;
}

static bool apply_uidvalidity(struct state *st, uint64_t at, struct view v)
{
	struct record_uidvalidity r;
	struct mailbox *m = record_get_uidvalidity(v, &r) ? state_by_id(st, r.mailbox) : NULL;
	if (!m || r.uidvalidity <= m->uidvalidity || !fits32(r.uidvalidity))
		return false;
	m->uidvalidity = (uint32_t)r.uidvalidity;
	if (st->uidvalidity < m->uidvalidity)
		st->uidvalidity = m->uidvalidity;
	touch(st, m, at, &m->flagged);
	return true;
}

/* ---- names ---- */
static bool apply_subscribe(struct state *st, uint64_t at, struct view v)
{
	struct record_subscribe r;
	bool found;
	(void)at;
	if (!record_get_subscribe(v, &r) || !mailbox_name_valid(r.name))
		return false;
	size_t i = state_subscription_at(st, r.name, &found);
	if (found == (r.on != 0))
		return true;
	if (found) {
		free(st->subscriptions[i]);
		memmove(st->subscriptions + i, st->subscriptions + i + 1, (--st->nsubscriptions - i) * sizeof(char *));
	} else {
		if (st->nsubscriptions == st->subscriptions_cap) {
			st->subscriptions_cap = st->subscriptions_cap ? st->subscriptions_cap * 2 : 8;
			st->subscriptions = mem_resize(st->subscriptions, st->subscriptions_cap * sizeof(char *));
		}
		memmove(st->subscriptions + i + 1, st->subscriptions + i, (st->nsubscriptions++ - i) * sizeof(char *));
		st->subscriptions[i] = mem_str(mailbox_is_inbox(r.name) ? VIEW("INBOX") : r.name);
	}
	st->changes++;
	return true;
}

static bool apply_keyword(struct state *st, uint64_t at, struct view v)
{
	struct record_keyword r;
	(void)at;
	if (!record_get_keyword(v, &r) || r.bit >= MAIL_KEYWORDS_MAX || r.bit != st->nkeywords ||
		!state_keyword_valid(r.name) || state_keyword(st, r.name) >= 0)
		return false;
	st->keywords[st->nkeywords++] = mem_str(r.name);
	st->changes++;
	return true;
}

/* ---- messages ---- */
static size_t count_items(struct view list)
{
	size_t n = 0;
	struct view item;
	while (record_next_item(&list, &item))
		n++;
	return n;
}

static bool apply_append(struct state *st, uint64_t at, struct view v)
{
	struct record_append r;
	struct view item;
	struct record_appended a;
	struct mailbox *m = record_get_append(v, &r) ? state_by_id(st, r.mailbox) : NULL;
	size_t n = m ? count_items(r.list) : 0;
	if (n == 0 || n > st->ncontents)
		return false;
	const uint64_t *content = st->contents + st->ncontents - n;
	while (record_next_item(&r.list, &item)) {
		if (!record_get_appended(item, &a) || !fits32(a.size) || !fits32(r.uid))
			return false;
		struct message msg = { .modseq = at, .keywords = a.keywords, .position = *content++ | MESSAGE_OWN, .date = a.date,
			.uid = (uint32_t)r.uid++, .size = (uint32_t)a.size, .flags = a.flags & MAIL_FLAGS_ALL };
		if (!add(m, &msg))
			return false;
		touch(st, m, at, &m->added);
	}
	return r.list.p != NULL;
}

static bool adopt_one(struct state *st, uint64_t at, struct view item)
{
	struct record_adopted a;
	if (!record_get_adopted(item, &a) || !fits32(a.uid) || !fits32(a.size) || !fits32(a.offset))
		return false;
	struct mailbox *m = state_by_id(st, a.mailbox);
	struct message msg = { .modseq = at, .keywords = a.keywords, .position = a.position, .date = a.date, .uid = (uint32_t)a.uid,
		.size = (uint32_t)a.size, .offset = (uint32_t)a.offset, .flags = a.flags & MAIL_FLAGS_ALL };
	if (!m || a.position >= MESSAGE_OWN || !add(m, &msg))
		return false;
	touch(st, m, at, &m->added);
	return true;
}

static bool apply_adopt(struct state *st, uint64_t at, struct view v)
{
	struct record_adopt r;
	struct view item;
	bool ok = true;
	if (!record_get_adopt(v, &r) || r.next <= st->incoming)
		return false;
	st->incoming = r.next;
	if (st->back < r.back)
		st->back = r.back;
	while (record_next_item(&r.list, &item))
		ok &= adopt_one(st, at, item);
	return ok && r.list.p != NULL;
}

static bool apply_flags(struct state *st, uint64_t at, struct view v)
{
	struct record_flags r;
	struct uidset uids;
	size_t range = 0, i = 0;
	struct mailbox *m = record_get_flags(v, &r) ? state_by_id(st, r.mailbox) : NULL;
	struct message *msg;
	if (!m || !uidset_get(r.uids, &uids))
		return false;
	while ((msg = mailbox_next_in(m, &uids, &range, &i))) {
		count(m, msg, false);
		msg->flags = (uint8_t)(((msg->flags & ~r.remove) | r.add) & MAIL_FLAGS_ALL);
		msg->keywords = (msg->keywords & ~r.remove_keywords) | r.add_keywords;
		msg->modseq = at;
		count(m, msg, true);
	}
	uidset_fini(&uids);
	touch(st, m, at, &m->flagged);
	return true;
}

static void expunge(struct state *st, struct mailbox *m, const struct uidset *uids, uint64_t at)
{
	size_t k = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (uidset_has(uids, m->messages[i].uid))
			count(m, &m->messages[i], false);
		else
			m->messages[k++] = m->messages[i];
	}
	m->n = k;
	touch(st, m, at, &m->expunged);
}

static bool apply_expunge(struct state *st, uint64_t at, struct view v)
{
	struct record_expunge r;
	struct uidset uids;
	struct mailbox *m = record_get_expunge(v, &r) ? state_by_id(st, r.mailbox) : NULL;
	if (!m || !uidset_get(r.uids, &uids))
		return false;
	expunge(st, m, &uids, at);
	uidset_fini(&uids);
	return true;
}

static bool copy(struct state *st, uint64_t at, const struct record_copy *r, struct mailbox *from, struct mailbox *to,
	const struct uidset *uids)
{
	size_t range = 0, end = from->n;
	uint64_t uid = r->uid;
	/* By index: the destination may be the source itself, whose array moves as it grows. */
	for (size_t i = 0; i < end;) {
		struct message *src = mailbox_next_in(from, uids, &range, &i);
		if (!src || i > end)
			break;
		struct message msg = *src;
		msg.uid = (uint32_t)uid++;
		msg.modseq = at;
		if (uid > UINT32_MAX || !add(to, &msg))
			return false;
	}
	touch(st, to, at, &to->added);
	return true;
}

static bool apply_copy(struct state *st, uint64_t at, struct view v)
{
	struct record_copy r;
	struct uidset uids;
	if (!record_get_copy(v, &r))
		return false;
	struct mailbox *from = state_by_id(st, r.from), *to = state_by_id(st, r.to);
	if (!from || !to || !fits32(r.uid) || !uidset_get(r.uids, &uids))
		return false;
	bool ok = copy(st, at, &r, from, to, &uids);
	if (ok && r.move)
		expunge(st, from, &uids, at);
	uidset_fini(&uids);
	return ok;
}

static bool apply_recent(struct state *st, uint64_t at, struct view v)
{
	struct record_recent r;
	(void)at;
	struct mailbox *m = record_get_recent(v, &r) ? state_by_id(st, r.mailbox) : NULL;
	if (!m || r.uid > m->uidnext)
		return false;
	if (r.uid > m->recent)
		m->recent = (uint32_t)r.uid;
	return true;
}

/* ---- contents that moved from incoming into the journal ---- */
struct moved {
	uint64_t from, to;
};

static int moved_cmp(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;
	return (x->from > y->from) - (x->from < y->from);
}

static void relocate(struct state *st, const struct moved *moved, size_t n)
{
	for (size_t i = 0; i < st->n; i++)
		for (size_t j = 0; j < st->mailboxes[i]->n; j++) {
			struct message *msg = &st->mailboxes[i]->messages[j];
			struct moved key = { .from = msg->position };
			const struct moved *m = msg->position & MESSAGE_OWN ? NULL : bsearch(&key, moved, n, sizeof key, moved_cmp);
			if (!m)
				continue;
			msg->position = m->to | MESSAGE_OWN;
			msg->offset = 0;
		}
}

static bool apply_relocate(struct state *st, uint64_t at, struct view v)
{
	struct record_relocate r;
	struct record_relocation one;
	struct moved moved[STORE_APPEND_MESSAGES_MAX];
	struct view item;
	size_t k = 0, n = record_get_relocate(v, &r) ? count_items(r.list) : 0;
	(void)at;
	if (n == 0 || n > st->ncontents)
		return false;
	const uint64_t *content = st->contents + st->ncontents - n;
	while (record_next_item(&r.list, &item)) {
		if (!record_get_relocation(item, &one))
			return false;
		if (!st->moved)
			st->moved = map64_new();
		(void)map64_set(st->moved, one.from, (void *)(uintptr_t)(*content + 1));
		moved[k++] = (struct moved){ one.from, *content++ };
	}
	qsort(moved, k, sizeof *moved, moved_cmp);
	relocate(st, moved, k);
	return r.list.p != NULL;
}

/* ---- checkpoints ---- */
static bool apply_account(struct state *st, uint64_t at, struct view v)
{
	struct record_account r;
	(void)at;
	if (!record_get_account(v, &r) || r.next_id < st->next_id || !fits32(r.next_id) || !fits32(r.uidvalidity))
		return false;
	st->next_id = (uint32_t)r.next_id;
	st->uidvalidity = (uint32_t)r.uidvalidity;
	st->incoming = r.incoming;
	st->back = r.back;
	return true;
}

static bool keep_one(struct mailbox *m, struct view item)
{
	struct record_message r;
	if (!record_get_message(item, &r) || !fits32(r.uid) || !fits32(r.size) || !fits32(r.offset) || r.position >= MESSAGE_OWN)
		return false;
	struct message msg = { .modseq = r.modseq, .keywords = r.keywords, .position = r.position | (r.own ? MESSAGE_OWN : 0), .date = r.date,
		.uid = (uint32_t)r.uid, .size = (uint32_t)r.size, .offset = (uint32_t)r.offset, .flags = r.flags & MAIL_FLAGS_ALL };
	return add(m, &msg);
}

static bool apply_kept(struct state *st, uint64_t at, struct view v)
{
	struct record_kept r;
	struct view item;
	bool ok = true;
	(void)at;
	struct mailbox *m = record_get_kept(v, &r) ? state_by_id(st, r.mailbox) : NULL;
	if (!m)
		return false;
	while (record_next_item(&r.list, &item))
		ok &= keep_one(m, item);
	if (!ok || !r.list.p || r.uidnext < m->uidnext || !fits32(r.uidnext) || r.recent > r.uidnext)
		return false;
	m->uidnext = (uint32_t)r.uidnext;
	m->recent = (uint32_t)r.recent;
	m->highestmodseq = m->added = m->flagged = m->expunged = r.highestmodseq;
	return true;
}

static bool apply_parts(struct state *shadow, uint64_t at, struct view list)
{
	struct view item;
	struct record_nested r;
	while (record_next_item(&list, &item))
		if (!record_get_nested(item, &r) || r.kind > UINT16_MAX || !apply(shadow, (unsigned)r.kind, at, r.payload, true))
			return false;
	return list.p != NULL;
}

/* The state becomes what the shadow is; the change counter goes on. */
static void adopt_shadow(struct state *st)
{
	struct state *shadow = st->shadow, old;
	st->shadow = NULL;
	shadow->moved = st->moved;
	st->moved = NULL;
	old = *st;
	*st = *shadow;
	st->changes = old.changes + 1;
	st->refused += old.refused;
	*shadow = old;
	state_free(shadow);
}

static void drop_shadow(struct state *st)
{
	state_free(st->shadow);
	st->shadow = NULL;
}

static bool apply_checkpoint(struct state *st, uint64_t at, struct view v, bool load)
{
	struct record_checkpoint r;
	if (!record_get_checkpoint(v, &r))
		return false;
	if (!load && r.part == 0 && r.records == st->records)
		return true;
	if (!load && r.part != 0 && !st->shadow)
		return true;
	if (r.part != 0 && (!st->shadow || r.part != st->shadow->parts)) { /* one before it was damaged */
		drop_shadow(st);
		return false;
	}
	if (r.part == 0) {
		drop_shadow(st);
		st->shadow = state_new();
	}
	if (!apply_parts(st->shadow, at, r.list)) {
		drop_shadow(st);
		return false;
	}
	st->shadow->parts++;
	st->shadow->records = r.records;
	if (r.last)
		adopt_shadow(st);
	return true;
}

/* A record of the journal, or (inside) of a checkpoint, where other kinds are allowed. */
static bool apply(struct state *st, unsigned kind, uint64_t at, struct view v, bool inside)
{
	if (inside != (kind == RECORD_kept || kind == RECORD_account) &&
		(!inside || (kind != RECORD_mailbox && kind != RECORD_subscribe && kind != RECORD_keyword)))
		return false;
	switch (kind) {
#define X(number, name)   \
	case RECORD_##name: \
		return apply_##name(st, at, v);
#define apply_checkpoint(st, at, v) false
		RECORD_TABLE(X)
#undef apply_checkpoint
#undef X
	default:
		return true; /* of a later version: passed over */
	}
}

static void note_content(struct state *st, uint64_t position)
{
	if (st->ncontents == STORE_APPEND_MESSAGES_MAX) /* none that we write has so many: the oldest go */
		memmove(st->contents, st->contents + 1, --st->ncontents * sizeof *st->contents);
	if (st->ncontents == st->contents_cap) {
		st->contents_cap = st->contents_cap ? st->contents_cap * 2 : 4;
		st->contents = mem_resize(st->contents, st->contents_cap * sizeof *st->contents);
	}
	st->contents[st->ncontents++] = position;
}

bool state_apply(struct state *st, unsigned kind, uint64_t position, struct view payload, bool load)
{
	bool ok = true;
	if (kind == RECORD_checkpoint) {
		ok = apply_checkpoint(st, position, payload, load);
	} else if (kind != RECORD_content) {
		drop_shadow(st);
		ok = apply(st, kind, position, payload, false);
		st->records++;
	}
	if (kind == RECORD_content)
		note_content(st, position);
	else
		st->ncontents = 0;
	st->refused += !ok;
	return ok;
}
