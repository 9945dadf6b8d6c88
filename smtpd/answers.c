/* SPDX-License-Identifier: ISC */
#include "smtpd/answers.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

struct answers {
	struct map *map;
	size_t octets;
};

struct answer *answer_new(struct view sealed)
{
	struct answer *a = mem_new(sizeof *a + sealed.n);
	char *copy = (char *)(a + 1);

	if (sealed.n)
		memcpy(copy, sealed.p, sealed.n);
	a->refs = 1;
	a->sealed = view_make(copy, sealed.n);
	return a;
}

struct answer *answer_ref(struct answer *a)
{
	a->refs++;
	return a;
}

void answer_unref(struct answer *a)
{
	if (a && --a->refs == 0)
		free(a);
}

struct answers *answers_new(void)
{
	struct answers *t = mem_new(sizeof *t);

	t->map = map_new();
	return t;
}

void answers_clear(struct answers *t)
{
	size_t it = 0;
	struct view key;
	void *value;

	while (map_next(t->map, &it, &key, &value))
		answer_unref(value);
	map_free(t->map);
	t->map = map_new();
	t->octets = 0;
}

void answers_free(struct answers *t)
{
	answers_clear(t);
	map_free(t->map);
	free(t);
}

static size_t cost(struct view key, const struct answer *a)
{
	return sizeof *a + a->sealed.n + key.n;
}

static void forget(struct answers *t, struct view key, struct answer *a)
{
	t->octets -= cost(key, a);
	map_del(t->map, key);
	answer_unref(a);
}

struct answer *answers_get(struct answers *t, struct view key, uint64_t now)
{
	struct answer *a = map_get(t->map, key);

	if (!a)
		return NULL;
	if (a->until > now)
		return answer_ref(a);
	forget(t, key, a);
	return NULL;
}

void answers_put(struct answers *t, struct view key, struct answer *a, uint64_t now)
{
	struct answer *old = map_get(t->map, key);

	if (old)
		forget(t, key, old);
	if (map_count(t->map) >= ANSWERS_MAX || t->octets + cost(key, a) > ANSWERS_OCTETS)
		answers_clear(t);
	a->until = now + ANSWERS_LIFE;
	t->octets += cost(key, a);
	map_set(t->map, key, answer_ref(a));
}
