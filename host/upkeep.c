/* SPDX-License-Identifier: ISC */
/*
 * Housekeeping for accounts that nobody is logged in to. What their processes do when they are idle (adopting, checkpoints, compaction, release of
 * `incoming`) would else wait for a log-in that may never come, or be left where a process was killed. So an account that got mail without
 * a process, or whose process ended, is noted once, and an interval later its imapd is started without a session. An account costs one start
 * an interval, however much it gets; one that nothing happens to costs none.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "host.h"
#include "log/log.h"
#include "sys/clock.h"

#define GAP_MS 50          /* between two starts: log-ins come first */
#define NOTED_MAX 1000000  /* who finds no room is noted at the next news */

struct upkeep {
	struct list node;
	uint32_t uid;
	uint64_t due;
};

static void await_first(struct host *h, uint64_t at_least)
{
	struct list *first = list_first(&h->neglected);
	if (first == NULL)
		return;
	uint64_t now = clock_mono_ms(), due = LIST_OF(first, struct upkeep, node)->due;
	timer_set(h->upkeep, due > now + at_least ? due - now : at_least);
}

static void on_due(void *arg)
{
	struct host *h = arg;
	struct list *first = list_first(&h->neglected);
	if (first == NULL)
		return;
	struct upkeep *u = LIST_OF(first, struct upkeep, node);
	uint32_t uid = u->uid;
	list_remove(&u->node);
	map64_del(h->noted, uid);
	free(u);
	session_keep(h, uid);
	await_first(h, GAP_MS);
}

void upkeep_init(struct host *h)
{
	list_init(&h->neglected);
	h->noted = map64_new();
	h->upkeep = timer_new(h->d->loop, on_due, h);
}

void upkeep_want(struct host *h, uint32_t uid)
{
	if (uid < h->uid_first || uid > h->uid_last || map64_get(h->noted, uid) != NULL || map64_count(h->noted) >= NOTED_MAX)
		return;
	struct upkeep *u = mem_new(sizeof *u);
	*u = (struct upkeep){ .uid = uid, .due = clock_mono_ms() + conf_num(h->d->conf, PARAM_UPKEEP_INTERVAL) * 1000 };
	map64_set(h->noted, uid, u);
	list_append(&h->neglected, &u->node);
	if (!timer_armed(h->upkeep))
		await_first(h, 0);
}
