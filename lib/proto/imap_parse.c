/* SPDX-License-Identifier: ISC */
#include "proto/imap_parse.h"

#include <string.h>

#include "base/num.h"

bool imap_at_end(const struct imap_text *t)
{
	return t->at >= t->in.n;
}

char imap_peek(const struct imap_text *t)
{
	return imap_at_end(t) ? '\0' : t->in.p[t->at];
}

bool imap_take(struct imap_text *t, char c)
{
	if (imap_at_end(t) || t->in.p[t->at] != c)
		return false;
	t->at++;
	return true;
}

bool imap_space(struct imap_text *t)
{
	return imap_take(t, ' ');
}

/* RFC 3501 9, atom-specials: ( ) { SP CTL list-wildcards quoted-specials resp-specials; 8-bit octets are no CHARs. */
static bool is_atom(char c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

static bool is_astring(char c)
{
	return is_atom(c) || c == ']';
}

static bool is_list(char c)
{
	return is_astring(c) || c == '%' || c == '*';
}

static bool is_tag(char c)
{
	return is_astring(c) && c != '+';
}

static bool is_word(char c)
{
	return is_astring(c) || c == '\\';
}

static bool run(struct imap_text *t, bool (*in)(char c), struct view *v)
{
	size_t begin = t->at;
	while (!imap_at_end(t) && in(t->in.p[t->at]))
		t->at++;
	*v = view_make(t->in.p + begin, t->at - begin);
	return v->n > 0;
}

bool imap_tag(struct imap_text *t, struct view *v)
{
	return run(t, is_tag, v);
}

bool imap_atom(struct imap_text *t, struct view *v)
{
	return run(t, is_atom, v);
}

bool imap_word(struct imap_text *t, struct view *v)
{
	return run(t, is_word, v);
}

bool imap_keyword(struct imap_text *t, const char *word)
{
	size_t begin = t->at;
	struct view v;
	if (imap_atom(t, &v) && view_ieqs(v, word))
		return true;
	t->at = begin;
	return false;
}

static bool is_digit(char c)
{
	return ascii_isdigit(c);
}

bool imap_number64(struct imap_text *t, uint64_t *n)
{
	size_t begin = t->at;
	struct view v;
	if (run(t, is_digit, &v) && num_u64(v, INT64_MAX, n))
		return true;
	t->at = begin;
	return false;
}

bool imap_number(struct imap_text *t, uint32_t *n)
{
	size_t begin = t->at;
	uint64_t u;
	if (imap_number64(t, &u) && u <= UINT32_MAX) {
		*n = (uint32_t)u;
		return true;
	}
	t->at = begin;
	return false;
}

/* The escaped octets from begin to end, undone. */
static struct view unescape(struct imap_text *t, size_t begin, size_t end)
{
	char *out = arena_alloc(t->arena, end - begin + 1);
	size_t n = 0;
	for (size_t i = begin; i < end; i++) {
		if (t->in.p[i] == '\\')
			i++;
		out[n++] = t->in.p[i];
	}
	return view_make(out, n);
}

/* RFC 3501 9: only '"' and '\' may be escaped, and no line end is in it; 8-bit octets are let through (RFC 6855). */
static bool quoted(struct imap_text *t, struct view *v)
{
	size_t begin = t->at + 1, i = begin;
	bool escaped = false;
	for (; i < t->in.n && t->in.p[i] != '"'; i++) {
		char c = t->in.p[i];
		if (c == '\r' || c == '\n' || c == '\0')
			return false;
		if (c != '\\')
			continue;
		if (++i >= t->in.n || (t->in.p[i] != '"' && t->in.p[i] != '\\'))
			return false;
		escaped = true;
	}
	if (i >= t->in.n)
		return false;
	*v = escaped ? unescape(t, begin, i) : view_make(t->in.p + begin, i - begin);
	t->at = i + 1;
	return true;
}

/* "{n}" CRLF and n octets, which the reader has put there. */
static bool literal(struct imap_text *t, struct view *v)
{
	struct view rest = view_skip(t->in, t->at + 1), digits;
	uint32_t n;
	if (!view_cut(&rest, '}', &digits) || rest.p == NULL)
		return false;
	if (view_ends(digits, VIEW("+")))
		digits.n--;
	if (!num_u32(digits, UINT32_MAX, &n))
		return false;
	if (rest.n > 0 && rest.p[0] == '\r')
		rest = view_skip(rest, 1);
	if (rest.n == 0 || rest.p[0] != '\n' || rest.n - 1 < n)
		return false;
	*v = view_make(rest.p + 1, n);
	if (view_find(*v, '\0') != SIZE_MAX)
		return false;
	t->at = (size_t)(rest.p - t->in.p) + 1 + n;
	return true;
}

bool imap_string(struct imap_text *t, struct view *v)
{
	if (imap_peek(t) == '"')
		return quoted(t, v);
	return imap_peek(t) == '{' && literal(t, v);
}

static bool string_or(struct imap_text *t, bool (*in)(char c), struct view *v)
{
	char c = imap_peek(t);
	return c == '"' || c == '{' ? imap_string(t, v) : run(t, in, v);
}

bool imap_astring(struct imap_text *t, struct view *v)
{
	return string_or(t, is_astring, v);
}

bool imap_list_mailbox(struct imap_text *t, struct view *v)
{
	return string_or(t, is_list, v);
}

bool imap_nstring(struct imap_text *t, struct view *v)
{
	if (imap_keyword(t, "NIL")) {
		*v = VIEW_NONE;
		return true;
	}
	return imap_string(t, v);
}
