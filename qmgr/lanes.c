/* SPDX-License-Identifier: ISC */
#include "qmgr/lanes.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

/* The two ways in which turns go round. */
enum way { BY_TENANT, BY_DEST, WAYS };

enum { BACK = 2 };

static enum way other(enum way w)
{
	return w == BY_TENANT ? BY_DEST : BY_TENANT;
}

/* A tenant, or a destination: it exists while it has a lane. */
struct line {
	struct list node;  /* in the round where it has a turn; a destination that is stopped is among those, and a tenant all of whose lanes lead there nowhere */
	struct list turn;  /* its lanes, the one whose turn it is first */
	struct list aside; /* of a destination: the lanes that are out of their tenants' turns, since these came to them when it was stopped */
	size_t n;          /* lanes */
	uint32_t key;
	bool stopped;
};

struct place {
	struct list node; /* in the line, or aside */
	struct line *line;
	struct lane *lane;
};

/* A ring of what is ready; a lane exists while it holds something. */
struct lane {
	struct place places[WAYS];
	uint64_t key;
	struct ready *ring;
	size_t cap, first, n;
};

struct round {
	struct list turn; /* the lines, likewise */
	struct map64 *lines;
};

struct lanes {
	struct round rounds[WAYS];
	enum way next; /* whose turn it is */
	struct list stopped; /* destinations */
	struct map64 *lanes;
	size_t n;
};

struct lanes *lanes_new(void)
{
	struct lanes *l = mem_new(sizeof *l);
	list_init(&l->stopped);
	for (unsigned w = 0; w < WAYS; w++) {
		list_init(&l->rounds[w].turn);
		l->rounds[w].lines = map64_new();
	}
	l->lanes = map64_new();
	return l;
}

static void leave(struct round *r, struct place *p)
{
	struct line *line = p->line;
	list_remove(&p->node);
	if (list_empty(&line->turn))
		list_remove(&line->node);
	if (--line->n > 0)
		return;
	(void)map64_del(r->lines, line->key);
	free(line);
}

static void drop(struct lanes *l, struct lane *lane)
{
	for (unsigned w = 0; w < WAYS; w++)
		leave(&l->rounds[w], &lane->places[w]);
	(void)map64_del(l->lanes, lane->key);
	free(lane->ring);
	free(lane);
}

/* The lane whose turn it is in this round; NULL when nothing is ready. */
static struct lane *first_lane(const struct round *r)
{
	struct list *line = list_first(&r->turn);
	if (!line)
		return NULL;
	return LIST_OF(list_first(&LIST_OF(line, struct line, node)->turn), struct place, node)->lane;
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	size_t it = 0;
	uint64_t key;
	void *lane;
	while (map64_next(l->lanes, &it, &key, &lane))
		drop(l, lane);
	for (unsigned w = 0; w < WAYS; w++)
		map64_free(l->rounds[w].lines);
	map64_free(l->lanes);
	free(l);
}

static void enter(struct round *r, struct lane *lane, struct place *p, uint32_t key)
{
	struct line *line = map64_get(r->lines, key);
	if (!line) {
		line = mem_new(sizeof *line);
		line->key = key;
		list_init(&line->node);
		list_init(&line->turn);
		list_init(&line->aside);
		(void)map64_set(r->lines, key, line);
	}
	if (list_empty(&line->node))
		list_append(&r->turn, &line->node);
	p->lane = lane;
	p->line = line;
	list_append(&line->turn, &p->node);
	line->n++;
}

static bool is_many(const struct round *r, uint32_t key)
{
	const struct line *line = map64_get(r->lines, key);
	return line && line->n >= LANES_OF_ONE;
}

/* Those who share have numbers that no account has, and hardly anybody else. */
static uint32_t bucket(uint32_t key)
{
	return UINT32_MAX - key % LANES_SHARED;
}

static bool has_any(const struct round *r, uint32_t key)
{
	return map64_get(r->lines, key) != NULL;
}

/*
 * Whose lane it is where this tenant and this destination have none together. Whoever has nothing ready yet, as tenant or as destination, is a newcomer,
 * whose turn comes when every other's has come once: never in a lane behind those of others, however many lanes there are.
 */
static void share(const struct lanes *l, size_t all, uint32_t *tenant, uint32_t *dest)
{
	const struct round *by_tenant = &l->rounds[BY_TENANT], *by_dest = &l->rounds[BY_DEST];
	bool full = all >= LANES_MAX && has_any(by_tenant, *tenant) && has_any(by_dest, *dest);
	bool of_tenant = is_many(by_tenant, *tenant), of_dest = is_many(by_dest, *dest);
	if (full || of_tenant)
		*dest = bucket(*dest);
	if (full || of_dest)
		*tenant = bucket(*tenant);
}

