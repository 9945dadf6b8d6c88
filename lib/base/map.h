/* SPDX-License-Identifier: ISC */
/*
 * Hash maps: from octet strings and from 64-bit numbers to pointers. Keys are copied; values belong to the caller. The
 * hash is keyed with a random seed of the process (map_seed), so that a peer cannot choose colliding keys.
 */
#ifndef POSTRIDER_BASE_MAP_H
#define POSTRIDER_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

/* Gives the process its seed; called once, from the daemon skeleton. Without it the seed is a constant (tests). */
void map_seed(uint64_t k0, uint64_t k1);
/* The keyed hash (SipHash-1-3) itself. */
uint64_t map_hash(struct view v);

struct map;
struct map *map_new(void);
void map_free(struct map *m);
size_t map_count(const struct map *m);
/* The value, or NULL. */
void *map_get(const struct map *m, struct view key);
/* Sets the value (not NULL) and gives back the old one, or NULL. */
void *map_set(struct map *m, struct view key, void *value);
/* Removes the key and gives back its value, or NULL. */
void *map_del(struct map *m, struct view key);
/*
 * Walks in no order: start with *it = 0; false at the end. The map may not gain keys during a walk; the key just
 * given may be removed.
 */
bool map_next(const struct map *m, size_t *it, struct view *key, void **value);

struct map64;
struct map64 *map64_new(void);
void map64_free(struct map64 *m);
size_t map64_count(const struct map64 *m);
void *map64_get(const struct map64 *m, uint64_t key);
void *map64_set(struct map64 *m, uint64_t key, void *value);
void *map64_del(struct map64 *m, uint64_t key);
bool map64_next(const struct map64 *m, size_t *it, uint64_t *key, void **value);

#endif
