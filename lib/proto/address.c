/* SPDX-License-Identifier: ISC */
/* Reading of envelope addresses: one pass, each octet looked at once or twice, everything bounded. */
#include "proto/address.h"

#include <string.h>

#include "proto/charset.h"

/* RFC 5322 3.2.3 atext. */
static bool is_atext(unsigned char c)
{
	return ascii_isalnum((char)c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

bool address_utf8_ok(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		/* C0, DEL, and the C1 controls, U+0080 to U+009F. */
		if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < v.n && (unsigned char)v.p[i + 1] < 0xa0))
			return false;
	}
	return utf8_ok(v);
}

static bool is_ipv4(struct view v)
{
	struct view part;
	int parts = 0;

	if (v.n < 7 || v.n > 15 || v.p[v.n - 1] == '.')
		return false;
	while (view_cut(&v, '.', &part)) {
		unsigned value = 0;
		if (!part.n || part.n > 3)
			return false;
		for (size_t i = 0; i < part.n; i++) {
			if (!ascii_isdigit(part.p[i]))
				return false;
			value = value * 10 + (unsigned)(part.p[i] - '0');
		}
		if (value > 255)
			return false;
		parts++;
	}
	return parts == 4;
}

/* RFC 5321 4.1.3 IPv6-addr: groups of hex digits, one "::" at most, perhaps an IPv4 tail. */
static bool is_ipv6(struct view v)
{
	int groups = 0, gaps = 0;
	size_t i = 0;

	while (i < v.n) {
		if (v.p[i] == ':') {
			bool twice = i + 1 < v.n && v.p[i + 1] == ':';
			if ((!twice && (i == 0 || i + 1 == v.n)) || (twice && gaps++))
				return false;
			i += twice ? 2 : 1;
			if (twice && i < v.n && v.p[i] == ':')
				return false;
			continue;
		}
		if (is_ipv4(view_skip(v, i))) {
			groups += 2;
			break;
		}
		size_t from = i;
		while (i < v.n && ascii_hex(v.p[i]) >= 0)
			i++;
		if (i == from || i - from > 4)
			return false;
		groups++;
	}
	return gaps ? groups < 8 : groups == 8;
}

/* RFC 5321 4.1.3, v begins with "[". */
static bool is_literal(struct view v)
{
	if (v.n < 3 || v.p[v.n - 1] != ']')
		return false;
	struct view in = view_make(v.p + 1, v.n - 2), tag;
	if (is_ipv4(in))
		return true;
	struct view rest = in;
	if (!view_cut(&rest, ':', &tag) || !rest.n || !tag.n)
		return false;
	if (view_ieqs(tag, "IPv6"))
		return is_ipv6(rest);
	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] < 0x21 || in.p[i] > 0x7e || strchr("[]\\", in.p[i]))
			return false;
	return true;
}

static bool is_label(struct view v, bool utf8)
{
	if (!v.n || v.n > ADDRESS_LABEL_MAX || v.p[0] == '-' || v.p[v.n - 1] == '-')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_isalnum(v.p[i]) && v.p[i] != '-' && v.p[i] != '_' && !(utf8 && (unsigned char)v.p[i] > 0x7f))
			return false;
	return !utf8 || address_utf8_ok(v);
}

bool address_is_domain(struct view v, bool utf8)
{
	struct view label;

	if (!v.n || v.n > ADDRESS_DOMAIN_MAX)
		return false;
	if (v.p[0] == '[')
		return is_literal(v);
	if (v.p[v.n - 1] == '.')
		return false;
	while (view_cut(&v, '.', &label))
		if (!is_label(label, utf8))
			return false;
	return true;
}

bool address_is_helo(struct view v)
{
	if (!v.n || v.n > ADDRESS_DOMAIN_MAX)
		return false;
	if (v.p[0] == '[')
		return is_literal(v);
	return address_utf8_ok(v);
}

/* ---- local parts ---- */

static bool put(struct address *a, char c)
{
	if (a->n >= ADDRESS_MAX)
		return false;
	a->utf8 = a->utf8 || (unsigned char)c > 0x7f;
	a->text[a->n++] = c;
	return true;
}

/* Is this text a dot-string (RFC 5321 4.1.2), which needs no quotes? */
static bool is_dot_string(struct view v)
{
	struct view atom;

	if (!v.n || v.p[v.n - 1] == '.')
		return false;
	while (view_cut(&v, '.', &atom)) {
		if (!atom.n)
			return false;
		for (size_t i = 0; i < atom.n; i++)
			if ((unsigned char)atom.p[i] < 0x80 && !is_atext((unsigned char)atom.p[i]))
				return false;
	}
	return true;
}

