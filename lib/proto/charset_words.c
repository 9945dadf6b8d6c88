/* SPDX-License-Identifier: ISC */
/* Transfer encodings and the encoded words of headers. */
#include <string.h>

#include "base/num.h"
#include "proto/charset.h"
#include "proto/header.h"

#define SOFT_MAX 128 /* a soft line break with its blanks is no longer */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Behind a soft line break that begins at v.p[i] ("=", blanks, line end), or i when there is none. */
static size_t soft_break(struct view v, size_t i)
{
	size_t k = i + 1;
	while (k < v.n && is_blank(v.p[k]))
		k++;
	if (k < v.n && v.p[k] == '\r')
		k++;
	if (k < v.n && v.p[k] == '\n')
		return k + 1;
	return k >= v.n ? k : i;
}

void qp_decode(struct buf *out, struct view v, bool word)
{
	for (size_t i = 0; i < v.n;) {
		char c = v.p[i];
		if (c == '_' && word)
			c = ' ';
		if (c != '=') {
			buf_addc(out, c);
			i++;
			continue;
		}
		int high = i + 2 < v.n ? ascii_hex(v.p[i + 1]) : -1;
		int low = i + 2 < v.n ? ascii_hex(v.p[i + 2]) : -1;
		size_t behind = word ? i : soft_break(v, i);
		if (high >= 0 && low >= 0) {
			buf_addc(out, (char)(high << 4 | low));
			i += 3;
		} else if (behind > i) {
			i = behind;
		} else {
			buf_addc(out, c);
			i++;
		}
	}
}

/* An encoded word at the front of v: its parts and length; false when there is none (RFC 2047 2). */
static bool encoded_word(struct view v, struct view *charset, char *encoding, struct view *text, size_t *len)
{
	if (!view_starts(v, VIEW("=?")))
		return false;
	/* A word has at most 75 octets (RFC 2047 2); longer ones are common, endless ones are no words. */
	struct view rest = view_skip(view_head(v, 1024), 2), e;
	if (!view_cut(&rest, '?', charset) || rest.p == NULL || !view_cut(&rest, '?', &e) || rest.p == NULL || e.n != 1)
		return false;
	size_t q = view_find(rest, '?');
	if (q == SIZE_MAX || q + 1 >= rest.n || rest.p[q + 1] != '=')
		return false;
	for (size_t i = 0; i < q; i++)
		if (rest.p[i] == '\n' || is_blank(rest.p[i]))
			return false;
	*encoding = ascii_lower(e.p[0]);
	*text = view_head(rest, q);
	*len = (size_t)(rest.p + q + 2 - v.p);
	/* RFC 2231 5: charset*language. */
	struct view language = *charset;
	view_cut(&language, '*', charset);
	return charset->n > 0 && (*encoding == 'b' || *encoding == 'q');
}

static void word_put(struct buf *out, struct view charset, char encoding, struct view text)
{
	struct buf octets;
	buf_init(&octets, text.n + 4);
	if (encoding == 'b')
		base64_get_mime(&octets, text);
	else
		qp_decode(&octets, text, true);
	charset_to_utf8(out, charset, buf_view(&octets));
	buf_fini(&octets);
}

/* The blanks (folds count) at the front. */
static size_t blanks(struct view v)
{
	size_t n = 0;
	while (n < v.n && ascii_isspace(v.p[n]))
		n++;
	return n;
}

static size_t to_next(struct view v)
{
	size_t n = 0;
	while (n < v.n && !ascii_isspace(v.p[n]) && (n == 0 || v.p[n] != '=' || n + 1 >= v.n || v.p[n + 1] != '?'))
		n++;
	return n;
}

static void blanks_put(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != '\r' && v.p[i] != '\n')
			buf_addc(out, v.p[i]);
}

void words_decode(struct buf *out, struct view raw)
{
	struct view v = view_trim(raw), charset, text;
	bool after_word = false;
	char encoding;
	size_t n;
	while (v.n > 0) {
		struct view gap = view_head(v, blanks(v));
		v = view_skip(v, gap.n);
		bool word = encoded_word(v, &charset, &encoding, &text, &n);
		/* Blanks between two encoded words are not text (RFC 2047 6.2). */
		if (!word || !after_word)
			blanks_put(out, gap);
		if (word) {
			word_put(out, charset, encoding, text);
		} else {
			n = to_next(v);
			charset_to_utf8(out, VIEW("utf-8"), view_head(v, n));
		}
		v = view_skip(v, n);
		after_word = word;
	}
}

void text_decoder_init(struct text_decoder *d, enum mime_encoding encoding, struct view charset)
{
	*d = (struct text_decoder){ .encoding = encoding, .charset = charset };
	buf_init(&d->carry, SIZE_MAX / 2);
	buf_init(&d->octets, SIZE_MAX / 2);
}

void text_decoder_fini(struct text_decoder *d)
{
	buf_fini(&d->carry);
	buf_fini(&d->octets);
}

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_isdigit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 over pieces: what is not in the alphabet is skipped (RFC 2045 6.8), padding ends a group. */
static void base64_piece(struct text_decoder *d, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		int s = sextet(v.p[i]);
		if (v.p[i] == '=')
			d->nbits = 0;
		if (s < 0)
			continue;
		d->bits = d->bits << 6 | (uint32_t)s;
		d->nbits += 6;
		if (d->nbits >= 8) {
			d->nbits -= 8;
			buf_addc(&d->octets, (char)(d->bits >> d->nbits));
		}
	}
}

/* How much of v can be decoded without knowing what follows: all before a "=" near the end. */
static size_t qp_settled(struct view v)
{
	size_t tail = v.n > SOFT_MAX ? v.n - SOFT_MAX : 0;
	struct view end = view_skip(v, tail);
	size_t eq = view_rfind(end, '=');
	if (eq == SIZE_MAX || view_find(view_skip(end, eq), '\n') != SIZE_MAX)
		return v.n;
	return end.n - eq > 3 && soft_break(end, eq) == eq ? v.n : tail + eq;
}

static void qp_piece(struct text_decoder *d, struct view piece, bool last)
{
	buf_addv(&d->carry, piece);
	struct view v = buf_view(&d->carry);
	size_t n = last ? v.n : qp_settled(v);
	qp_decode(&d->octets, view_head(v, n), false);
	buf_consume(&d->carry, n);
}

void text_decode(struct text_decoder *d, struct view piece, bool last, struct buf *out)
{
	/* What most mail is needs no more than to be passed on. */
	if ((d->encoding == MIME_IDENTITY || d->encoding == MIME_UNKNOWN) && buf_len(&d->octets) == 0 && ascii_only(piece)) {
		buf_addv(out, piece);
		return;
	}
	if (d->encoding == MIME_BASE64)
		base64_piece(d, piece);
	else if (d->encoding == MIME_QUOTED_PRINTABLE)
		qp_piece(d, piece, last);
	else
		buf_addv(&d->octets, piece);
	struct view v = buf_view(&d->octets);
	size_t n = v.n - (last ? 0 : utf8_cut_tail(v));
	charset_to_utf8(out, d->charset, view_head(v, n));
	buf_consume(&d->octets, n);
}
