/* SPDX-License-Identifier: ISC */
/* Mailboxes, subscriptions and keywords: by name. */
#include <string.h>

#include "base/mem.h"
#include "mailbox/records.h"
#include "mailbox/store.h"
#include "sys/clock.h"

/* ---- names ---- */
/* The length of the UTF-8 sequence that v begins with (RFC 3629 4), 0 where it is malformed. */
static size_t utf8_length(struct view v)
{
	uint8_t c = (uint8_t)v.p[0], d = v.n > 1 ? (uint8_t)v.p[1] : 0;
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	if (n > v.n || (c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((uint8_t)v.p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static bool level_valid(struct view level)
{
	if (level.n == 0 || view_eqs(level, ".") || view_eqs(level, ".."))
		return false;
	while (level.n) {
		uint8_t c = (uint8_t)level.p[0];
		size_t n = utf8_length(level);
		bool c1 = c == 0xc2 && n == 2 && (uint8_t)level.p[1] < 0xa0; /* C1 controls */
		if (n == 0 || c < 0x20 || c == 0x7f || c == '%' || c == '*' || c1)
			return false;
		level = view_skip(level, n);
	}
	return true;
}

bool mailbox_name_valid(struct view name)
{
	struct view level;
	unsigned depth = 0;
	if (name.n == 0 || name.n > MAILBOX_NAME_MAX)
		return false;
	while (view_cut(&name, MAILBOX_SEPARATOR, &level))
		if (!level_valid(level) || ++depth > MAILBOX_DEPTH_MAX)
			return false;
	return true;
}

struct mailbox *store_mailbox(struct store *s, struct view name) { return state_by_name(s->st, name); }
size_t store_mailbox_count(const struct store *s) { return s->st->n; }
struct mailbox *store_mailbox_at(struct store *s, size_t i) { return s->st->mailboxes[i]; }
const char *mailbox_name(const struct mailbox *m) { return m->name; }
uint32_t mailbox_id(const struct mailbox *m) { return m->id; }
unsigned mailbox_uses(const struct mailbox *m) { return m->uses; }

bool mailbox_has_children(const struct store *s, const struct mailbox *m)
{
	const struct state *st = s->st;
	struct view name = view_of(m->name);
	char below[MAILBOX_NAME_MAX + 1];
	size_t i = 0;
	bool found;
	/* INBOX, in any case, stands apart from the order of names. */
	if (mailbox_is_inbox(name) || name.n >= MAILBOX_NAME_MAX)
		return state_next_child(st, name, &i) != NULL;
	memcpy(below, name.p, name.n);
	below[name.n] = MAILBOX_SEPARATOR;
	struct view prefix = view_make(below, name.n + 1);
	i = state_name_at(st, prefix, &found);
	return i < st->n && view_starts(view_of(st->mailboxes[i]->name), prefix);
}

void mailbox_status(const struct mailbox *m, struct mailbox_status *st)
{
	*st = (struct mailbox_status){ .uidvalidity = m->uidvalidity, .uidnext = m->shown_next, .messages = (uint32_t)m->n, .unseen = m->unseen,
		.deleted = m->deleted, .size = m->size, .highestmodseq = m->highestmodseq };
	st->recent = m->recent < m->shown_next ? (uint32_t)(mailbox_lower(m, m->shown_next) - mailbox_lower(m, m->recent)) : 0;
	/* What is not durable yet is not there yet. */
	for (size_t i = m->n; i > 0 && m->messages[i - 1].uid >= m->shown_next; i--) {
		st->messages--;
		st->unseen -= !(m->messages[i - 1].flags & MAIL_SEEN);
		st->deleted -= (m->messages[i - 1].flags & MAIL_DELETED) != 0;
		st->size -= m->messages[i - 1].size;
	}
}

/* ---- create ---- */
struct creation {
	struct view name;
	unsigned uses;
};

uint64_t store_fresh_uidvalidity(const struct store *s)
{
	uint64_t now = (uint64_t)clock_wall(NULL);
	return now > s->st->uidvalidity && now <= UINT32_MAX ? now : (uint64_t)s->st->uidvalidity + 1;
}

static void add_mailbox(struct store *s, struct batch *b, struct view name, unsigned uses, unsigned *count)
{
	BATCH_ADD(b, mailbox, .id = s->st->next_id + *count, .uidvalidity = store_fresh_uidvalidity(s) + *count, .uses = uses, .name = name);
	++*count;
}

/* The levels above name that do not exist (RFC 3501 6.3.3: SHOULD), then itself. */
static int add_levels(struct store *s, struct batch *b, struct view name, unsigned uses, unsigned *count)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == MAILBOX_SEPARATOR && !state_by_name(s->st, view_head(name, i)))
			add_mailbox(s, b, view_head(name, i), 0, count);
	add_mailbox(s, b, name, uses, count);
	return s->st->n + *count > MAILBOX_COUNT_MAX ? ERR_LIMIT : ERR_OK;
}

static int build_create(struct store *s, void *request, struct batch *b)
{
	const struct creation *c = request;
	unsigned count = 0;
	if (!mailbox_name_valid(c->name))
		return ERR_INVALID;
	if (state_by_name(s->st, c->name))
		return ERR_EXISTS;
	return add_levels(s, b, c->name, c->uses, &count);
}

int store_create(struct store *s, struct view name, unsigned uses)
{
	struct creation c = { name, uses };
	return store_commit(s, build_create, &c);
}

/* ---- new UIDVALIDITYs ---- */
static int build_renewal(struct store *s, void *request, struct batch *b)
{
	const uint32_t *above = request;
	uint64_t first = store_fresh_uidvalidity(s);
	if (first <= *above)
		first = (uint64_t)*above + 1;
	for (size_t i = 0; i < s->st->n; i++)
		BATCH_ADD(b, uidvalidity, .mailbox = s->st->mailboxes[i]->id, .uidvalidity = first + i);
	return ERR_OK;
}

int store_renew(struct store *s, uint32_t above) { return store_commit(s, build_renewal, &above); }

/* ---- delete ---- */
static int build_delete(struct store *s, void *request, struct batch *b)
{
	const struct view *name = request;
	const struct mailbox *m = state_by_name(s->st, *name);
	if (!m)
		return ERR_NOT_FOUND;
	if (mailbox_is_inbox(*name))
		return ERR_DENIED;
	BATCH_ADD(b, remove, .id = m->id);
	return ERR_OK;
}

int store_delete(struct store *s, struct view name) { return store_commit(s, build_delete, &name); }

/* ---- rename ---- */
struct renaming {
	struct view from, to;
};

/* The messages go to a new mailbox; INBOX and what is below it stay. */
static int rename_inbox(struct store *s, const struct renaming *r, struct batch *b)
{
	const struct mailbox *inbox = state_by_name(s->st, VIEW("INBOX"));
	struct uidset all = { 0 };
	struct buf uids;
	unsigned count = 0;
	int err = add_levels(s, b, r->to, 0, &count);
	if (err != ERR_OK || inbox->n == 0)
		return err;
	buf_init(&uids, 64);
	uidset_add_range(&all, 1, inbox->uidnext - 1);
	uidset_put(&uids, &all);
	BATCH_ADD(b, copy, .from = inbox->id, .to = s->st->next_id + count - 1, .move = 1, .uid = 1, .uids = buf_view(&uids));
	buf_fini(&uids);
	uidset_fini(&all);
	return ERR_OK;
}

static int rename_other(struct store *s, const struct renaming *r, struct batch *b)
{
	unsigned count = 0;
	int err = state_children_fit(s->st, r->from, r->to);
	if (err != ERR_OK)
		return err;
	for (size_t i = 0; i < r->to.n; i++)
		if (r->to.p[i] == MAILBOX_SEPARATOR && !state_by_name(s->st, view_head(r->to, i)))
			add_mailbox(s, b, view_head(r->to, i), 0, &count);
	BATCH_ADD(b, rename, .from = r->from, .to = r->to);
	return s->st->n + count > MAILBOX_COUNT_MAX ? ERR_LIMIT : ERR_OK;
}

static bool is_into_itself(const struct renaming *r)
{
	return view_starts(r->to, r->from) && r->to.n > r->from.n && r->to.p[r->from.n] == MAILBOX_SEPARATOR;
}

static int build_rename(struct store *s, void *request, struct batch *b)
{
	const struct renaming *r = request;
	bool inbox = mailbox_is_inbox(r->from);
	if (!mailbox_name_valid(r->to) || (!inbox && is_into_itself(r)))
		return ERR_INVALID;
	if (!state_by_name(s->st, r->from))
		return ERR_NOT_FOUND;
	if (state_by_name(s->st, r->to))
		return ERR_EXISTS;
	return inbox ? rename_inbox(s, r, b) : rename_other(s, r, b);
}

int store_rename(struct store *s, struct view from, struct view to)
{
	struct renaming r = { from, to };
	return store_commit(s, build_rename, &r);
}

/* ---- subscriptions ---- */
struct subscription {
	struct view name;
	bool on;
};

static int build_subscribe(struct store *s, void *request, struct batch *b)
{
	const struct subscription *r = request;
	if (!mailbox_name_valid(r->name))
		return ERR_INVALID;
	if (store_subscribed(s, r->name) == r->on)
		return ERR_OK;
	if (r->on && s->st->nsubscriptions >= MAILBOX_COUNT_MAX)
		return ERR_LIMIT;
	BATCH_ADD(b, subscribe, .on = r->on, .name = r->name);
	return ERR_OK;
}

int store_subscribe(struct store *s, struct view name, bool on)
{
	struct subscription r = { name, on };
	return store_commit(s, build_subscribe, &r);
}

bool store_subscribed(const struct store *s, struct view name)
{
	bool found;
	(void)state_subscription_at(s->st, name, &found);
	return found;
}

size_t store_subscription_count(const struct store *s) { return s->st->nsubscriptions; }
const char *store_subscription(const struct store *s, size_t i) { return s->st->subscriptions[i]; }

/* ---- keywords ---- */
unsigned store_keyword_count(const struct store *s) { return s->st->nkeywords; }
const char *store_keyword(const struct store *s, unsigned i) { return s->st->keywords[i]; }
int store_keyword_find(const struct store *s, struct view name) { return state_keyword(s->st, name); }

static int build_keyword(struct store *s, void *request, struct batch *b)
{
	const struct view *name = request;
	if (!state_keyword_valid(*name))
		return name->n > MAIL_KEYWORD_LENGTH_MAX ? ERR_TOO_BIG : ERR_INVALID;
	if (state_keyword(s->st, *name) >= 0)
		return ERR_OK;
	if (s->st->nkeywords == MAIL_KEYWORDS_MAX)
		return ERR_LIMIT;
	BATCH_ADD(b, keyword, .bit = s->st->nkeywords, .name = *name);
	return ERR_OK;
}

int store_keyword_add(struct store *s, struct view name, unsigned *bit)
{
	int err = ERR_OK, at = state_keyword(s->st, name);
	if (at < 0) {
		err = store_commit(s, build_keyword, &name);
		at = state_keyword(s->st, name);
	}
	if (err == ERR_OK)
		*bit = (unsigned)at;
	return err;
}
