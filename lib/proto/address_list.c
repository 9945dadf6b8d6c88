/* SPDX-License-Identifier: ISC */
/*
 * A scanner of words: an addr-spec in the open ("a.b@c"), or in angle brackets behind a phrase. Words before the brackets are a display name. A
 * bare word run that ends at a comma must itself be an addr-spec.
 */
#include "proto/address_list.h"

#include <string.h>

/* Nested comments beyond this are no mail that anybody wrote. */
enum { COMMENT_DEPTH = 16 };

struct scan {
	struct view in;
	size_t at;
	address_fn *fn;
	void *arg;
	size_t count;
	bool group; /* inside "name: … ;" */
};

static bool more(const struct scan *s)
{
	return s->at < s->in.n;
}

static bool skip_comment(struct scan *s)
{
	int depth = 0;

	for (; more(s); s->at++) {
		char c = s->in.p[s->at];
		if (c == '\\')
			s->at++;
		else if (c == '(' && ++depth > COMMENT_DEPTH)
			return false;
		else if (c == ')' && --depth == 0) {
			s->at++;
			return true;
		}
	}
	return false;
}

/* RFC 5322 3.2.2 CFWS. */
static bool skip_blank(struct scan *s)
{
	while (more(s)) {
		char c = s->in.p[s->at];
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			s->at++;
		else if (c != '(')
			return true;
		else if (!skip_comment(s))
			return false;
	}
	return true;
}

/* A quoted string from its first quote to its last. */
static bool skip_quoted(struct scan *s)
{
	for (s->at++; more(s); s->at++) {
		char c = s->in.p[s->at];
		if (c == '\\')
			s->at++;
		else if (c == '"') {
			s->at++;
			return true;
		}
	}
	return false;
}

/* One word: a quoted string, a literal, or a run of octets that are no specials but "." and "@". */
static bool take_word(struct scan *s, struct view *word)
{
	size_t from = s->at;

	if (s->in.p[s->at] == '"') {
		if (!skip_quoted(s))
			return false;
	} else {
		while (more(s) && !strchr("()<>:;,\"\\ \t\r\n", s->in.p[s->at]) && s->in.p[s->at])
			s->at++;
	}
	*word = view_make(s->in.p + from, s->at - from);
	return word->n > 0;
}

static bool give(struct scan *s, struct view spec)
{
	struct address a;

	if (!address_mailbox(spec, ADDRESS_UTF8, &a))
		return false;
	s->count++;
	return s->fn(s->arg, &a);
}

/* The addr-spec in spec, which may hold the blanks and comments of RFC 5322 4.4 no more: the text up to ">" must be one address. */
static bool angle(struct scan *s)
{
	size_t from = ++s->at;

	while (more(s) && s->in.p[s->at] != '>') {
		if (s->in.p[s->at] != '"')
			s->at++;
		else if (!skip_quoted(s))
			return false;
	}
	if (!more(s))
		return false;
	struct view spec = view_trim(view_make(s->in.p + from, s->at - from));
	s->at++;
	return give(s, spec);
}

/* The text of an open addr-spec: words that touch each other ("a b"@c, where the local part is quoted). */
static bool take_run(struct scan *s, struct view *run, unsigned *words)
{
	struct view word;
	bool touching = true;

	for (*words = 0; more(s) && !strchr("<>:;,", s->in.p[s->at]); (*words)++) {
		size_t from = s->at;
		if (!take_word(s, &word))
			return false;
		if (!*words)
			*run = word;
		else if (touching)
			*run = view_make(run->p, (size_t)(word.p + word.n - run->p)), (*words)--;
		size_t end = s->at;
		if (!skip_blank(s))
			return false;
		touching = s->at == end && from < end;
	}
	return true;
}

static bool end_of_mailbox(struct scan *s)
{
	if (!skip_blank(s))
		return false;
	return !more(s) || s->in.p[s->at] == ',' || (s->in.p[s->at] == ';' && s->group);
}

static bool mailbox(struct scan *s)
{
	struct view run = VIEW_NONE;
	unsigned words = 0;

	if (!take_run(s, &run, &words))
		return false;
	if (more(s) && s->in.p[s->at] == ':' && !s->group && words) {
		s->at++;
		s->group = true;
		return true;
	}
	if (more(s) && s->in.p[s->at] == '<')
		return angle(s) && end_of_mailbox(s);
	return words == 1 && give(s, run) && end_of_mailbox(s);
}

bool address_list_each(struct view value, address_fn *fn, void *arg, size_t *count)
{
	struct scan s = { .in = value, .fn = fn, .arg = arg };
	bool ok = skip_blank(&s);

	while (ok && more(&s)) {
		char c = s.in.p[s.at];
		if (c == ',' || (c == ';' && s.group)) {
			s.group = s.group && c != ';';
			s.at++;
		} else {
			ok = mailbox(&s);
		}
		ok = ok && skip_blank(&s);
	}
	if (count)
		*count = s.count;
	return ok && !s.group;
}
