/* SPDX-License-Identifier: ISC */
#include "proto/addrlist.h"

#include <string.h>

void addr_list_init(struct addr_list *l, struct view raw)
{
	*l = (struct addr_list){ .in = raw };
	buf_init(&l->name, ADDR_PART_MAX);
	buf_init(&l->route, ADDR_PART_MAX);
	buf_init(&l->local, ADDR_PART_MAX);
	buf_init(&l->domain, ADDR_PART_MAX);
	buf_init(&l->comment, ADDR_PART_MAX);
}

void addr_list_fini(struct addr_list *l)
{
	buf_fini(&l->name);
	buf_fini(&l->route);
	buf_fini(&l->local);
	buf_fini(&l->domain);
	buf_fini(&l->comment);
}

static bool at_end(const struct addr_list *l)
{
	return l->at >= l->in.n;
}

static char peek(const struct addr_list *l)
{
	return at_end(l) ? '\0' : l->in.p[l->at];
}

/* The octet here with a quoted pair undone; goes behind it. */
static char unescape(struct addr_list *l)
{
	if (peek(l) == '\\' && l->at + 1 < l->in.n)
		l->at++;
	return l->in.p[l->at++];
}

static void put(struct buf *b, char c)
{
	if (c != '\r' && c != '\n')
		buf_addc(b, c);
}

/* The last comment is kept: "user@host (Real Name)" is how old programs give a name. */
static void take_comment(struct addr_list *l)
{
	size_t depth = 1;
	buf_reset(&l->comment);
	l->at++;
	while (!at_end(l)) {
		bool escaped = peek(l) == '\\';
		char c = unescape(l);
		if (!escaped && c == '(')
			depth++;
		else if (!escaped && c == ')' && --depth == 0)
			return;
		put(&l->comment, c);
	}
}

static void skip_cfws(struct addr_list *l)
{
	while (!at_end(l)) {
		if (peek(l) == '(')
			take_comment(l);
		else if (ascii_isspace(peek(l)))
			l->at++;
		else
			return;
	}
}

static bool is_special(char c)
{
	return memchr("()<>[]:;@,\"", c, 11) != NULL;
}

static void take_quoted(struct addr_list *l, struct buf *out)
{
	l->at++;
	while (!at_end(l) && peek(l) != '"')
		put(out, unescape(l));
	if (!at_end(l))
		l->at++;
}

static void take_literal(struct addr_list *l, struct buf *out)
{
	while (!at_end(l) && peek(l) != ']')
		put(out, unescape(l));
	if (!at_end(l))
		put(out, l->in.p[l->at++]);
}

/*
 * A run of words, quoted strings, dots: added to out, with a single blank where blanks stood when `spaced`. What follows is
 * a special, or the end.
 */
static void take_words(struct addr_list *l, struct buf *out, bool spaced)
{
	bool gap = false;
	for (;;) {
		size_t before = l->at;
		skip_cfws(l);
		gap = gap || l->at > before;
		if (at_end(l) || (is_special(peek(l)) && peek(l) != '"' && peek(l) != '['))
			return;
		if (spaced && gap && buf_len(out) > 0)
			buf_addc(out, ' ');
		gap = false;
		if (peek(l) == '"') {
			take_quoted(l, out);
			continue;
		}
		if (peek(l) == '[') {
			take_literal(l, out);
			continue;
		}
		while (!at_end(l) && !ascii_isspace(peek(l)) && !is_special(peek(l)))
			put(out, unescape(l));
	}
}

static void skip_to_comma(struct addr_list *l)
{
	while (!at_end(l) && peek(l) != ',' && !(l->in_group && peek(l) == ';')) {
		if (peek(l) == '(')
			take_comment(l);
		else if (peek(l) == '"')
			take_words(l, &l->comment, false);
		else
			l->at++;
	}
}

/* "<@a,@b:" (RFC 5322 4.4): everything up to the colon. */
static void take_route(struct addr_list *l)
{
	size_t k = l->at;
	size_t most = l->in.n - l->at > ADDR_PART_MAX ? l->at + ADDR_PART_MAX : l->in.n;
	while (k < most && l->in.p[k] != ':' && l->in.p[k] != '>')
		k++;
	if (k >= most || l->in.p[k] != ':')
		return;
	struct view route = view_make(l->in.p + l->at, k - l->at);
	for (size_t i = 0; i < route.n; i++)
		if (!ascii_isspace(route.p[i]))
			buf_addc(&l->route, route.p[i]);
	l->at = k + 1;
}

static void take_angle(struct addr_list *l)
{
	l->at++;
	skip_cfws(l);
	if (peek(l) == '@')
		take_route(l);
	take_words(l, &l->local, false);
	if (peek(l) == '@' && !at_end(l)) {
		l->at++;
		take_words(l, &l->domain, false);
	}
	while (!at_end(l) && peek(l) != '>' && peek(l) != ',')
		l->at++;
	if (peek(l) == '>' && !at_end(l))
		l->at++;
}

/* "local@domain", whose local part was read as a name. */
static void take_bare(struct addr_list *l, bool has_domain)
{
	buf_addv(&l->local, buf_view(&l->name));
	buf_reset(&l->name);
	if (has_domain) {
		l->at++;
		take_words(l, &l->domain, false);
	}
	if (buf_len(&l->comment) > 0)
		buf_addv(&l->name, view_trim(buf_view(&l->comment)));
}

static void reset(struct addr_list *l)
{
	buf_reset(&l->name);
	buf_reset(&l->route);
	buf_reset(&l->local);
	buf_reset(&l->domain);
	buf_reset(&l->comment);
}

static bool end_group(struct addr_list *l)
{
	l->in_group = false;
	l->kind = ADDR_GROUP_END;
	return true;
}

/* Reads one address behind the separators; false when what stood here was none. */
static bool take_one(struct addr_list *l)
{
	reset(l);
	take_words(l, &l->name, true);
	char c = peek(l);
	if (c == ':' && !l->in_group && !at_end(l)) {
		l->at++;
		l->in_group = true;
		l->kind = ADDR_GROUP;
		return true;
	}
	l->kind = ADDR_MAILBOX;
	if (c == '<' && !at_end(l))
		take_angle(l);
	else
		take_bare(l, c == '@' && !at_end(l));
	skip_to_comma(l);
	return buf_len(&l->local) > 0 || buf_len(&l->domain) > 0;
}

bool addr_list_next(struct addr_list *l)
{
	for (;;) {
		skip_cfws(l);
		if (at_end(l))
			return l->in_group && end_group(l);
		char c = peek(l);
		if (c == ',' || (c == ';' && !l->in_group)) {
			l->at++;
		} else if (c == ';') {
			l->at++;
			return end_group(l);
		} else if (take_one(l)) {
			return true;
		} else if (!at_end(l) && peek(l) != ',' && peek(l) != ';') {
			l->at++;
		}
	}
}
