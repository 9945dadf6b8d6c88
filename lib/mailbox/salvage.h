/* SPDX-License-Identifier: ISC */
/* A replay that keeps account of what damage may have taken with it. For repair.c only. */
#ifndef POSTRIDER_MAILBOX_SALVAGE_H
#define POSTRIDER_MAILBOX_SALVAGE_H

#include "base/map.h"
#include "mailbox/state.h"

struct salvage {
	struct state *st;     /* what the readable records make */
	bool lost;            /* records may be missing that st would need */
	uint64_t *loose;      /* contents behind the last checkpoint that no record was read for, by position */
	size_t nloose, cap;
	uint64_t adopted_from;  /* below, st knows of all deliveries */
	struct map64 *adopted;  /* of those behind: positions that records name */
	struct map64 *uidnext;  /* at the last damage, of the mailboxes that there were */
	struct map64 *given;    /* the first UID that was given since, by mailbox */
	struct map64 *doubt;    /* mailboxes of which a UID may have been given twice, or may yet be */
};

void salvage_init(struct salvage *v);
void salvage_fini(struct salvage *v);
/* The next record that can be read. */
void salvage_record(struct salvage *v, unsigned kind, uint64_t position, struct view payload);
/* What stood from here on, up to the next record, cannot be read. */
void salvage_damage(struct salvage *v, uint64_t from);
/* After the last record: doubt is complete. */
void salvage_end(struct salvage *v);

#endif
