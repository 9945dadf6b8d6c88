/* SPDX-License-Identifier: ISC */
#include "qmgr/lanes.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

/* A ring of numbers; a lane exists while it holds one. */
struct lane {
	struct list node;
	uint64_t key;
	uint64_t *ring;
	size_t cap, first, n;
};

struct lanes {
	struct list turn; /* the lane whose turn it is stands first */
	struct map64 *lanes;
	size_t n;
};

struct lanes *lanes_new(void)
{
	struct lanes *l = mem_new(sizeof *l);
	list_init(&l->turn);
	l->lanes = map64_new();
	return l;
}

static void drop(struct lanes *l, struct lane *lane)
{
	list_remove(&lane->node);
	(void)map64_del(l->lanes, lane->key);
	free(lane->ring);
	free(lane);
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	LIST_EACH (it, tmp, &l->turn)
		drop(l, LIST_OF(it, struct lane, node));
	map64_free(l->lanes);
	free(l);
}

static struct lane *lane_of(struct lanes *l, uint64_t key)
{
	struct lane *lane = map64_get(l->lanes, key);
	if (lane)
		return lane;
	lane = mem_new(sizeof *lane);
	lane->key = key;
	(void)map64_set(l->lanes, key, lane);
	list_append(&l->turn, &lane->node);
	return lane;
}

static void grow(struct lane *lane)
{
	size_t cap = lane->cap ? 2 * lane->cap : 4;
	uint64_t *ring = mem_array(cap, sizeof *ring);
	for (size_t i = 0; i < lane->n; i++)
		ring[i] = lane->ring[(lane->first + i) % lane->cap];
	free(lane->ring);
	lane->ring = ring;
	lane->cap = cap;
	lane->first = 0;
}

void lanes_add(struct lanes *l, uint32_t tenant, uint32_t dest, uint64_t number)
{
	struct lane *lane = lane_of(l, (uint64_t)tenant << 32 | dest);
	if (lane->n == lane->cap)
		grow(lane);
	lane->ring[(lane->first + lane->n++) % lane->cap] = number;
	l->n++;
}

bool lanes_take(struct lanes *l, uint64_t *number)
{
	struct list *first = list_first(&l->turn);
	if (!first)
		return false;
	struct lane *lane = LIST_OF(first, struct lane, node);
	*number = lane->ring[lane->first];
	lane->first = (lane->first + 1) % lane->cap;
	l->n--;
	if (--lane->n == 0) {
		drop(l, lane);
	} else {
		list_remove(first);
		list_append(&l->turn, first);
	}
	return true;
}

size_t lanes_count(const struct lanes *l)
{
	return l->n;
}

size_t lanes_lanes(const struct lanes *l)
{
	return map64_count(l->lanes);
}
