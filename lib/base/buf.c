/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

enum { LEAST_CAP = 64 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
	free(b->mem);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->off = b->n = 0;
	b->over = false;
}

static void grow(struct buf *b, size_t need)
{
	size_t cap = b->cap > SIZE_MAX / 2 ? SIZE_MAX : b->cap * 2;

	if (cap < LEAST_CAP)
		cap = LEAST_CAP;
	/* Doubling past the maximum would only waste; one octet more leaves place for buf_str's NUL. */
	if (b->max < SIZE_MAX && cap > b->max + 1)
		cap = b->max + 1;
	if (cap < need)
		cap = need;
	if (b->off) {
		/* A move is due anyhow: leave the consumed octets behind. */
		char *mem = mem_resize(NULL, cap);
		memcpy(mem, b->mem + b->off, b->n);
		free(b->mem);
		b->mem = mem;
		b->off = 0;
	} else {
		b->mem = mem_resize(b->mem, cap);
	}
	b->cap = cap;
}

/*
 * Makes place for n octets behind the bytes. Moving the bytes down is done only when at least as much was consumed as is
 * moved, so that each octet is paid for once.
 */
static void reserve(struct buf *b, size_t n)
{
	if (n <= b->cap - b->off - b->n)
		return;
	INVARIANT(n <= SIZE_MAX - b->n);
	if (b->off >= b->n && n <= b->cap - b->n) {
		if (b->n)
			memmove(b->mem, b->mem + b->off, b->n);
		b->off = 0;
		return;
	}
	grow(b, b->n + n);
}

char *buf_room(struct buf *b, size_t n)
{
	if (n > b->max - b->n) {
		b->over = true;
		return NULL;
	}
	/* Something to point at, even for no octets. */
	reserve(b, n ? n : b->mem == NULL);
	return b->mem + b->off + b->n;
}

void buf_commit(struct buf *b, size_t k)
{
	INVARIANT(k <= b->cap - b->off - b->n && k <= b->max - b->n);
	b->n += k;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	char *to = buf_room(b, n);
	if (!to)
		return;
	memcpy(to, p, n);
	b->n += n;
}

void buf_addv(struct buf *b, struct view v)
{
	buf_add(b, v.p, v.n);
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addu(struct buf *b, uint64_t u)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + u % 10);
	while (u /= 10);
	buf_add(b, digits + at, sizeof digits - at);
}

void buf_addi(struct buf *b, int64_t i)
{
	/* In one piece, so that a refusal adds nothing. */
	char *to = i < 0 ? buf_room(b, 1) : NULL;

	if (i >= 0) {
		buf_addu(b, (uint64_t)i);
		return;
	}
	if (!to)
		return;
	size_t before = b->n;
	bool was_over = b->over;
	b->over = false;
	*to = '-';
	b->n++;
	buf_addu(b, 0 - (uint64_t)i);
	if (b->over)
		b->n = before;
	b->over |= was_over;
}

void buf_addhex(struct buf *b, const void *p, size_t n)
{
	const uint8_t *octet = p;

	if (n > SIZE_MAX / 2) {
		b->over = true;
		return;
	}
	char *to = buf_room(b, 2 * n);
	if (!to)
		return;
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = "0123456789abcdef"[octet[i] >> 4];
		to[2 * i + 1] = "0123456789abcdef"[octet[i] & 15];
	}
	b->n += 2 * n;
}

void buf_addjson(struct buf *b, struct view v)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < v.n; i++) {
		unsigned char ch = (unsigned char)v.p[i];

		if (ch == '"' || ch == '\\')
			buf_addc(b, '\\');
		if (ch < 0x20 || ch == 0x7f)
			buf_printf(b, "\\u%04x", ch);
		else
			buf_addc(b, v.p[i]);
	}
	buf_addc(b, '"');
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	INVARIANT(n >= 0);
	if ((size_t)n > b->max - b->n) {
		b->over = true;
		return;
	}
	/* vsnprintf writes a NUL too, which is not counted. */
	reserve(b, (size_t)n + 1);
	vsnprintf(b->mem + b->off + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_put8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void buf_put16(struct buf *b, uint16_t v)
{
	uint8_t octets[2];

	le16_put(octets, v);
	buf_add(b, octets, sizeof octets);
}

void buf_put32(struct buf *b, uint32_t v)
{
	uint8_t octets[4];

	le32_put(octets, v);
	buf_add(b, octets, sizeof octets);
}

void buf_put64(struct buf *b, uint64_t v)
{
	uint8_t octets[8];

	le64_put(octets, v);
	buf_add(b, octets, sizeof octets);
}

void buf_consume(struct buf *b, size_t k)
{
	if (k >= b->n) {
		b->off = b->n = 0;
		return;
	}
	b->off += k;
	b->n -= k;
}

void buf_cut(struct buf *b, size_t n)
{
	if (n < b->n)
		b->n = n;
}

const char *buf_str(struct buf *b)
{
	if (b->n == 0)
		return "";
	reserve(b, 1);
	b->mem[b->off + b->n] = '\0';
	return b->mem + b->off;
}

void buf_shrink(struct buf *b)
{
	if (b->n)
		return;
	free(b->mem);
	b->mem = NULL;
	b->off = b->cap = 0;
}

/* Puts the bytes into mem, of cap octets, and gives the old memory. */
static char *move(struct buf *b, char *mem, size_t cap)
{
	char *old = b->mem;

	if (b->n)
		memcpy(mem, old + b->off, b->n);
	b->mem = mem;
	b->cap = cap;
	b->off = 0;
	return old;
}

void buf_borrow(struct buf *b, struct buf *spare)
{
	if (b->cap >= spare->max)
		return;
	free(move(b, spare->mem ? spare->mem : mem_resize(NULL, spare->max), spare->max));
	spare->mem = NULL;
}

void buf_give_back(struct buf *b, struct buf *spare)
{
	if (b->cap != spare->max || spare->mem || b->n > b->cap / 2) {
		buf_shrink(b);
		return;
	}
	spare->mem = move(b, b->n ? mem_resize(NULL, b->n) : NULL, b->n);
}
