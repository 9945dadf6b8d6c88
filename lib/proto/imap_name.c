/* SPDX-License-Identifier: ISC */
#include "proto/imap_name.h"

#include <string.h>

#include "proto/charset.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int sextet(char c)
{
	const char *p = c ? strchr(alphabet, c) : NULL;
	return p ? (int)(p - alphabet) : -1;
}

/* One UTF-16 unit more; *high holds a surrogate that waits for its second half. */
static bool unit_put(struct buf *out, uint32_t unit, uint32_t *high)
{
	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		utf8_put(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return true;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	/* What is printable ASCII must stand for itself: one name, one form. */
	if ((unit >= 0xdc00 && unit <= 0xdfff) || unit < 0x20 || (unit >= 0x20 && unit < 0x7f))
		return false;
	utf8_put(out, unit);
	return true;
}

/* The text between '&' and '-'. */
static bool shifted(struct buf *out, struct view v)
{
	uint32_t bits = 0, high = 0;
	unsigned n = 0;
	if (v.n == 0) {
		buf_addc(out, '&');
		return true;
	}
	for (size_t i = 0; i < v.n; i++) {
		int s = sextet(v.p[i]);
		if (s < 0)
			return false;
		bits = bits << 6 | (uint32_t)s;
		n += 6;
		if (n < 16)
			continue;
		n -= 16;
		if (!unit_put(out, bits >> n & 0xffff, &high))
			return false;
	}
	return high == 0 && n < 6 && (bits & ((1U << n) - 1)) == 0;
}

bool imap_name_decode(struct buf *utf8, struct view v)
{
	while (v.n > 0) {
		char c = v.p[0];
		v = view_skip(v, 1);
		if (!ascii_isprint(c))
			return false;
		if (c != '&') {
			buf_addc(utf8, c);
			continue;
		}
		size_t end = view_find(v, '-');
		if (end == SIZE_MAX || !shifted(utf8, view_head(v, end)))
			return false;
		v = view_skip(v, end + 1);
	}
	return buf_ok(utf8);
}

struct encoder {
	struct buf *out;
	uint32_t bits;
	unsigned n;
	bool open;
};

static void encode_unit(struct encoder *e, uint32_t unit)
{
	if (!e->open)
		buf_addc(e->out, '&');
	e->open = true;
	e->bits = e->bits << 16 | unit;
	e->n += 16;
	while (e->n >= 6) {
		e->n -= 6;
		buf_addc(e->out, alphabet[e->bits >> e->n & 63]);
	}
	e->bits &= (1U << e->n) - 1;
}

static void encode_end(struct encoder *e)
{
	if (!e->open)
		return;
	if (e->n > 0)
		buf_addc(e->out, alphabet[e->bits << (6 - e->n) & 63]);
	buf_addc(e->out, '-');
	*e = (struct encoder){ .out = e->out };
}

void imap_name_encode(struct buf *out, struct view utf8)
{
	struct encoder e = { .out = out };
	while (utf8.n > 0) {
		size_t n;
		uint32_t c = utf8_get(utf8, &n);
		utf8 = view_skip(utf8, n);
		if (c >= 0x20 && c < 0x7f) {
			encode_end(&e);
			if (c == '&')
				buf_adds(out, "&-");
			else
				buf_addc(out, (char)c);
		} else if (c < 0x10000) {
			encode_unit(&e, c);
		} else {
			encode_unit(&e, 0xd800 + ((c - 0x10000) >> 10));
			encode_unit(&e, 0xdc00 + ((c - 0x10000) & 0x3ff));
		}
	}
	encode_end(&e);
}

static bool level_ok(struct view level)
{
	return level.n > 0 && level.n <= IMAP_LEVEL_MAX && level.p[0] != '.' && level.p[0] != '~';
}

bool imap_name_ok(struct view utf8)
{
	if (utf8.n == 0 || utf8.n > IMAP_NAME_MAX || !utf8_ok(utf8))
		return false;
	for (size_t i = 0; i < utf8.n; i++)
		if ((unsigned char)utf8.p[i] < 0x20 || strchr("\x7f%*", utf8.p[i]) != NULL)
			return false;
	size_t levels = 0;
	struct view rest = utf8, level;
	while (view_cut(&rest, '/', &level))
		if (!level_ok(level) || ++levels > IMAP_LEVELS_MAX)
			return false;
	return true;
}

size_t imap_name_inbox(struct view name)
{
	bool whole = name.n == 5 || (name.n > 5 && name.p[5] == '/');
	return whole && view_istarts(name, VIEW("INBOX")) ? 5 : 0;
}

bool imap_name_read(struct buf *utf8, struct view wire)
{
	size_t inbox = imap_name_inbox(wire);
	if (inbox > 0)
		buf_adds(utf8, "INBOX");
	if (wire.n > IMAP_NAME_MAX * 3 || !imap_name_decode(utf8, view_skip(wire, inbox)))
		return false;
	/* RFC 3501 6.3.3: a separator at the end only says that children are to come. */
	if (utf8->n > 1 && view_ends(buf_view(utf8), VIEW("/")))
		buf_cut(utf8, utf8->n - 1);
	return true;
}

/* A run of wildcards is as strong as the strongest in it. */
static bool pattern_add(struct imap_pattern *p, char c)
{
	bool wild = c == '*' || c == '%';
	if (wild && p->n > 0 && p->wild[p->n - 1]) {
		if (c == '*')
			p->c[p->n - 1] = c;
		return true;
	}
	if (p->n == IMAP_PATTERN_MAX)
		return false;
	p->c[p->n] = c;
	p->wild[p->n++] = wild;
	return true;
}

bool imap_pattern_make(struct imap_pattern *p, struct view reference, struct view pattern)
{
	p->n = 0;
	for (size_t i = 0; i < reference.n; i++)
		if (!pattern_add(p, reference.p[i]))
			return false;
	for (size_t i = 0; i < pattern.n; i++)
		if (!pattern_add(p, pattern.p[i]))
			return false;
	return true;
}

/* Wildcards match nothing, too. */
static void close_over(const struct imap_pattern *p, bool *at)
{
	for (size_t j = 0; j < p->n; j++)
		if (at[j] && p->wild[j])
			at[j + 1] = true;
}

static bool same(char a, char b, bool fold)
{
	return a == b || (fold && ascii_lower(a) == ascii_lower(b));
}

/* at[j]: the first j places of the pattern match what has been read of the name. */
static bool step(const struct imap_pattern *p, bool *at, char c, bool fold)
{
	bool any = false;
	for (size_t j = p->n + 1; j-- > 0;) {
		bool stay = j < p->n && at[j] && p->wild[j] && (c != '/' || p->c[j] == '*');
		bool come = j > 0 && at[j - 1] && !p->wild[j - 1] && same(p->c[j - 1], c, fold);
		at[j] = stay || come;
		any = any || at[j];
	}
	close_over(p, at);
	return any;
}

bool imap_pattern_match(const struct imap_pattern *p, struct view name)
{
	bool at[IMAP_PATTERN_MAX + 1] = { true };
	size_t inbox = imap_name_inbox(name);
	close_over(p, at);
	for (size_t i = 0; i < name.n; i++)
		if (!step(p, at, name.p[i], i < inbox))
			return false;
	return at[p->n];
}
