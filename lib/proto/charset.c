/* SPDX-License-Identifier: ISC */
#include "proto/charset.h"

#include <string.h>

#include "base/num.h"
#include "proto/header.h"

#define REPLACEMENT 0xfffdU

static bool is_tail(struct view v, size_t i)
{
	return i < v.n && ((unsigned char)v.p[i] & 0xc0) == 0x80;
}

/* How long the sequence that begins with this octet is; 0 when none begins with it. */
static size_t sequence_length(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

uint32_t utf8_get(struct view v, size_t *n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)v.p[0];
	size_t len = sequence_length(c);
	*n = 1;
	if (len == 1)
		return c;
	if (len == 0)
		return REPLACEMENT;
	uint32_t u = c & (0xffU >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if (!is_tail(v, i))
			return REPLACEMENT;
		u = u << 6 | ((unsigned char)v.p[i] & 0x3f);
	}
	if (u < least[len] || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
		return REPLACEMENT;
	*n = len;
	return u;
}

void utf8_put(struct buf *b, uint32_t c)
{
	char s[4];
	size_t n;
	if (c < 0x80) {
		s[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		s[0] = (char)(0xf0 | c >> 18);
		s[1] = (char)(0x80 | (c >> 12 & 0x3f));
		s[2] = (char)(0x80 | (c >> 6 & 0x3f));
		s[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	buf_add(b, s, n);
}

#define EACH_OCTET(c) (UINT64_C(0x0101010101010101) * (c))

/* The run of ASCII at the front, eight octets at a time: searches spend their time here. */
static size_t ascii_run(struct view v)
{
	size_t i = 0;
	for (uint64_t x; i + 8 <= v.n; i += 8) {
		memcpy(&x, v.p + i, 8);
		if (x & EACH_OCTET(0x80))
			break;
	}
	while (i < v.n && (unsigned char)v.p[i] < 0x80)
		i++;
	return i;
}

bool ascii_only(struct view v)
{
	return ascii_run(v) == v.n;
}

/* n octets of ASCII in lower case, eight at a time: 0x80 - 'A' and 0x80 - ('Z' + 1) carry into the top bit of each octet. */
static void ascii_fold(char *to, const char *from, size_t n)
{
	size_t i = 0;
	for (uint64_t x; i + 8 <= n; i += 8) {
		memcpy(&x, from + i, 8);
		uint64_t upper = (x + EACH_OCTET(0x3f)) & ~(x + EACH_OCTET(0x25)) & EACH_OCTET(0x80);
		x |= upper >> 2;
		memcpy(to + i, &x, 8);
	}
	for (; i < n; i++)
		to[i] = ascii_lower(from[i]);
}

bool utf8_ok(struct view v)
{
	size_t n;
	while (v.n > 0) {
		size_t run = ascii_run(v);
		v = view_skip(v, run);
		if (v.n == 0)
			break;
		if (utf8_get(v, &n) == REPLACEMENT && n == 1)
			return false;
		v = view_skip(v, n);
	}
	return true;
}

size_t utf8_cut_tail(struct view v)
{
	for (size_t back = 1; back <= 3 && back <= v.n; back++) {
		unsigned char c = (unsigned char)v.p[v.n - back];
		if ((c & 0xc0) == 0x80)
			continue;
		return sequence_length(c) > back ? back : 0;
	}
	return 0;
}

/* windows-1252's 0x80 to 0x9f. */
static const uint16_t cp1252[32] = {
	0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
	0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
};

static uint32_t of_latin1(unsigned char c)
{
	return c;
}

static uint32_t of_cp1252(unsigned char c)
{
	return c >= 0x80 && c < 0xa0 ? cp1252[c - 0x80] : c;
}

static uint32_t of_latin9(unsigned char c)
{
	switch (c) {
	case 0xa4:
		return 0x20ac;
	case 0xa6:
		return 0x160;
	case 0xa8:
		return 0x161;
	case 0xb4:
		return 0x17d;
	case 0xb8:
		return 0x17e;
	case 0xbc:
		return 0x152;
	case 0xbd:
		return 0x153;
	case 0xbe:
		return 0x178;
	default:
		return c;
	}
}

/* Names and how an octet over 0x7f reads; NULL: the text is UTF-8 (US-ASCII is a part of it). */
static const struct {
	const char *name;
	uint32_t (*octet)(unsigned char c);
} charsets[] = {
	{ "utf-8", NULL },
	{ "us-ascii", NULL },
	{ "utf8", NULL },
	{ "ascii", NULL },
	{ "iso-8859-1", of_latin1 },
	{ "latin1", of_latin1 },
	{ "iso-8859-15", of_latin9 },
	{ "windows-1252", of_cp1252 },
	{ "cp1252", of_cp1252 },
};
#define CHARSETS (sizeof(charsets) / sizeof(charsets[0]))

static size_t charset_index(struct view name)
{
	size_t i = 0;
	while (i < CHARSETS && !view_ieqs(name, charsets[i].name))
		i++;
	return i;
}

bool charset_known(struct view charset)
{
	return charset_index(charset) < CHARSETS;
}

static void utf8_clean(struct buf *out, struct view v)
{
	while (v.n > 0) {
		size_t n = ascii_run(v);
		buf_addv(out, view_head(v, n));
		v = view_skip(v, n);
		if (v.n == 0)
			return;
		utf8_put(out, utf8_get(v, &n));
		v = view_skip(v, n);
	}
}

/* One replacement character for each run of octets over 0x7f. */
static void unknown_clean(struct buf *out, struct view v)
{
	while (v.n > 0) {
		size_t n = ascii_run(v);
		buf_addv(out, view_head(v, n));
		v = view_skip(v, n);
		for (n = 0; n < v.n && (unsigned char)v.p[n] >= 0x80;)
			n++;
		if (n > 0)
			utf8_put(out, REPLACEMENT);
		v = view_skip(v, n);
	}
}

bool charset_to_utf8(struct buf *out, struct view charset, struct view v)
{
	size_t k = charset_index(charset);
	if (k == CHARSETS) {
		unknown_clean(out, v);
		return false;
	}
	if (charsets[k].octet == NULL) {
		utf8_clean(out, v);
		return true;
	}
	while (v.n > 0) {
		size_t n = ascii_run(v);
		buf_addv(out, view_head(v, n));
		v = view_skip(v, n);
		if (v.n == 0)
			break;
		utf8_put(out, charsets[k].octet((unsigned char)v.p[0]));
		v = view_skip(v, 1);
	}
	return true;
}

/* Ranges whose letters fold by a constant, or in pairs of upper and lower (step 0). */
static const struct {
	uint32_t from, to;
	uint32_t add;
} folds[] = {
	{ 0xc0, 0xd6, 32 },
	{ 0xd8, 0xde, 32 },
	{ 0x100, 0x12f, 0 },
	{ 0x132, 0x137, 0 },
	{ 0x14a, 0x177, 0 },
	{ 0x1de, 0x1ef, 0 },
	{ 0x1f8, 0x21f, 0 },
	{ 0x222, 0x233, 0 },
	{ 0x391, 0x3a1, 32 },
	{ 0x3a3, 0x3ab, 32 },
	{ 0x400, 0x40f, 80 },
	{ 0x410, 0x42f, 32 },
	{ 0x460, 0x481, 0 },
	{ 0x48a, 0x4bf, 0 },
	{ 0x4d0, 0x52f, 0 },
	{ 0x531, 0x556, 48 },
	{ 0x1e00, 0x1e95, 0 },
	{ 0x1ea0, 0x1eff, 0 },
	{ 0xff21, 0xff3a, 32 },
};

/* Letters in pairs whose upper one is odd. */
static bool odd_pair(uint32_t c)
{
	return (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e) || (c >= 0x1cd && c <= 0x1dc);
}

static uint32_t fold(uint32_t c)
{
	if (c < 0x80)
		return (uint32_t)(unsigned char)ascii_lower((char)c);
	if (c == 0x178)
		return 0xff;
	if (c == 0x3c2)
		return 0x3c3; /* final sigma */
	if (odd_pair(c))
		return c + (c & 1);
	for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++)
		if (c >= folds[i].from && c <= folds[i].to)
			return folds[i].add ? c + folds[i].add : c | 1;
	return c;
}

void utf8_fold(struct buf *out, struct view v)
{
	while (v.n > 0) {
		size_t n = ascii_run(v);
		char *p = n ? buf_room(out, n) : NULL;
		if (p) {
			ascii_fold(p, v.p, n);
			buf_commit(out, n);
		}
		v = view_skip(v, n);
		if (v.n == 0)
			return;
		utf8_put(out, fold(utf8_get(v, &n)));
		v = view_skip(v, n);
	}
}
