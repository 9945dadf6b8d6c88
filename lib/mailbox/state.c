/* SPDX-License-Identifier: ISC */
#include "mailbox/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mailbox/mailbox.h"

struct state *state_new(void)
{
	struct state *st = mem_new(sizeof *st);
	st->next_id = 1;
	st->by_id = map64_new();
	return st;
}

static void mailbox_free(struct mailbox *m)
{
	free(m->name);
	free(m->messages);
	free(m);
}

void state_free(struct state *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->n; i++)
		mailbox_free(st->mailboxes[i]);
	for (size_t i = 0; i < st->nsubscriptions; i++)
		free(st->subscriptions[i]);
	for (unsigned i = 0; i < MAIL_KEYWORDS_MAX; i++)
		free(st->keywords[i]);
	free(st->mailboxes);
	map64_free(st->by_id);
	free(st->subscriptions);
	free(st->contents);
	if (st->moved)
		map64_free(st->moved);
	state_free(st->shadow);
	free(st);
}

bool mailbox_is_inbox(struct view name) { return view_ieq(name, VIEW("INBOX")); }

/* INBOX before everything else. */
static int name_cmp(struct view a, struct view b)
{
	bool ia = mailbox_is_inbox(a), ib = mailbox_is_inbox(b);
	if (ia || ib)
		return (int)ib - (int)ia;
	return view_cmp(a, b);
}