/* The quoted string at the begin of *in, its quotes and backslashes gone, into out of ADDRESS_LOCAL_MAX octets. */
static bool get_quoted(struct view *in, char *out, size_t *n)
{
	size_t i = 1;

	for (*n = 0; i < in->n && in->p[i] != '"'; i++) {
		if (in->p[i] == '\\' && ++i == in->n)
			return false;
		if ((unsigned char)in->p[i] < 0x20 || in->p[i] == 0x7f || *n == ADDRESS_LOCAL_MAX)
			return false;
		out[(*n)++] = in->p[i];
	}
	if (i == in->n)
		return false;
	*in = view_skip(*in, i + 1);
	return true;
}

static bool get_dot_string(struct view *in, char *out, size_t *n)
{
	size_t i = 0;

	while (i < in->n && ((unsigned char)in->p[i] > 0x7f || in->p[i] == '.' || is_atext((unsigned char)in->p[i])))
		i++;
	if (i > ADDRESS_LOCAL_MAX || !is_dot_string(view_head(*in, i)))
		return false;
	memcpy(out, in->p, i);
	*n = i;
	*in = view_skip(*in, i);
	return true;
}

static bool put_local(struct address *a, struct view v)
{
	bool quote = !is_dot_string(v);
	bool ok = !quote || put(a, '"');

	for (size_t i = 0; ok && i < v.n; i++)
		ok = (!quote || (v.p[i] != '"' && v.p[i] != '\\') || put(a, '\\')) && put(a, v.p[i]);
	return ok && (!quote || put(a, '"')) && a->n <= ADDRESS_LOCAL_MAX;
}

static bool get_local(struct view *in, struct address *a)
{
	char text[ADDRESS_LOCAL_MAX];
	size_t n = 0;
	bool ok = in->n && in->p[0] == '"' ? get_quoted(in, text, &n) : get_dot_string(in, text, &n);

	return ok && put_local(a, view_make(text, n));
}

static bool put_domain(struct address *a, struct view v)
{
	if (!put(a, '@'))
		return false;
	a->domain = a->n;
	for (size_t i = 0; i < v.n; i++)
		if (!put(a, ascii_lower(v.p[i])))
			return false;
	return true;
}

/* The domain at the begin of *in: what its octets can be; the grammar is checked on the whole. */
static struct view take_domain(struct view *in)
{
	size_t i = 0;

	if (in->n && in->p[0] == '[') {
		while (i < in->n && in->p[i] != ']' && in->p[i] != '>')
			i++;
		i += i < in->n && in->p[i] == ']';
	} else {
		while (i < in->n && in->p[i] != '>' && in->p[i] != ':' && in->p[i] != ',' && in->p[i] != ' ')
			i++;
	}
	struct view d = view_head(*in, i);
	*in = view_skip(*in, i);
	return d;
}

static bool get_mailbox(struct view *in, unsigned form, struct address *a)
{
	if (!get_local(in, a))
		return false;
	a->domain = a->n;
	if (in->n && in->p[0] == '@') {
		*in = view_skip(*in, 1);
		struct view d = take_domain(in);
		if (!address_is_domain(d, form & ADDRESS_UTF8) || !put_domain(a, d))
			return false;
	} else if (!(form & ADDRESS_BARE) && !view_ieqs(address_view(a), "postmaster")) {
		return false;
	}
	a->text[a->n] = '\0';
	return !a->utf8 || ((form & ADDRESS_UTF8) && address_utf8_ok(address_view(a)));
}

/* RFC 5321 4.1.2 A-d-l, which 4.1.1.3 lets us ignore: "@a,@b:" is taken off. */
static bool skip_route(struct view *in)
{
	bool route = in->n && in->p[0] == '@';

	while (route) {
		if (!in->n || in->p[0] != '@')
			return false;
		*in = view_skip(*in, 1);
		if (!address_is_domain(take_domain(in), true) || !in->n || (in->p[0] != ',' && in->p[0] != ':'))
			return false;
		route = in->p[0] == ',';
		*in = view_skip(*in, 1);
	}
	return true;
}

bool address_path(struct view *in, unsigned form, struct address *out)
{
	struct view rest = *in;

	out->n = out->domain = 0;
	out->utf8 = false;
	out->text[0] = '\0';
	if (!rest.n || rest.p[0] != '<')
		return false;
	rest = view_skip(rest, 1);
	if ((form & ADDRESS_REVERSE) && rest.n && rest.p[0] == '>') {
		*in = view_skip(rest, 1);
		return true;
	}
	if (!skip_route(&rest) || !get_mailbox(&rest, form, out) || !rest.n || rest.p[0] != '>')
		return false;
	*in = view_skip(rest, 1);
	return true;
}

bool address_mailbox(struct view v, unsigned form, struct address *out)
{
	out->n = out->domain = 0;
	out->utf8 = false;
	return get_mailbox(&v, form, out) && !v.n;
}
