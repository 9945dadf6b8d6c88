/* SPDX-License-Identifier: ISC */
/*
 * Two speeds: whole lines go by memchr and memcpy; the octets around line ends, dots and the edges of pieces go one by one through the
 * state table. The fast way is taken only where it gives what the slow one would.
 */
#include "proto/smtp_scan.h"

#include <string.h>

void smtp_scan_init(struct smtp_scan *s, bool dots, bool binary, bool normalize, size_t line_max, uint64_t size_max)
{
	*s = (struct smtp_scan){
		.state = SCAN_BOL,
		.dots = dots,
		.binary = binary,
		.normalize = normalize,
		.line_max = line_max,
		.size_max = size_max,
	};
}

bool smtp_scan_refused(const struct smtp_scan *s)
{
	unsigned bare = s->normalize ? 0 : SCAN_BARE_CR | SCAN_BARE_LF;

	return s->flags & (bare | SCAN_NUL | SCAN_LONG_LINE | SCAN_TOO_BIG);
}

static void store(struct smtp_scan *s, const char *p, size_t n, struct buf *out)
{
	if (smtp_scan_refused(s))
		return;
	if (n > s->size_max - s->size) {
		s->flags |= SCAN_TOO_BIG;
		return;
	}
	s->size += n;
	buf_add(out, p, n);
}

/* RFC 5321 4.5.3.1.6 counts the CRLF too. */
static void grow_line(struct smtp_scan *s, size_t n)
{
	s->line += n;
	if (s->line > s->line_max)
		s->flags |= SCAN_LONG_LINE;
}

/* An LF without a CR, or a CR without an LF. The line that follows is not at a line's begin in the sense of RFC 5321 4.5.2. */
static void bare(struct smtp_scan *s, unsigned flag, struct buf *out)
{
	s->flags |= flag;
	s->line = 0;
	store(s, "\r\n", 2, out);
	s->state = SCAN_TEXT;
}

static void text_octet(struct smtp_scan *s, char c, struct buf *out)
{
	s->state = SCAN_TEXT;
	if (c == '\r') {
		s->state = SCAN_CR;
		return;
	}
	if (c == '\n') {
		bare(s, SCAN_BARE_LF, out);
		return;
	}
	if (!c)
		s->flags |= SCAN_NUL;
	grow_line(s, 1);
	store(s, &c, 1, out);
}

static void after_cr(struct smtp_scan *s, char c, struct buf *out)
{
	if (c == '\n') {
		grow_line(s, 2);
		store(s, "\r\n", 2, out);
		s->line = 0;
		s->state = SCAN_BOL;
		return;
	}
	bare(s, SCAN_BARE_CR, out);
	text_octet(s, c, out);
}

/* The dot at the begin of a line is gone, RFC 5321 4.5.2, whatever follows it. */
static void after_dot(struct smtp_scan *s, char c, struct buf *out)
{
	if (c == '\r')
		s->state = SCAN_DOT_CR;
	else
		text_octet(s, c, out);
}

static void octet(struct smtp_scan *s, char c, struct buf *out)
{
	switch (s->state) {
	case SCAN_BOL:
		if (c == '.' && s->dots)
			s->state = SCAN_DOT;
		else
			text_octet(s, c, out);
		return;
	case SCAN_TEXT:
		text_octet(s, c, out);
		return;
	case SCAN_CR:
		after_cr(s, c, out);
		return;
	case SCAN_DOT:
		after_dot(s, c, out);
		return;
	case SCAN_DOT_CR:
		if (c == '\n')
			s->state = SCAN_END;
		else
			after_cr(s, c, out);
		return;
	case SCAN_END:
		return;
	}
}

/*
 * At the begin of a line: how many octets from p on are whole lines that hold no NUL, no bare CR or LF, no dot in front and no length beyond the
 * bound, so that they can be stored as they are.
 */
static size_t plain_lines(const struct smtp_scan *s, const char *p, size_t n)
{
	size_t at = 0;

	while (at < n && !(s->dots && p[at] == '.')) {
		const char *cr = memchr(p + at, '\r', n - at);
		if (!cr || cr + 1 == p + n || cr[1] != '\n')
			break;
		size_t len = (size_t)(cr - (p + at));
		if (len + 2 > s->line_max || memchr(p + at, '\n', len) || memchr(p + at, '\0', len))
			break;
		at += len + 2;
	}
	return at;
}

/* Inside a line: how many octets are neither CR, LF nor NUL. */
static size_t plain_text(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != '\r' && p[i] != '\n' && p[i])
		i++;
	return i;
}

size_t smtp_scan(struct smtp_scan *s, struct view in, struct buf *out)
{
	size_t i = 0;

	if (s->binary) {
		store(s, in.p, in.n, out);
		return in.n;
	}
	while (i < in.n && s->state != SCAN_END) {
		size_t k = 0;
		if (s->state == SCAN_BOL) {
			k = plain_lines(s, in.p + i, in.n - i);
			store(s, in.p + i, k, out);
		} else if (s->state == SCAN_TEXT) {
			k = plain_text(in.p + i, in.n - i);
			grow_line(s, k);
			store(s, in.p + i, k, out);
		}
		i += k;
		if (i < in.n)
			octet(s, in.p[i++], out);
	}
	return i;
}

void smtp_scan_last(struct smtp_scan *s, struct buf *out)
{
	if (!s->binary && s->state == SCAN_CR)
		bare(s, SCAN_BARE_CR, out);
}
