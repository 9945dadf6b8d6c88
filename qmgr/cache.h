/* SPDX-License-Identifier: ISC */
/* The records of messages that are about to be offered, so that they need not be read back: bounded; past the bound they are read. */
#ifndef POSTRIDER_QMGR_CACHE_H
#define POSTRIDER_QMGR_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

struct cache;
struct cache *cache_new(size_t octets_max);
void cache_free(struct cache *c);
/* Takes the malloc'd payload (it is freed at once where there is no room for it). */
void cache_put(struct cache *c, uint64_t number, uint16_t kind, char *payload, size_t n);
bool cache_get(const struct cache *c, uint64_t number, uint16_t *kind, struct view *payload);
void cache_drop(struct cache *c, uint64_t number);

#endif
