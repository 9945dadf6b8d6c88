/* SPDX-License-Identifier: ISC */
/* How the state lies in memory: for state.c, table.c, heap.c and checkpoint.c alone. */
#ifndef POSTRIDER_QMGR_STATE_PRIVATE_H
#define POSTRIDER_QMGR_STATE_PRIVATE_H

#include "qmgr/state.h"

#define CHUNK 4096 /* messages that are allocated together */

struct state {
	struct message **chunks;
	uint32_t nchunks;
	uint32_t free;   /* the first free place + 1, or 0; free places are linked through `heap` */
	size_t count;
	uint32_t *index; /* place + 1 by number, open addressing; 0 is empty */
	size_t nindex;   /* a power of two, or 0 */
	uint32_t *heap;  /* those that wait, a binary heap by next_try */
	size_t nheap, heap_cap;
	struct commits *commits;
	uint64_t spool, key, made, latest;
	struct state *gathered; /* a checkpoint that is being read */
	uint64_t gathered_from;
};

/* A new message, or the one of this number made anew. */
handle state_add(struct state *s, uint64_t number, uint32_t nrcpts);

#endif
