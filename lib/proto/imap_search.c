/* SPDX-License-Identifier: ISC */
#include "proto/imap_search.h"

#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/num.h"
#include "proto/charset.h"

enum argument { ARG_NONE, ARG_STRING, ARG_HEADER, ARG_DAY, ARG_NUMBER, ARG_ATOM, ARG_UIDS, ARG_KEY, ARG_TWO_KEYS, ARG_MODSEQ };

/* RFC 3501 6.4.4; text is the flag or header field that the key is short for. */
static const struct key {
	const char *name;
	enum imap_search_op op;
	enum argument argument;
	const char *text;
} keys[] = {
	{ "ALL", IMAP_SEARCH_ALL, ARG_NONE, NULL },
	{ "ANSWERED", IMAP_SEARCH_FLAG, ARG_NONE, "\\Answered" },
	{ "BCC", IMAP_SEARCH_HEADER, ARG_STRING, "bcc" },
	{ "BEFORE", IMAP_SEARCH_BEFORE, ARG_DAY, NULL },
	{ "BODY", IMAP_SEARCH_BODY, ARG_STRING, NULL },
	{ "CC", IMAP_SEARCH_HEADER, ARG_STRING, "cc" },
	{ "DELETED", IMAP_SEARCH_FLAG, ARG_NONE, "\\Deleted" },
	{ "DRAFT", IMAP_SEARCH_FLAG, ARG_NONE, "\\Draft" },
	{ "FLAGGED", IMAP_SEARCH_FLAG, ARG_NONE, "\\Flagged" },
	{ "FROM", IMAP_SEARCH_HEADER, ARG_STRING, "from" },
	{ "HEADER", IMAP_SEARCH_HEADER, ARG_HEADER, NULL },
	{ "KEYWORD", IMAP_SEARCH_FLAG, ARG_ATOM, NULL },
	{ "LARGER", IMAP_SEARCH_LARGER, ARG_NUMBER, NULL },
	{ "MODSEQ", IMAP_SEARCH_MODSEQ, ARG_MODSEQ, NULL },
	{ "NEW", IMAP_SEARCH_NEW, ARG_NONE, NULL },
	{ "NOT", IMAP_SEARCH_NOT, ARG_KEY, NULL },
	{ "OLD", IMAP_SEARCH_OLD, ARG_NONE, NULL },
	{ "OLDER", IMAP_SEARCH_OLDER, ARG_NUMBER, NULL },
	{ "ON", IMAP_SEARCH_ON, ARG_DAY, NULL },
	{ "OR", IMAP_SEARCH_OR, ARG_TWO_KEYS, NULL },
	{ "RECENT", IMAP_SEARCH_RECENT, ARG_NONE, NULL },
	{ "SEEN", IMAP_SEARCH_FLAG, ARG_NONE, "\\Seen" },
	{ "SENTBEFORE", IMAP_SEARCH_SENTBEFORE, ARG_DAY, NULL },
	{ "SENTON", IMAP_SEARCH_SENTON, ARG_DAY, NULL },
	{ "SENTSINCE", IMAP_SEARCH_SENTSINCE, ARG_DAY, NULL },
	{ "SINCE", IMAP_SEARCH_SINCE, ARG_DAY, NULL },
	{ "SMALLER", IMAP_SEARCH_SMALLER, ARG_NUMBER, NULL },
	{ "SUBJECT", IMAP_SEARCH_HEADER, ARG_STRING, "subject" },
	{ "TEXT", IMAP_SEARCH_TEXT, ARG_STRING, NULL },
	{ "TO", IMAP_SEARCH_HEADER, ARG_STRING, "to" },
	{ "UID", IMAP_SEARCH_UID, ARG_UIDS, NULL },
	{ "UNANSWERED", IMAP_SEARCH_UNFLAG, ARG_NONE, "\\Answered" },
	{ "UNDELETED", IMAP_SEARCH_UNFLAG, ARG_NONE, "\\Deleted" },
	{ "UNDRAFT", IMAP_SEARCH_UNFLAG, ARG_NONE, "\\Draft" },
	{ "UNFLAGGED", IMAP_SEARCH_UNFLAG, ARG_NONE, "\\Flagged" },
	{ "UNKEYWORD", IMAP_SEARCH_UNFLAG, ARG_ATOM, NULL },
	{ "UNSEEN", IMAP_SEARCH_UNFLAG, ARG_NONE, "\\Seen" },
	{ "YOUNGER", IMAP_SEARCH_YOUNGER, ARG_NUMBER, NULL },
};

struct parser {
	struct imap_text *t;
	struct imap_search *s;
	struct view charset;
	enum imap_search_result result;
};

