/* SPDX-License-Identifier: ISC */
#include "proto/xtext.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One octet of the text at *i, which is moved behind it; -1 where it is no xtext. */
static int get_one(struct view v, size_t *i)
{
	unsigned char c = (unsigned char)v.p[(*i)++];

	if (c < 0x21 || c > 0x7e || c == '=')
		return -1;
	if (c != '+')
		return c;
	if (v.n - *i < 2)
		return -1;
	int high = hex_value(v.p[*i]), low = hex_value(v.p[*i + 1]);
	*i += 2;
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool xtext_get(struct buf *b, struct view v)
{
	size_t before = buf_len(b);

	for (size_t i = 0; i < v.n;) {
		int c = get_one(v, &i);
		if (c < 0) {
			buf_cut(b, before);
			return false;
		}
		buf_addc(b, (char)c);
	}
	return buf_ok(b);
}

void xtext_put(struct buf *b, struct view v)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if (c >= 0x21 && c <= 0x7e && c != '+' && c != '=') {
			buf_addc(b, (char)c);
			continue;
		}
		buf_addc(b, '+');
		buf_addc(b, digits[c >> 4]);
		buf_addc(b, digits[c & 15]);
	}
}
