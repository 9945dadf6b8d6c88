/* SPDX-License-Identifier: ISC */
#include "mailbox/uidset.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mailbox/varint.h"

void uidset_fini(struct uidset *s)
{
	free(s->ranges);
	*s = (struct uidset){ 0 };
}

/* The first range that ends at uid or behind it. */
static size_t lower(const struct uidset *s, uint32_t uid)
{
	size_t lo = 0, hi = s->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->ranges[mid].last < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool uidset_has(const struct uidset *s, uint32_t uid)
{
	size_t i = lower(s, uid);
	return i < s->n && s->ranges[i].first <= uid;
}

static void insert(struct uidset *s, size_t at, struct uid_range r)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->ranges = mem_resize(s->ranges, s->cap * sizeof *s->ranges);
	}
	memmove(s->ranges + at + 1, s->ranges + at, (s->n - at) * sizeof *s->ranges);
	s->ranges[at] = r;
	s->n++;
}

void uidset_add_range(struct uidset *s, uint32_t first, uint32_t last)
{
	INVARIANT(first >= 1 && first <= last);
	size_t at = lower(s, first - 1); /* the first that touches or lies behind */
	size_t end = at;
	struct uid_range r = { first, last };
	while (end < s->n && (last == UINT32_MAX || s->ranges[end].first <= last + 1)) {
		if (s->ranges[end].first < r.first)
			r.first = s->ranges[end].first;
		if (s->ranges[end].last > r.last)
			r.last = s->ranges[end].last;
		end++;
	}
	if (end == at) {
		insert(s, at, r);
		return;
	}
	s->ranges[at] = r;
	memmove(s->ranges + at + 1, s->ranges + end, (s->n - end) * sizeof *s->ranges);
	s->n -= end - at - 1;
}

void uidset_add(struct uidset *s, uint32_t uid)
{
	if (s->n && uid != 1 && s->ranges[s->n - 1].last == uid - 1)
		s->ranges[s->n - 1].last = uid;
	else
		uidset_add_range(s, uid, uid);
}

uint64_t uidset_count(const struct uidset *s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		n += (uint64_t)s->ranges[i].last - s->ranges[i].first + 1;
	return n;
}

void uidset_put_text(struct buf *b, const struct uidset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			buf_addc(b, ',');
		buf_addu(b, s->ranges[i].first);
		if (s->ranges[i].last != s->ranges[i].first) {
			buf_addc(b, ':');
			buf_addu(b, s->ranges[i].last);
		}
	}
}

/* Pairs: the gap before the range, and its length less one. */
void uidset_put(struct buf *b, const struct uidset *s)
{
	uint32_t at = 0;
	for (size_t i = 0; i < s->n; i++) {
		varint_put(b, s->ranges[i].first - at);
		varint_put(b, s->ranges[i].last - s->ranges[i].first);
		at = s->ranges[i].last;
	}
}

bool uidset_get(struct view v, struct uidset *s)
{
	*s = (struct uidset){ 0 };
	uint64_t at = 0, gap, more;
	while (v.n) {
		if (!varint_get(&v, &gap) || !varint_get(&v, &more) || gap == 0 || gap > UINT32_MAX || more > UINT32_MAX ||
			at + gap + more > UINT32_MAX) {
			uidset_fini(s);
			return false;
		}
		insert(s, s->n, (struct uid_range){ (uint32_t)(at + gap), (uint32_t)(at + gap + more) });
		at += gap + more;
	}
	return true;
}
