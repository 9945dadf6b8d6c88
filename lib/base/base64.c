/* SPDX-License-Identifier: ISC */
#include "base/num.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *b, struct view v)
{
	if (v.n > SIZE_MAX / 4 * 3 - 2) {
		b->over = true;
		return;
	}
	size_t n = (v.n + 2) / 3 * 4;
	char *to = buf_room(b, n);
	if (!to)
		return;
	for (size_t i = 0; i < v.n; i += 3) {
		uint32_t w = (uint32_t)(uint8_t)v.p[i] << 16;
		if (i + 1 < v.n)
			w |= (uint32_t)(uint8_t)v.p[i + 1] << 8;
		if (i + 2 < v.n)
			w |= (uint8_t)v.p[i + 2];
		*to++ = alphabet[w >> 18];
		*to++ = alphabet[w >> 12 & 63];
		*to++ = i + 1 < v.n ? alphabet[w >> 6 & 63] : '=';
		*to++ = i + 2 < v.n ? alphabet[w & 63] : '=';
	}
	buf_commit(b, n);
}

/* The six bits of a letter of the alphabet, or -1. */
static int bits_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four letters to three octets, of which pad do not count; false for foreign letters and for stray bits. */
static bool quantum(const char *in, size_t pad, char out[3])
{
	uint32_t w = 0;

	for (size_t i = 0; i < 4; i++) {
		int bits = i + pad < 4 ? bits_of(in[i]) : 0;
		if (bits < 0)
			return false;
		w = w << 6 | (unsigned)bits;
	}
	out[0] = (char)(w >> 16);
	out[1] = (char)(w >> 8);
	out[2] = (char)w;
	return pad == 0 || (w & (pad == 1 ? 0xffU : 0xffffU)) == 0;
}

bool base64_get(struct buf *b, struct view v)
{
	size_t pad = 0;
	char out[3];

	if (v.n % 4)
		return false;
	if (v.n == 0)
		return true;
	pad = v.p[v.n - 1] != '=' ? 0 : v.p[v.n - 2] != '=' ? 1 : 2;
	size_t n = v.n / 4 * 3 - pad;
	char *to = buf_room(b, n);
	if (!to)
		return false;
	for (size_t i = 0; i < v.n; i += 4, to += 3) {
		size_t missing = i + 4 < v.n ? 0 : pad;
		if (!quantum(v.p + i, missing, out))
			return false;
		for (size_t k = 0; k < 3 - missing; k++)
			to[k] = out[k];
	}
	buf_commit(b, n);
	return true;
}

/* What the lenient decoder holds: the bits of the begun quantum, and octets on their way to the buf. */
struct lenient {
	struct buf *to;
	uint32_t w;
	unsigned letters;
	size_t staged;
	char stage[768];
};

static void unstage(struct lenient *l)
{
	buf_add(l->to, l->stage, l->staged);
	l->staged = 0;
}

/* A quantum of two letters is one octet, of three two; a single letter says nothing. */
static void end_quantum(struct lenient *l)
{
	uint32_t w = l->w << 6 * (4 - l->letters);

	for (unsigned i = 0; i + 1 < l->letters; i++)
		l->stage[l->staged++] = (char)(w >> (16 - 8 * i));
	l->w = l->letters = 0;
	if (l->staged + 3 > sizeof l->stage)
		unstage(l);
}

void base64_get_mime(struct buf *b, struct view v)
{
	struct lenient l = { .to = b };
	size_t before = b->n;
	bool was_over = b->over;

	b->over = false;
	for (size_t i = 0; i < v.n && !b->over; i++) {
		int bits = bits_of(v.p[i]);
		if (bits >= 0) {
			l.w = l.w << 6 | (unsigned)bits;
			l.letters++;
		}
		/* After padding a new coding may follow: bodies are joined by bad gateways. */
		if (l.letters == 4 || (v.p[i] == '=' && l.letters))
			end_quantum(&l);
	}
	if (l.letters)
		end_quantum(&l);
	unstage(&l);
	if (b->over)
		buf_cut(b, before);
	b->over |= was_over;
}
