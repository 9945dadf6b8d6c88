/* SPDX-License-Identifier: ISC */
#include "proto/imap_set.h"

#include <stdlib.h>

#include "base/num.h"

static bool number(struct view v, uint32_t *n)
{
	if (view_eqs(v, "*")) {
		*n = 0;
		return true;
	}
	return num_u32(v, UINT32_MAX, n) && *n > 0;
}

static bool range(struct view v, struct imap_range *r)
{
	struct view lo;
	view_cut(&v, ':', &lo);
	if (!number(lo, &r->lo))
		return false;
	r->hi = r->lo;
	return v.p == NULL || number(v, &r->hi);
}

bool imap_set_parse(struct arena *a, struct view v, struct imap_set *s)
{
	size_t commas = 0;
	for (size_t i = 0; i < v.n; i++)
		commas += v.p[i] == ',';
	*s = (struct imap_set){ .range = arena_alloc(a, (commas + 1) * sizeof(struct imap_range)) };
	struct view rest = v, piece;
	while (view_cut(&rest, ',', &piece))
		if (!range(piece, &s->range[s->n++]))
			return false;
	return s->n > 0;
}

static int by_lo(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void resolve_one(struct imap_range *r, uint32_t star)
{
	r->lo = r->lo ? r->lo : star;
	r->hi = r->hi ? r->hi : star;
	if (r->lo > r->hi)
		*r = (struct imap_range){ r->hi, r->lo };
}

void imap_set_resolve(struct imap_set *s, uint32_t star)
{
	for (size_t i = 0; i < s->n; i++)
		resolve_one(&s->range[i], star);
	if (s->n == 0)
		return;
	qsort(s->range, s->n, sizeof(*s->range), by_lo);
	size_t n = 0;
	for (size_t i = 1; i < s->n; i++) {
		struct imap_range *last = &s->range[n], next = s->range[i];
		if (last->hi == UINT32_MAX || next.lo <= last->hi + 1)
			last->hi = next.hi > last->hi ? next.hi : last->hi;
		else
			s->range[++n] = next;
	}
	s->n = n + 1;
}

bool imap_set_has(const struct imap_set *s, uint32_t n)
{
	size_t lo = 0, hi = s->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->range[mid].hi < n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->range[lo].lo <= n;
}

uint64_t imap_set_count(const struct imap_set *s)
{
	uint64_t total = 0;
	for (size_t i = 0; i < s->n; i++)
		total += (uint64_t)s->range[i].hi - s->range[i].lo + 1;
	return total;
}