static uint64_t key_of(uint32_t tenant, uint32_t dest)
{
	return (uint64_t)tenant << 32 | dest;
}

static struct lane *lane_of(struct lanes *l, uint32_t tenant, uint32_t dest)
{
	uint64_t key = key_of(tenant, dest);
	struct lane *lane = map64_get(l->lanes, key);
	if (lane)
		return lane;
	lane = mem_new(sizeof *lane);
	lane->key = key;
	enter(&l->rounds[BY_TENANT], lane, &lane->places[BY_TENANT], tenant);
	enter(&l->rounds[BY_DEST], lane, &lane->places[BY_DEST], dest);
	(void)map64_set(l->lanes, key, lane);
	return lane;
}

static void grow(struct lane *lane)
{
	size_t cap = lane->cap ? 2 * lane->cap : 1;
	struct ready *ring = mem_array(cap, sizeof *ring);
	for (size_t i = 0; i < lane->n; i++)
		ring[i] = lane->ring[(lane->first + i) % lane->cap];
	free(lane->ring);
	lane->ring = ring;
	lane->cap = cap;
	lane->first = 0;
}

void lanes_add(struct lanes *l, size_t all, uint32_t tenant, uint32_t dest, struct ready r)
{
	if (!map64_get(l->lanes, key_of(tenant, dest)))
		share(l, all, &tenant, &dest);
	struct lane *lane = lane_of(l, tenant, dest);
	if (lane->n == lane->cap)
		grow(lane);
	lane->ring[(lane->first + lane->n++) % lane->cap] = r;
	l->n++;
}

/* ---- destinations that are stopped ---- */

static void stop(struct lanes *l, struct line *dest)
{
	if (dest->stopped)
		return;
	dest->stopped = true;
	list_remove(&dest->node);
	list_append(&l->stopped, &dest->node);
}

/* The tenant's turn passes over the lane, until its destination brings it back. */
static void set_aside(struct lane *lane)
{
	struct place *p = &lane->places[BY_TENANT];
	list_remove(&p->node);
	if (list_empty(&p->line->turn))
		list_remove(&p->line->node);
	list_append(&lane->places[BY_DEST].line->aside, &p->node);
}

/* A few at a time, as the destination's turns come: there may be very many. */
static void bring_back(struct lanes *l, struct line *dest)
{
	for (unsigned n = 0; n < BACK && !list_empty(&dest->aside); n++) {
		struct place *p = LIST_OF(list_first(&dest->aside), struct place, node);
		list_remove(&p->node);
		list_append(&p->line->turn, &p->node);
		if (list_empty(&p->line->node))
			list_append(&l->rounds[BY_TENANT].turn, &p->line->node);
	}
}

void lanes_go_on(struct lanes *l, bool (*goes)(void *arg, uint32_t dest), void *arg)
{
	LIST_EACH (it, tmp, &l->stopped) {
		struct line *dest = LIST_OF(it, struct line, node);
		if (!goes(arg, dest->key))
			continue;
		dest->stopped = false;
		list_remove(&dest->node);
		list_append(&l->rounds[BY_DEST].turn, &dest->node);
		bring_back(l, dest);
	}
}

/* The lane whose turn it is, and by which way it came. */
static struct lane *next_lane(struct lanes *l, bool (*goes)(void *arg, uint32_t dest), void *arg, enum way *by)
{
	for (;;) {
		*by = list_empty(&l->rounds[l->next].turn) ? other(l->next) : l->next;
		struct lane *lane = first_lane(&l->rounds[*by]);
		if (!lane)
			return NULL;
		struct line *dest = lane->places[BY_DEST].line;
		if (!dest->stopped && goes && !goes(arg, dest->key))
			stop(l, dest);
		if (!dest->stopped)
			return lane;
		if (*by == BY_TENANT)
			set_aside(lane);
	}
}

static void to_the_end(struct list *head, struct list *node)
{
	list_remove(node);
	list_append(head, node);
}

bool lanes_take(struct lanes *l, bool (*goes)(void *arg, uint32_t dest), void *arg, struct ready *r, uint32_t *dest)
{
	enum way by;
	struct lane *lane = next_lane(l, goes, arg, &by);
	if (!lane)
		return false;
	struct place *p = &lane->places[by];
	*r = lane->ring[lane->first];
	*dest = lane->places[BY_DEST].line->key;
	lane->first = (lane->first + 1) % lane->cap;
	l->n--;
	to_the_end(&l->rounds[by].turn, &p->line->node);
	to_the_end(&p->line->turn, &p->node);
	bring_back(l, lane->places[BY_DEST].line);
	l->next = other(l->next);
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
