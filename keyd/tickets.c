/* SPDX-License-Identifier: ISC */
#include "tickets.h"

#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"

uint32_t tickets_renew(struct tickets *t, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000, hour = second / TICKETS_LIFE + 1;
	if (hour != t->since) {
		t->has_previous = t->since != 0 && hour == t->since + 1;
		if (t->has_previous)
			memcpy(t->previous, t->current, sizeof t->previous);
		else
			mem_wipe(t->previous, sizeof t->previous);
		random_bytes(t->current, sizeof t->current);
		t->since = hour;
	}
	return (uint32_t)(TICKETS_LIFE - second % TICKETS_LIFE);
}
