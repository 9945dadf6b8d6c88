/* SPDX-License-Identifier: ISC */
/*
 * The floor: the oldest message of which a local delivery may have happened without its result being durable. Local-delivery needs to
 * remember no delivery below it. A message is out from its first offer (or from the start, where an earlier process may have offered it) until all
 * its parts are settled; MSG_OUT says so, and this holds the numbers in a heap, from which those that are out no more fall when they come to the top.
 */
#ifndef POSTRIDER_QMGR_FLOOR_H
#define POSTRIDER_QMGR_FLOOR_H

#include <stdint.h>

#include "qmgr/state.h"

struct floor;
struct floor *floor_new(const struct state *s);
void floor_free(struct floor *f);
/* Sets MSG_OUT. */
void floor_out(struct floor *f, struct message *m);
void floor_in(struct message *m);
/* UINT64_MAX: nothing is out. */
uint64_t floor_get(struct floor *f);

#endif
