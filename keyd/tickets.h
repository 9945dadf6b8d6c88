/* SPDX-License-Identifier: ISC */
/* Session-ticket keys: one set for each class of doors, random, renewed every hour, never on disk. A key serves for sealing one hour, for opening two. */
#ifndef POSTRIDER_KEYD_TICKETS_H
#define POSTRIDER_KEYD_TICKETS_H

#include <stdint.h>

#include "tls/context.h"

enum { TICKETS_LIFE = 3600 }; /* seconds */

struct tickets {
	uint64_t since; /* the hour in which current was made; 0: never */
	bool has_previous;
	uint8_t current[TLS_TICKET_KEY], previous[TLS_TICKET_KEY];
};
/* Renews what is due. now_ms is the monotonic clock's; gives the seconds until the next renewal. */
uint32_t tickets_renew(struct tickets *t, uint64_t now_ms);

#endif
