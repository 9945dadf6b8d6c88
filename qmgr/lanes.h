/* SPDX-License-Identifier: ISC */
/*
 * Lanes: whose turn it is. What is ready for a group of agents (one local-delivery, or those of a next hop) stands in lanes, one for each pair of
 * tenant and destination. Every other turn is a tenant's, and goes round its destinations; the turns between are a destination's, and go round
 * its tenants. So neither a flood of one sender, to whomever it goes, nor one to a single destination, by however many senders, delays the
 * others by more than a few deliveries. Where so much is out to a destination that no more may be begun, its lanes have no turns. Pure.
 */
#ifndef POSTRIDER_QMGR_LANES_H
#define POSTRIDER_QMGR_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is ready of a message: those of its recipients whose index is in [from, to), as far as they are pending and the group's. */
struct ready {
	uint64_t number;
	uint32_t from, to;
};

#define LANES_MAX 100000  /* lanes of their own for pairs of which both are known: what is ready beyond shares lanes, which bounds memory */
#define LANES_OF_ONE 1000 /* the same for one tenant, and for one destination: no single flood takes the lanes of the others */
#define LANES_SHARED 256u /* destinations, and tenants, for which lanes that are shared stand */

struct lanes;
struct lanes *lanes_new(void);
void lanes_free(struct lanes *l);
/*
 * Puts it behind the others of its lane. all: how many lanes there are, here and elsewhere. From LANES_MAX on tenants that have lanes share them where
 * they write to destinations that have some; from LANES_OF_ONE on several destinations of one tenant, or several tenants of one destination, do. A
 * tenant without any lane, and a destination without any, gets one of its own, so that what is ready first waits for at most a turn of each of the
 * others: of the tenants or of the destinations, of whichever there are fewer. There are never more than LANES_MAX lanes, one for each tenant and
 * each destination, and those that are shared.
 */
void lanes_add(struct lanes *l, size_t all, uint32_t tenant, uint32_t dest, struct ready r);
/*
 * Takes the first of the lane whose turn it is, and says where it leads, as it was added or shared; false when nothing may go. goes (NULL: all may) says
 * whether to this destination another may be begun; one to which none may has no turns until lanes_go_on asks again.
 */
bool lanes_take(struct lanes *l, bool (*goes)(void *arg, uint32_t dest), void *arg, struct ready *r, uint32_t *dest);
/* Something was delivered, or given up: asks for each destination that has no turns. There are no more of these than were begun and are not over. */
void lanes_go_on(struct lanes *l, bool (*goes)(void *arg, uint32_t dest), void *arg);
/* How many are ready, and in how many lanes. */
size_t lanes_count(const struct lanes *l);
size_t lanes_lanes(const struct lanes *l);

#endif
