/* SPDX-License-Identifier: ISC */
/* LIST with the extensions of RFC 5258, RFC 5819, RFC 6154; LSUB. A job: it walks mailboxes or subscriptions in the order of names. */
#include "session.h"

#include <stdlib.h>

#include "proto/imap_name.h"
#include "proto/imap_put.h"

#define PATTERNS_MAX 16

enum { OPT_SUBSCRIBED = 1, OPT_RECURSIVE = 2, OPT_SPECIAL = 4, OPT_REMOTE = 8, OPT_CHILDREN = 16, OPT_STATUS = 32 };

static const struct option {
	const char *name;
	unsigned bit;
} select_options[] = {
	{ "SUBSCRIBED", OPT_SUBSCRIBED },
	{ "RECURSIVEMATCH", OPT_RECURSIVE },
	{ "SPECIAL-USE", OPT_SPECIAL },
	{ "REMOTE", OPT_REMOTE },
	{ NULL, 0 },
}, return_options[] = {
	{ "SUBSCRIBED", OPT_SUBSCRIBED },
	{ "CHILDREN", OPT_CHILDREN },
	{ "SPECIAL-USE", OPT_SPECIAL },
	{ "STATUS", OPT_STATUS },
	{ NULL, 0 },
};

struct list_job {
	bool lsub;
	unsigned selects, returns, status;
	struct imap_pattern pattern[PATTERNS_MAX];
	size_t npatterns;
	size_t next;         /* in the source */
	struct buf previous; /* the name before, for parents that were seen already */
	struct buf wire;
};

static void list_free(void *arg)
{
	struct list_job *j = arg;
	buf_fini(&j->previous);
	buf_fini(&j->wire);
	free(j);
}

static bool by_subscription(const struct list_job *j)
{
	return j->lsub || (j->selects & OPT_SUBSCRIBED);
}

static bool matches(struct list_job *j, struct view name)
{
	buf_reset(&j->wire);
	imap_name_encode(&j->wire, name);
	for (size_t i = 0; i < j->npatterns; i++)
		if (imap_pattern_match(&j->pattern[i], buf_view(&j->wire)))
			return true;
	return false;
}

static void put_attribute(struct buf *b, bool *first, const char *text)
{
	buf_printf(b, "%s%s", *first ? "" : " ", text);
	*first = false;
}

static void put_uses(struct buf *b, bool *first, unsigned uses)
{
#define X(name, bit, text)                     \
	if (uses & (bit))                      \
		put_attribute(b, first, text);
	MAILBOX_USE_TABLE(X)
#undef X
}

static bool below(struct view name, struct view parent)
{
	return name.n > parent.n && name.p[parent.n] == MAILBOX_SEPARATOR && view_starts(name, parent);
}

static bool subscribed_below(const struct store *st, struct view name)
{
	size_t n = store_subscription_count(st);
	for (size_t i = 0; i < n; i++)
		if (below(view_of(store_subscription(st, i)), name))
			return true;
	return false;
}

