/* SPDX-License-Identifier: ISC */
#include "local-delivery/seen.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"

enum { KEY = 20 };

struct entry {
	struct incoming_id id;
	uint64_t position;
};

/* A queue in the stream's order, and a map from ids to positions (+ 1). */
struct seen {
	struct entry *entries;
	size_t first, n, cap;
	struct map *map; /* NULL while nothing was ever added: most streams of a quiet moment */
};

static struct view key_of(const struct incoming_id *id, char key[KEY])
{
	le64_put(key, id->spool);
	le64_put(key + 8, id->message);
	le32_put(key + 16, id->index);
	return view_make(key, KEY);
}

struct seen *seen_new(void)
{
	return mem_new(sizeof(struct seen));
}

void seen_free(struct seen *s)
{
	if (!s)
		return;
	if (s->map)
		map_free(s->map);
	free(s->entries);
	free(s);
}

static void make_room(struct seen *s)
{
	if (s->first + s->n < s->cap)
		return;
	if (s->first > s->n) { /* more than half is free in front */
		for (size_t i = 0; i < s->n; i++)
			s->entries[i] = s->entries[s->first + i];
		s->first = 0;
		return;
	}
	s->cap = s->cap ? 2 * s->cap : 16;
	s->entries = mem_resize(s->entries, s->cap * sizeof *s->entries);
}

static void forget_first(struct seen *s)
{
	char key[KEY];
	(void)map_del(s->map, key_of(&s->entries[s->first].id, key));
	s->first++;
	if (--s->n == 0)
		s->first = 0;
}

void seen_add(struct seen *s, const struct incoming_id *id, uint64_t position)
{
	char key[KEY];
	if (!s->map)
		s->map = map_new();
	make_room(s);
	s->entries[s->first + s->n++] = (struct entry){ *id, position };
	(void)map_set(s->map, key_of(id, key), (void *)(uintptr_t)(position + 1));
}

bool seen_has(const struct seen *s, const struct incoming_id *id, uint64_t *position)
{
	char key[KEY];
	uintptr_t p = s->n ? (uintptr_t)map_get(s->map, key_of(id, key)) : 0;
	if (p)
		*position = p - 1;
	return p != 0;
}

void seen_prune(struct seen *s, uint64_t spool, uint64_t floor)
{
	while (s->n) {
		const struct incoming_id *id = &s->entries[s->first].id;
		if (id->spool == spool ? id->message >= floor : s->n <= SEEN_FOREIGN)
			break;
		forget_first(s);
	}
}

void seen_undo(struct seen *s, uint64_t from, uint64_t to)
{
	size_t kept = 0;
	char key[KEY];
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[s->first + i];
		if (e->position >= from && e->position < to)
			(void)map_del(s->map, key_of(&e->id, key));
		else
			s->entries[s->first + kept++] = *e;
	}
	s->n = kept;
}

uint64_t seen_back(const struct seen *s, uint64_t none)
{
	return s->n ? s->entries[s->first].position : none;
}

size_t seen_count(const struct seen *s)
{
	return s->n;
}