static bool fail(struct parser *ps, enum imap_search_result r)
{
	if (ps->result == IMAP_SEARCH_OK)
		ps->result = r;
	return false;
}

/* A new node, the last child of parent. */
static bool node_add(struct parser *ps, enum imap_search_op op, uint32_t parent, uint32_t *out)
{
	struct imap_search *s = ps->s;
	if (s->n == IMAP_SEARCH_NODES_MAX)
		return fail(ps, IMAP_SEARCH_LIMIT);
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 16;
		s->node = mem_resize(s->node, s->room * sizeof(*s->node));
	}
	*out = (uint32_t)s->n++;
	s->node[*out] = (struct imap_search_node){ .op = op, .first = IMAP_SEARCH_NONE, .next = IMAP_SEARCH_NONE };
	if (parent != IMAP_SEARCH_NONE) {
		/* First in, last out: their order does not matter. */
		s->node[*out].next = s->node[parent].first;
		s->node[parent].first = *out;
	}
	return true;
}

static bool day(struct parser *ps, uint64_t *n)
{
	struct view v;
	struct date d;
	if (!imap_astring(ps->t, &v) || !date_get_imap_day(v, &d))
		return fail(ps, IMAP_SEARCH_BAD);
	*n = (uint64_t)(date_seconds(&d) / 86400);
	return true;
}

static bool string(struct parser *ps, struct view *text)
{
	struct view v;
	if (++ps->s->strings > IMAP_SEARCH_STRINGS_MAX)
		return fail(ps, IMAP_SEARCH_LIMIT);
	if (!imap_astring(ps->t, &v))
		return fail(ps, IMAP_SEARCH_BAD);
	struct buf utf8, folded;
	buf_init(&utf8, v.n * 3 + 1);
	buf_init(&folded, v.n * 9 + 1);
	charset_to_utf8(&utf8, ps->charset, v);
	utf8_fold(&folded, buf_view(&utf8));
	*text = arena_view(ps->t->arena, buf_view(&folded));
	buf_fini(&utf8);
	buf_fini(&folded);
	return true;
}

static bool set_of(struct parser *ps, struct view v, struct imap_set *set)
{
	return imap_set_parse(ps->t->arena, v, set) || fail(ps, IMAP_SEARCH_BAD);
}

static bool uids(struct parser *ps, struct imap_set *set)
{
	size_t begin = ps->t->at;
	while (memchr("0123456789:*,", imap_peek(ps->t), 13) != NULL)
		ps->t->at++;
	return set_of(ps, view_make(ps->t->in.p + begin, ps->t->at - begin), set);
}

/* RFC 7162 3.1.5: MODSEQ ["/flags/name" ("priv"/"shared"/"all")] number; the entry makes no difference here. */
static bool modseq(struct parser *ps, uint64_t *n)
{
	struct view v;
	if (imap_peek(ps->t) == '"' && (!imap_string(ps->t, &v) || !imap_space(ps->t) || !imap_atom(ps->t, &v) || !imap_space(ps->t)))
		return fail(ps, IMAP_SEARCH_BAD);
	ps->s->modseq = true;
	return imap_number64(ps->t, n) || fail(ps, IMAP_SEARCH_BAD);
}

static bool key(struct parser *ps, uint32_t parent, unsigned depth);

static bool space_and_key(struct parser *ps, uint32_t parent, unsigned depth)
{
	return imap_space(ps->t) ? key(ps, parent, depth) : fail(ps, IMAP_SEARCH_BAD);
}

static bool header_argument(struct parser *ps, uint32_t i)
{
	struct view name;
	if (!imap_astring(ps->t, &name) || !imap_space(ps->t))
		return fail(ps, IMAP_SEARCH_BAD);
	ps->s->node[i].name = name;
	return string(ps, &ps->s->node[i].text);
}

/* What stands behind a key's name and its blank. */
static bool argument(struct parser *ps, const struct key *k, uint32_t i, unsigned depth)
{
	struct imap_search_node *node = &ps->s->node[i];
	switch (k->argument) {
	case ARG_STRING:
		return string(ps, &node->text);
	case ARG_HEADER:
		return header_argument(ps, i);
	case ARG_DAY:
		return day(ps, &node->n);
	case ARG_NUMBER:
		return imap_number64(ps->t, &node->n) || fail(ps, IMAP_SEARCH_BAD);
	case ARG_MODSEQ:
		return modseq(ps, &node->n);
	case ARG_ATOM:
		return imap_atom(ps->t, &node->text) || fail(ps, IMAP_SEARCH_BAD);
	case ARG_UIDS:
		return uids(ps, &node->set);
	case ARG_KEY:
		return key(ps, i, depth + 1);
	case ARG_TWO_KEYS:
		return key(ps, i, depth + 1) && space_and_key(ps, i, depth + 1);
	case ARG_NONE:
		break;
	}
	return true;
}