/* One line; implied: the name is there only because of what is below it. */
static void put_entry(struct session *s, struct list_job *j, struct view name, bool implied)
{
	struct store *st = s->imapd->store;
	struct mailbox *m = store_mailbox(st, name);
	struct buf *b = &s->out;
	bool first = true;
	buf_adds(b, j->lsub ? "* LSUB (" : "* LIST (");
	if (m == NULL || (implied && j->lsub))
		put_attribute(b, &first, j->lsub ? "\\Noselect" : "\\NonExistent \\Noselect");
	if (!j->lsub) {
		bool children = m ? mailbox_has_children(st, m) : implied;
		put_attribute(b, &first, children ? "\\HasChildren" : "\\HasNoChildren");
		put_uses(b, &first, m ? mailbox_uses(m) : 0);
		if (((j->selects | j->returns) & OPT_SUBSCRIBED) && store_subscribed(st, name))
			put_attribute(b, &first, "\\Subscribed");
	}
	buf_adds(b, ") \"/\" ");
	imap_put_mailbox(b, name);
	if ((j->selects & OPT_RECURSIVE) && subscribed_below(st, name))
		buf_adds(b, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_adds(b, "\r\n");
	if (m && (j->returns & OPT_STATUS))
		put_status(s, name, m, j->status);
}

/* Is a parent shown that is not in the source itself? */
static bool shows_parent(struct session *s, const struct list_job *j, struct view parent, bool child_matches)
{
	struct store *st = s->imapd->store;
	if (j->lsub) /* RFC 3501 6.3.9: for "%" alone */
		return !child_matches && !store_subscribed(st, parent);
	if (j->selects & OPT_SUBSCRIBED)
		return (j->selects & OPT_RECURSIVE) && !store_subscribed(st, parent);
	return (j->selects & OPT_SPECIAL) == 0 && store_mailbox(st, parent) == NULL;
}

static void put_parents(struct session *s, struct list_job *j, struct view name, bool child_matches)
{
	for (size_t i = 1; i < name.n; i++) {
		struct view parent = view_head(name, i);
		if (name.p[i] != MAILBOX_SEPARATOR || below(buf_view(&j->previous), parent))
			continue;
		if (shows_parent(s, j, parent, child_matches) && matches(j, parent))
			put_entry(s, j, parent, true);
	}
}

/* The next name of the source, copied: the store may not keep it. */
static bool next_name(struct session *s, struct list_job *j, struct buf *name)
{
	struct store *st = s->imapd->store;
	size_t count = by_subscription(j) ? store_subscription_count(st) : store_mailbox_count(st);
	if (j->next >= count)
		return false;
	buf_reset(name);
	buf_adds(name, by_subscription(j) ? store_subscription(st, j->next) : mailbox_name(store_mailbox_at(st, j->next)));
	j->next++;
	return true;
}

static bool is_selected(struct session *s, const struct list_job *j, struct view name)
{
	if ((j->selects & OPT_SPECIAL) == 0)
		return true;
	struct mailbox *m = store_mailbox(s->imapd->store, name);
	return m != NULL && mailbox_uses(m) != 0;
}

static void list_step(struct session *s)
{
	struct list_job *j = s->job;
	uint64_t end = session_slice_end();
	struct buf name;
	bool more = true;
	buf_init(&name, MAILBOX_NAME_MAX);
	while (more && !session_slice_over(s, end) && (more = next_name(s, j, &name))) {
		bool match = matches(j, buf_view(&name));
		put_parents(s, j, buf_view(&name), match);
		if (match && is_selected(s, j, buf_view(&name)))
			put_entry(s, j, buf_view(&name), false);
		buf_reset(&j->previous);
		buf_addv(&j->previous, buf_view(&name));
	}
	buf_fini(&name);
	if (!more)
		session_ok(s, "That is the list");
}

static void list_ready(struct session *s)
{
	struct list_job *j = s->job;
	session_job(s, list_step, j, list_free);
}

/* Options up to ")"; one that has arguments is read by `extra`. */
static bool options(struct session *s, const struct option *table, unsigned *bits, unsigned *status)
{
	struct imap_text *t = &s->text;
	while (!imap_take(t, ')')) {
		const struct option *o = table;
		while (o->name && !imap_keyword(t, o->name))
			o++;
		if (o->name == NULL) {
			session_bad(s, "There is no such option of LIST");
			return false;
		}
		*bits |= o->bit;
		if (o->bit == OPT_STATUS && (!args_space(s) || !status_items(s, status)))
			return false;
		imap_space(t);
	}
	return true;
}

/* RFC 5258 3: RECURSIVEMATCH asks for parents of what another option selects, and alone makes no sense. */
static bool selects_make_sense(struct session *s, unsigned bits)
{
	if ((bits & ~(unsigned)OPT_REMOTE) != OPT_RECURSIVE)
		return true;
	session_bad(s, "RECURSIVEMATCH needs another selection option");
	return false;
}

static bool pattern_add(struct session *s, struct list_job *j, struct view reference, bool *root)
{
	struct view v;
	if (j->npatterns == PATTERNS_MAX || !imap_list_mailbox(&s->text, &v))
		return false;
	*root = v.n == 0 && j->npatterns == 0;
	if (imap_pattern_make(&j->pattern[j->npatterns], reference, v))
		j->npatterns++;
	return true;
}

/* SP reference SP pattern, or in LIST a list of them. */
static bool patterns(struct session *s, struct list_job *j, bool *root)
{
	struct imap_text *t = &s->text;
	struct view reference;
	if (!imap_astring(t, &reference) || !imap_space(t))
		return false;
	if (j->lsub || !imap_take(t, '('))
		return pattern_add(s, j, reference, root);
	do
		if (!pattern_add(s, j, reference, root))
			return false;
	while (imap_space(t));
	return imap_take(t, ')');
}

static bool returns(struct session *s, struct list_job *j)
{
	struct imap_text *t = &s->text;
	if (j->lsub || imap_at_end(t))
		return args_end(s);
	if (!imap_space(t) || !imap_keyword(t, "RETURN") || !imap_space(t) || !imap_take(t, '(')) {
		session_bad(s, "There is more in the command than it takes");
		return false;
	}
	return options(s, return_options, &j->returns, &j->status) && args_end(s);
}

static void list(struct session *s, bool lsub)
{
	struct list_job *j = mem_new(sizeof(*j));
	bool root = false;
	j->lsub = lsub;
	buf_init(&j->previous, MAILBOX_NAME_MAX);
	buf_init(&j->wire, MAILBOX_NAME_MAX * 8);
	s->job = j;
	s->job_free = list_free;
	if (!args_space(s))
		return;
	if (!lsub && imap_take(&s->text, '(') &&
		(!options(s, select_options, &j->selects, &j->status) || !selects_make_sense(s, j->selects) || !args_space(s)))
		return;
	if (!patterns(s, j, &root)) {
		session_bad(s, "LIST takes a reference and a pattern");
		return;
	}
	if (!returns(s, j))
		return;
	if (root && !lsub) {
		/* RFC 3501 6.3.8: an empty pattern asks for the separator. */
		buf_adds(&s->out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		session_ok(s, "That is the separator");
		return;
	}
	int err = store_refresh(s->imapd->store);
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, list_ready);
}

void cmd_list(struct session *s)
{
	list(s, false);
}

void cmd_lsub(struct session *s)
{
	list(s, true);
}
