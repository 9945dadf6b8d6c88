/* SPDX-License-Identifier: ISC */
#include "base/view.h"

#include <string.h>

struct view view_of(const char *s)
{
	return s ? (struct view){ s, strlen(s) } : VIEW_NONE;
}

/* Octets are compared as unsigned; the shorter of two that agree comes first. */
static int order(struct view a, struct view b, int first_difference)
{
	if (first_difference)
		return first_difference < 0 ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The C library's memcmp may not be given a null pointer, not even for no octets. */
static int compare(const char *a, const char *b, size_t n)
{
	return n ? memcmp(a, b, n) : 0;
}

static int icompare(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int d = (unsigned char)ascii_lower(a[i]) - (unsigned char)ascii_lower(b[i]);
		if (d)
			return d;
	}
	return 0;
}

bool view_eq(struct view a, struct view b)
{
	return a.n == b.n && compare(a.p, b.p, a.n) == 0;
}

bool view_ieq(struct view a, struct view b)
{
	return a.n == b.n && icompare(a.p, b.p, a.n) == 0;
}

int view_cmp(struct view a, struct view b)
{
	return order(a, b, compare(a.p, b.p, least(a.n, b.n)));
}

int view_icmp(struct view a, struct view b)
{
	return order(a, b, icompare(a.p, b.p, least(a.n, b.n)));
}

bool view_eqs(struct view a, const char *s)
{
	return view_eq(a, view_of(s));
}

bool view_ieqs(struct view a, const char *s)
{
	return view_ieq(a, view_of(s));
}

bool view_starts(struct view v, struct view prefix)
{
	return view_eq(view_head(v, prefix.n), prefix);
}

bool view_istarts(struct view v, struct view prefix)
{
	return view_ieq(view_head(v, prefix.n), prefix);
}

bool view_ends(struct view v, struct view suffix)
{
	return v.n >= suffix.n && view_eq(view_skip(v, v.n - suffix.n), suffix);
}

bool view_iends(struct view v, struct view suffix)
{
	return v.n >= suffix.n && view_ieq(view_skip(v, v.n - suffix.n), suffix);
}

size_t view_find(struct view v, char c)
{
	const char *at = v.n ? memchr(v.p, c, v.n) : NULL;

	return at ? (size_t)(at - v.p) : SIZE_MAX;
}

size_t view_rfind(struct view v, char c)
{
	const char *at = v.n ? memrchr(v.p, c, v.n) : NULL;

	return at ? (size_t)(at - v.p) : SIZE_MAX;
}

size_t view_search(struct view v, struct view needle)
{
	if (needle.n == 0)
		return 0;
	if (needle.n > v.n)
		return SIZE_MAX;
	const char *at = memmem(v.p, v.n, needle.p, needle.n);
	return at ? (size_t)(at - v.p) : SIZE_MAX;
}

size_t view_isearch(struct view v, struct view needle)
{
	if (needle.n == 0)
		return 0;
	if (needle.n > v.n)
		return SIZE_MAX;
	char first = ascii_lower(needle.p[0]);
	for (size_t i = 0; i <= v.n - needle.n; i++)
		if (ascii_lower(v.p[i]) == first && icompare(v.p + i, needle.p, needle.n) == 0)
			return i;
	return SIZE_MAX;
}

struct view view_head(struct view v, size_t n)
{
	return (struct view){ v.p, least(v.n, n) };
}

struct view view_skip(struct view v, size_t n)
{
	n = least(v.n, n);
	return (struct view){ n ? v.p + n : v.p, v.n - n };
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct view view_trim(struct view v)
{
	while (v.n && blank(v.p[0]))
		v = view_skip(v, 1);
	while (v.n && blank(v.p[v.n - 1]))
		v.n--;
	return v;
}

bool view_cut(struct view *rest, char sep, struct view *head)
{
	struct view v = *rest;

	if (!v.p)
		return false;
	size_t at = view_find(v, sep);
	*head = view_head(v, at);
	*rest = at == SIZE_MAX ? VIEW_NONE : view_skip(v, at + 1);
	return true;
}

bool view_word(struct view *rest, struct view *word)
{
	struct view v = *rest;
	size_t n = 0;

	while (v.n && (v.p[0] == ' ' || v.p[0] == '\t'))
		v = view_skip(v, 1);
	while (n < v.n && v.p[n] != ' ' && v.p[n] != '\t')
		n++;
	*rest = view_skip(v, n);
	if (n)
		*word = view_head(v, n);
	return n > 0;
}

bool ascii_isalpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_isdigit(char c)
{
	return c >= '0' && c <= '9';
}

bool ascii_isalnum(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c);
}

bool ascii_isspace(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool ascii_isprint(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

int ascii_hex(char c)
{
	if (ascii_isdigit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}