static bool named_key(struct parser *ps, uint32_t parent, unsigned depth)
{
	struct view word;
	uint32_t i;
	if (!imap_atom(ps->t, &word))
		return fail(ps, IMAP_SEARCH_BAD);
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		if (!view_ieqs(word, keys[k].name))
			continue;
		if (!node_add(ps, keys[k].op, parent, &i))
			return false;
		if (keys[k].op == IMAP_SEARCH_HEADER)
			ps->s->node[i].name = view_of(keys[k].text);
		else
			ps->s->node[i].text = view_of(keys[k].text);
		if (keys[k].argument != ARG_NONE && !imap_space(ps->t))
			return fail(ps, IMAP_SEARCH_BAD);
		return argument(ps, &keys[k], i, depth);
	}
	return fail(ps, IMAP_SEARCH_BAD);
}

/* Keys with blanks between them. */
static bool key_list(struct parser *ps, uint32_t parent, unsigned depth)
{
	if (!key(ps, parent, depth))
		return false;
	while (imap_space(ps->t))
		if (!key(ps, parent, depth))
			return false;
	return true;
}

static bool key(struct parser *ps, uint32_t parent, unsigned depth)
{
	uint32_t i;
	if (depth > IMAP_SEARCH_DEPTH_MAX)
		return fail(ps, IMAP_SEARCH_BAD);
	char c = imap_peek(ps->t);
	if (imap_take(ps->t, '(')) {
		bool ok = node_add(ps, IMAP_SEARCH_AND, parent, &i) && key_list(ps, i, depth + 1);
		return ok && (imap_take(ps->t, ')') || fail(ps, IMAP_SEARCH_BAD));
	}
	if (ascii_isdigit(c) || c == '*')
		return node_add(ps, IMAP_SEARCH_SEQ, parent, &i) && uids(ps, &ps->s->node[i].set);
	return named_key(ps, parent, depth);
}

/* RFC 4731 3.1: RETURN (MIN MAX ALL COUNT); an empty list means ALL. */
static bool returns(struct parser *ps)
{
	static const char *const names[] = { "MIN", "MAX", "ALL", "COUNT" };
	if (!imap_space(ps->t) || !imap_take(ps->t, '('))
		return fail(ps, IMAP_SEARCH_BAD);
	while (!imap_take(ps->t, ')')) {
		unsigned bit = 0;
		for (unsigned i = 0; i < 4; i++)
			if (bit == 0 && imap_keyword(ps->t, names[i]))
				bit = 1U << i;
		if (bit == 0)
			return fail(ps, IMAP_SEARCH_BAD);
		ps->s->returns |= bit;
		imap_space(ps->t);
	}
	if (ps->s->returns == 0)
		ps->s->returns = IMAP_RETURN_ALL;
	return imap_space(ps->t) || fail(ps, IMAP_SEARCH_BAD);
}

static bool charset(struct parser *ps)
{
	struct view v;
	if (!imap_space(ps->t) || !imap_astring(ps->t, &v) || !imap_space(ps->t))
		return fail(ps, IMAP_SEARCH_BAD);
	if (!view_ieqs(v, "utf-8") && !view_ieqs(v, "us-ascii"))
		return fail(ps, IMAP_SEARCH_BADCHARSET);
	return true;
}

enum imap_search_result imap_search_parse(struct imap_text *t, struct imap_search *s)
{
	/* Without CHARSET it should be US-ASCII; UTF-8 holds that. */
	struct parser ps = { .t = t, .s = s, .charset = VIEW("utf-8") };
	uint32_t root;
	*s = (struct imap_search){ 0 };
	if (imap_keyword(t, "RETURN") && !returns(&ps))
		return ps.result;
	if (imap_keyword(t, "CHARSET") && !charset(&ps))
		return ps.result;
	if (node_add(&ps, IMAP_SEARCH_AND, IMAP_SEARCH_NONE, &root) && key_list(&ps, root, 1) && !imap_at_end(t))
		fail(&ps, IMAP_SEARCH_BAD);
	return ps.result;
}

void imap_search_fini(struct imap_search *s)
{
	free(s->node);
	*s = (struct imap_search){ 0 };
}

void imap_search_resolve(struct imap_search *s, uint32_t last_seq, uint32_t last_uid)
{
	for (size_t i = 0; i < s->n; i++)
		imap_set_resolve(&s->node[i].set, s->node[i].op == IMAP_SEARCH_UID ? last_uid : last_seq);
}