size_t state_name_at(const struct state *st, struct view name, bool *found)
{
	size_t lo = 0, hi = st->n;
	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = name_cmp(view_of(st->mailboxes[mid]->name), name);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct mailbox *state_by_name(const struct state *st, struct view name)
{
	bool found;
	size_t i = state_name_at(st, name, &found);
	return found ? st->mailboxes[i] : NULL;
}

struct mailbox *state_by_id(const struct state *st, uint64_t id) { return map64_get(st->by_id, id); }

int state_keyword(const struct state *st, struct view name)
{
	for (unsigned i = 0; i < st->nkeywords; i++)
		if (st->keywords[i] && view_ieqs(name, st->keywords[i]))
			return (int)i;
	return -1;
}

bool state_keyword_valid(struct view name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((uint8_t)name.p[i] <= ' ' || name.p[i] == 0x7f)
			return false;
	return name.n > 0 && name.n <= MAIL_KEYWORD_LENGTH_MAX;
}

size_t state_subscription_at(const struct state *st, struct view name, bool *found)
{
	size_t i = 0;
	*found = false;
	for (; i < st->nsubscriptions; i++) {
		int c = name_cmp(view_of(st->subscriptions[i]), name);
		*found = c == 0;
		if (c >= 0)
			break;
	}
	return i;
}

static bool is_below(struct view name, struct view parent)
{
	return name.n > parent.n && name.p[parent.n] == MAILBOX_SEPARATOR && view_eq(view_head(name, parent.n), parent);
}

struct mailbox *state_next_child(const struct state *st, struct view name, size_t *i)
{
	while (*i < st->n) {
		struct mailbox *m = st->mailboxes[(*i)++];
		if (is_below(view_of(m->name), name))
			return m;
	}
	return NULL;
}

int state_children_fit(const struct state *st, struct view from, struct view to)
{
	struct mailbox *m;
	size_t i = 0;
	while ((m = state_next_child(st, from, &i))) {
		struct buf name;
		buf_init(&name, MAILBOX_NAME_MAX);
		buf_addv(&name, to);
		buf_addv(&name, view_skip(view_of(m->name), from.n));
		bool valid = buf_ok(&name) && mailbox_name_valid(buf_view(&name));
		bool taken = valid && state_by_name(st, buf_view(&name));
		buf_fini(&name);
		if (!valid || taken)
			return valid ? ERR_EXISTS : ERR_INVALID;
	}
	return ERR_OK;
}

size_t mailbox_lower(const struct mailbox *m, uint32_t uid)
{
	size_t lo = 0, hi = m->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->messages[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct message *mailbox_find(const struct mailbox *m, uint32_t uid)
{
	size_t i = mailbox_lower(m, uid);
	return i < m->n && m->messages[i].uid == uid ? &m->messages[i] : NULL;
}

struct message *mailbox_next_in(const struct mailbox *m, const struct uidset *uids, size_t *range, size_t *at)
{
	while (*at < m->n && *range < uids->n) {
		struct message *msg = &m->messages[*at];
		const struct uid_range *r = &uids->ranges[*range];
		if (msg->uid > r->last) {
			++*range;
		} else if (msg->uid < r->first) {
			*at = mailbox_lower(m, r->first);
		} else {
			++*at;
			return msg;
		}
	}
	return NULL;
}

bool mailbox_show(struct mailbox *m, uint64_t durable)
{
	uint32_t before = m->shown_next;
	if (before == m->uidnext)
		return false;
	size_t i = mailbox_lower(m, before);
	while (i < m->n && m->messages[i].modseq < durable)
		m->shown_next = m->messages[i++].uid + 1;
	if (i == m->n && m->added < durable)
		m->shown_next = m->uidnext;
	return m->shown_next != before;
}

static bool message_same(const struct message *a, const struct message *b)
{
	return a->uid == b->uid && a->flags == b->flags && a->keywords == b->keywords && a->modseq == b->modseq && a->date == b->date &&
		a->position == b->position && a->offset == b->offset && a->size == b->size;
}

static bool mailbox_same(const struct mailbox *a, const struct mailbox *b)
{
	if (strcmp(a->name, b->name) != 0 || a->id != b->id || a->uidvalidity != b->uidvalidity || a->uidnext != b->uidnext || a->uses != b->uses ||
		a->n != b->n || a->unseen != b->unseen || a->deleted != b->deleted || a->size != b->size || a->highestmodseq != b->highestmodseq)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!message_same(&a->messages[i], &b->messages[i]))
			return false;
	return true;
}

static bool texts_same(char *const *a, char *const *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

bool state_same(const struct state *a, const struct state *b)
{
	if (a->n != b->n || a->nsubscriptions != b->nsubscriptions || a->nkeywords != b->nkeywords || a->next_id != b->next_id ||
		a->uidvalidity != b->uidvalidity || a->incoming != b->incoming || a->back != b->back || a->records != b->records)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!mailbox_same(a->mailboxes[i], b->mailboxes[i]))
			return false;
	return texts_same(a->subscriptions, b->subscriptions, a->nsubscriptions) && texts_same(a->keywords, b->keywords, a->nkeywords);
}

uint64_t state_octets(const struct state *st)
{
	uint64_t octets = 0;
	for (size_t i = 0; i < st->n; i++)
		octets += st->mailboxes[i]->size;
	return octets;
}

static int content_cmp(const void *a, const void *b)
{
	const struct content *x = a, *y = b;
	return (x->position > y->position) - (x->position < y->position);
}

static size_t unique(struct content *p, size_t n)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if (i == 0 || p[i].position != p[k - 1].position)
			p[k++] = p[i];
	return k;
}

struct content *state_contents(const struct state *st, bool own, size_t *n)
{
	size_t total = 0, k = 0;
	for (size_t i = 0; i < st->n; i++)
		total += st->mailboxes[i]->n;
	struct content *p = mem_array(total ? total : 1, sizeof *p);
	for (size_t i = 0; i < st->n; i++)
		for (size_t j = 0; j < st->mailboxes[i]->n; j++) {
			const struct message *m = &st->mailboxes[i]->messages[j];
			if (((m->position & MESSAGE_OWN) != 0) == own)
				p[k++] = (struct content){ m->position & ~MESSAGE_OWN, m->size, m->offset };
		}
	qsort(p, k, sizeof *p, content_cmp);
	*n = unique(p, k);
	return p;
}
