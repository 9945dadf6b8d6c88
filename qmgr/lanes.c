/* SPDX-License-Identifier: ISC */
#include "qmgr/lanes.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

/* A ring of numbers; a lane exists while it holds one, a tenant while it has a lane. */
struct lane {
	struct list node;
	struct tenant *tenant;
	uint64_t key;
	uint64_t *ring;
	size_t cap, first, n;
};

struct tenant {
	struct list node;
	struct list turn; /* its lanes, the one whose turn it is first */
	uint32_t key;
};

struct lanes {
	struct list turn; /* the tenants, likewise */
	struct map64 *tenants, *lanes;
	size_t n;
};

struct lanes *lanes_new(void)
{
	struct lanes *l = mem_new(sizeof *l);
	list_init(&l->turn);
	l->tenants = map64_new();
	l->lanes = map64_new();
	return l;
}

static void drop(struct lanes *l, struct lane *lane)
{
	struct tenant *t = lane->tenant;
	list_remove(&lane->node);
	(void)map64_del(l->lanes, lane->key);
	free(lane->ring);
	free(lane);
	if (!list_empty(&t->turn))
		return;
	list_remove(&t->node);
	(void)map64_del(l->tenants, t->key);
	free(t);
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	for (struct list *t; (t = list_first(&l->turn)) != NULL;)
		drop(l, LIST_OF(list_first(&LIST_OF(t, struct tenant, node)->turn), struct lane, node));
	map64_free(l->tenants);
	map64_free(l->lanes);
	free(l);
}

static struct tenant *tenant_of(struct lanes *l, uint32_t key)
{
	struct tenant *t = map64_get(l->tenants, key);
	if (t)
		return t;
	t = mem_new(sizeof *t);
	t->key = key;
	list_init(&t->turn);
	(void)map64_set(l->tenants, key, t);
	list_append(&l->turn, &t->node);
	return t;
}

static struct lane *lane_of(struct lanes *l, uint32_t tenant, uint32_t dest)
{
	uint64_t key = (uint64_t)tenant << 32 | dest;
	struct lane *lane = map64_get(l->lanes, key);
	if (lane)
		return lane;
	lane = mem_new(sizeof *lane);
	lane->key = key;
	lane->tenant = tenant_of(l, tenant);
	(void)map64_set(l->lanes, key, lane);
	list_append(&lane->tenant->turn, &lane->node);
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
	struct lane *lane = lane_of(l, tenant, dest);
	if (lane->n == lane->cap)
		grow(lane);
	lane->ring[(lane->first + lane->n++) % lane->cap] = number;
	l->n++;
}

static void to_the_end(struct list *head, struct list *node)
{
	list_remove(node);
	list_append(head, node);
}

bool lanes_take(struct lanes *l, uint64_t *number)
{
	struct list *first = list_first(&l->turn);
	if (!first)
		return false;
	struct tenant *t = LIST_OF(first, struct tenant, node);
	struct lane *lane = LIST_OF(list_first(&t->turn), struct lane, node);
	*number = lane->ring[lane->first];
	lane->first = (lane->first + 1) % lane->cap;
	l->n--;
	to_the_end(&l->turn, &t->node);
	to_the_end(&t->turn, &lane->node);
	if (--lane->n == 0)
		drop(l, lane);
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
