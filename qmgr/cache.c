/* SPDX-License-Identifier: ISC */
#include "qmgr/cache.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct cached {
	char *p;
	size_t n;
	uint16_t kind;
};

struct cache {
	struct map64 *map;
	size_t octets, max;
};

struct cache *cache_new(size_t octets_max)
{
	struct cache *c = mem_new(sizeof *c);
	c->map = map64_new();
	c->max = octets_max;
	return c;
}

static void free_one(struct cached *e)
{
	free(e->p);
	free(e);
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	size_t it = 0;
	uint64_t key;
	void *e;
	while (map64_next(c->map, &it, &key, &e))
		free_one(e);
	map64_free(c->map);
	free(c);
}

void cache_drop(struct cache *c, uint64_t number)
{
	struct cached *e = map64_del(c->map, number);
	if (!e)
		return;
	c->octets -= e->n;
	free_one(e);
}

void cache_put(struct cache *c, uint64_t number, uint16_t kind, char *payload, size_t n)
{
	cache_drop(c, number);
	if (n > c->max - c->octets) {
		free(payload);
		return;
	}
	struct cached *e = mem_new(sizeof *e);
	*e = (struct cached){ payload, n, kind };
	(void)map64_set(c->map, number, e);
	c->octets += n;
}

bool cache_get(const struct cache *c, uint64_t number, uint16_t *kind, struct view *payload)
{
	const struct cached *e = map64_get(c->map, number);
	if (!e)
		return false;
	*kind = e->kind;
	*payload = view_make(e->p, e->n);
	return true;
}
