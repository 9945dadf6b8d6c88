/* SPDX-License-Identifier: ISC */
/*
 * Lanes: whose turn it is. What is ready for a group of agents (one local-delivery, or all of smtp-client) stands in lanes, one for each pair of
 * tenant and destination. Tenants take turns, and so do a tenant's destinations, so that a flood of one sender delays the others by one
 * delivery a turn, and a slow destination only those who write to it. Pure.
 */
#ifndef POSTRIDER_QMGR_LANES_H
#define POSTRIDER_QMGR_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lanes;
struct lanes *lanes_new(void);
void lanes_free(struct lanes *l);
/* Puts a message behind the others of its lane. */
void lanes_add(struct lanes *l, uint32_t tenant, uint32_t dest, uint64_t number);
/* Takes the first of the lane whose turn it is; false when nothing is ready. */
bool lanes_take(struct lanes *l, uint64_t *number);
/* How many are ready, and in how many lanes. */
size_t lanes_count(const struct lanes *l);
size_t lanes_lanes(const struct lanes *l);

#endif
