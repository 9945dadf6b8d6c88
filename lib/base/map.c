/* SPDX-License-Identifier: ISC */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

/* The process' seed: written once, before the first map is made. */
static struct {
	uint64_t k0, k1;
} seed = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

void map_seed(uint64_t k0, uint64_t k1)
{
	seed.k0 = k0;
	seed.k1 = k1;
}

static uint64_t rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

uint64_t map_hash(struct view key)
{
	uint64_t v[4] = { seed.k0 ^ 0x736f6d6570736575, seed.k1 ^ 0x646f72616e646f6d, seed.k0 ^ 0x6c7967656e657261,
		seed.k1 ^ 0x7465646279746573 };
	uint64_t last = (uint64_t)key.n << 56;
	size_t whole = key.n & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8)
		sip_word(v, le64_get(key.p + i));
	for (size_t i = whole; i < key.n; i++)
		last |= (uint64_t)(uint8_t)key.p[i] << 8 * (i & 7);
	sip_word(v, last);
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * One table serves both kinds of maps. Entries lie in the order of their coming; slots, a power of two and at least twice
 * as many, say where: open addressing with linear probing. A removal leaves a hole among the entries and a grave among
 * the slots, so that nothing moves during a walk; when the entries are full, the table is built anew to the size of what
 * lives.
 */
struct entry {
	uint64_t hash;
	uint64_t number; /* the key of a map64, the length of a map's */
	char *key;       /* NULL in a map64 */
	void *value;     /* NULL: a hole */
};

enum { FREE = 0, GRAVE = 1, FIRST = 2 /* slot = FIRST + number of the entry */ };

struct table {
	struct entry *entries;
	uint32_t *slots;
	size_t cap;   /* of entries; slots are twice that */
	size_t used;  /* entries, holes included */
	size_t count; /* without holes */
};

struct map {
	struct table t;
};

struct map64 {
	struct table t;
};

/* A key that is looked for; the bytes are not the table's. */
struct key {
	uint64_t hash, number;
	const char *p;
};

static struct key key_of(struct view v)
{
	return (struct key){ map_hash(v), v.n, v.n ? v.p : "" };
}

static struct key key64_of(uint64_t number)
{
	uint8_t octets[8];

	le64_put(octets, number);
	return (struct key){ map_hash(view_make(octets, sizeof octets)), number, NULL };
}

static bool same(const struct entry *e, const struct key *k)
{
	return e->hash == k->hash && e->number == k->number && (!k->p || memcmp(e->key, k->p, k->number) == 0);
}

/* The slot of the key, or NULL. */
static uint32_t *find(const struct table *t, const struct key *k)
{
	if (t->count == 0)
		return NULL;
	size_t mask = 2 * t->cap - 1;
	for (size_t i = k->hash & mask; t->slots[i] != FREE; i = (i + 1) & mask)
		if (t->slots[i] != GRAVE && same(&t->entries[t->slots[i] - FIRST], k))
			return &t->slots[i];
	return NULL;
}

/* Writes the number of an entry that is in no slot yet into the first that is free. */
static void put_slot(struct table *t, size_t number)
{
	size_t mask = 2 * t->cap - 1, i = t->entries[number].hash & mask;

	while (t->slots[i] >= FIRST)
		i = (i + 1) & mask;
	t->slots[i] = (uint32_t)(FIRST + number);
}

static void rebuild(struct table *t)
{
	struct table new = { .cap = 8 };

	while (new.cap < t->count * 2)
		new.cap *= 2;
	INVARIANT(new.cap <= UINT32_MAX / 4);
	new.entries = mem_array(new.cap, sizeof *new.entries);
	new.slots = mem_array(2 * new.cap, sizeof *new.slots);
	for (size_t i = 0; i < t->used; i++) {
		if (!t->entries[i].value)
			continue;
		new.entries[new.used] = t->entries[i];
		put_slot(&new, new.used++);
	}
	new.count = new.used;
	free(t->entries);
	free(t->slots);
	*t = new;
}

static void *set(struct table *t, const struct key *k, void *value)
{
	INVARIANT(value);
	uint32_t *slot = find(t, k);
	if (slot) {
		struct entry *e = &t->entries[*slot - FIRST];
		void *old = e->value;
		e->value = value;
		return old;
	}
	if (t->used == t->cap)
		rebuild(t);
	struct entry *e = &t->entries[t->used];
	*e = (struct entry){ k->hash, k->number, k->p ? mem_str(view_make(k->p, k->number)) : NULL, value };
	put_slot(t, t->used++);
	t->count++;
	return NULL;
}

static void *get(const struct table *t, const struct key *k)
{
	const uint32_t *slot = find(t, k);

	return slot ? t->entries[*slot - FIRST].value : NULL;
}

static void *del(struct table *t, const struct key *k)
{
	uint32_t *slot = find(t, k);

	if (!slot)
		return NULL;
	struct entry *e = &t->entries[*slot - FIRST];
	void *old = e->value;
	*slot = GRAVE;
	free(e->key);
	e->key = NULL;
	e->value = NULL;
	t->count--;
	return old;
}

static const struct entry *next(const struct table *t, size_t *it)
{
	while (*it < t->used) {
		const struct entry *e = &t->entries[(*it)++];
		if (e->value)
			return e;
	}
	return NULL;
}

static void fini(struct table *t)
{
	for (size_t i = 0; i < t->used; i++)
		free(t->entries[i].key);
	free(t->entries);
	free(t->slots);
}

struct map *map_new(void)
{
	return mem_new(sizeof(struct map));
}

void map_free(struct map *m)
{
	if (m)
		fini(&m->t);
	free(m);
}

size_t map_count(const struct map *m)
{
	return m->t.count;
}

void *map_get(const struct map *m, struct view key)
{
	struct key k = key_of(key);

	return get(&m->t, &k);
}

void *map_set(struct map *m, struct view key, void *value)
{
	struct key k = key_of(key);

	return set(&m->t, &k, value);
}

void *map_del(struct map *m, struct view key)
{
	struct key k = key_of(key);

	return del(&m->t, &k);
}

bool map_next(const struct map *m, size_t *it, struct view *key, void **value)
{
	const struct entry *e = next(&m->t, it);

	if (!e)
		return false;
	*key = view_make(e->key, e->number);
	*value = e->value;
	return true;
}

struct map64 *map64_new(void)
{
	return mem_new(sizeof(struct map64));
}

void map64_free(struct map64 *m)
{
	if (m)
		fini(&m->t);
	free(m);
}

size_t map64_count(const struct map64 *m)
{
	return m->t.count;
}

void *map64_get(const struct map64 *m, uint64_t key)
{
	struct key k = key64_of(key);

	return get(&m->t, &k);
}

void *map64_set(struct map64 *m, uint64_t key, void *value)
{
	struct key k = key64_of(key);

	return set(&m->t, &k, value);
}

void *map64_del(struct map64 *m, uint64_t key)
{
	struct key k = key64_of(key);

	return del(&m->t, &k);
}

bool map64_next(const struct map64 *m, size_t *it, uint64_t *key, void **value)
{
	const struct entry *e = next(&m->t, it);

	if (!e)
		return false;
	*key = e->number;
	*value = e->value;
	return true;
}
