/* SPDX-License-Identifier: ISC */
#include "qmgr/commits.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

/* A ring of entries, and a map from an id to its place in the ring (place + 1). */
struct commits {
	struct commit_entry *ring;
	size_t cap, first, n;
	struct map *map;
};

struct commits *commits_new(void)
{
	struct commits *c = mem_new(sizeof *c);
	c->map = map_new();
	return c;
}

void commits_free(struct commits *c)
{
	map_free(c->map);
	free(c->ring);
	free(c);
}

size_t commits_count(const struct commits *c)
{
	return c->n;
}

const struct commit_entry *commits_at(const struct commits *c, size_t i)
{
	return &c->ring[(c->first + i) % c->cap];
}

static void drop_oldest(struct commits *c)
{
	(void)map_del(c->map, view_make(c->ring[c->first].id, COMMIT_ID));
	c->first = (c->first + 1) % c->cap;
	c->n--;
}

static void grow(struct commits *c)
{
	size_t cap = c->cap ? c->cap * 2 : 256;
	struct commit_entry *ring = mem_array(cap, sizeof *ring);
	for (size_t i = 0; i < c->n; i++)
		ring[i] = *commits_at(c, i);
	free(c->ring);
	c->ring = ring;
	c->cap = cap;
	c->first = 0;
	for (size_t i = 0; i < c->n; i++)
		(void)map_set(c->map, view_make(ring[i].id, COMMIT_ID), (void *)(uintptr_t)(i + 1));
}

void commits_add(struct commits *c, struct view id, uint64_t number, uint64_t at)
{
	if (id.n != COMMIT_ID || map_get(c->map, id))
		return;
	if (c->n == COMMITS_MAX)
		drop_oldest(c);
	if (c->n == c->cap)
		grow(c);
	size_t i = (c->first + c->n++) % c->cap;
	memcpy(c->ring[i].id, id.p, COMMIT_ID);
	c->ring[i].number = number;
	c->ring[i].at = at;
	(void)map_set(c->map, id, (void *)(uintptr_t)(i + 1));
}

uint64_t commits_find(const struct commits *c, struct view id)
{
	uintptr_t i = (uintptr_t)map_get(c->map, id);
	return i ? c->ring[i - 1].number : 0;
}

void commits_forget(struct commits *c, uint64_t before)
{
	while (c->n && c->ring[c->first].at < before)
		drop_oldest(c);
}
