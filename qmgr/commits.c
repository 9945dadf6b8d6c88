/* SPDX-License-Identifier: ISC */
#include "qmgr/commits.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

/*
 * A ring of entries, and an index from an id to its place in the ring: open addressing over twice as many slots, each place + 1, 0 when empty.
 * 40 octets a commit.
 */
struct commits {
	struct commit_entry *ring;
	uint32_t *index;
	size_t cap, first, n; /* cap: a power of two */
};

struct commits *commits_new(void)
{
	return mem_new(sizeof(struct commits));
}

void commits_free(struct commits *c)
{
	free(c->index);
	free(c->ring);
	free(c);
}

size_t commits_count(const struct commits *c)
{
	return c->n;
}

const struct commit_entry *commits_at(const struct commits *c, size_t i)
{
	return &c->ring[(c->first + i) & (c->cap - 1)];
}

/* Ids come from outside: the keyed hash keeps anybody from choosing those that meet. */
static size_t home_of(const struct commits *c, const char *id)
{
	return map_hash(view_make(id, COMMIT_ID)) & (2 * c->cap - 1);
}

/* The slot of the id, or the empty one where it would stand. There is always one: at most half are taken. */
static size_t slot_of(const struct commits *c, const char *id)
{
	size_t i = home_of(c, id);
	while (c->index[i] && memcmp(c->ring[c->index[i] - 1].id, id, COMMIT_ID) != 0)
		i = (i + 1) & (2 * c->cap - 1);
	return i;
}

/* Closes the gap, so that no search ends early (Knuth's algorithm R). */
static void index_remove(struct commits *c, size_t i)
{
	size_t mask = 2 * c->cap - 1;
	c->index[i] = 0;
	for (size_t j = (i + 1) & mask; c->index[j]; j = (j + 1) & mask) {
		size_t home = home_of(c, c->ring[c->index[j] - 1].id);
		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		c->index[i] = c->index[j];
		c->index[j] = 0;
		i = j;
	}
}

static void drop_oldest(struct commits *c)
{
	index_remove(c, slot_of(c, c->ring[c->first].id));
	c->first = (c->first + 1) & (c->cap - 1);
	c->n--;
}

static void grow(struct commits *c)
{
	size_t cap = c->cap ? c->cap * 2 : 256;
	struct commit_entry *ring = mem_array(cap, sizeof *ring);
	for (size_t i = 0; i < c->n; i++)
		ring[i] = *commits_at(c, i);
	free(c->ring);
	free(c->index);
	c->ring = ring;
	c->cap = cap;
	c->first = 0;
	c->index = mem_array(2 * cap, sizeof *c->index);
	for (size_t i = 0; i < c->n; i++)
		c->index[slot_of(c, ring[i].id)] = (uint32_t)(i + 1);
}

void commits_add(struct commits *c, struct view id, uint64_t number, uint64_t at)
{
	if (id.n != COMMIT_ID || commits_find(c, id))
		return;
	if (c->n == COMMITS_MAX)
		drop_oldest(c);
	if (c->n == c->cap)
		grow(c);
	size_t i = (c->first + c->n++) & (c->cap - 1);
	c->index[slot_of(c, id.p)] = (uint32_t)(i + 1);
	memcpy(c->ring[i].id, id.p, COMMIT_ID);
	c->ring[i].number = number;
	c->ring[i].at = at;
}

uint64_t commits_find(const struct commits *c, struct view id)
{
	if (id.n != COMMIT_ID || c->n == 0)
		return 0;
	uint32_t place = c->index[slot_of(c, id.p)];
	return place ? c->ring[place - 1].number : 0;
}

void commits_forget(struct commits *c, uint64_t before)
{
	while (c->n && c->ring[c->first].at < before)
		drop_oldest(c);
}
