/* SPDX-License-Identifier: ISC */
/*
 * Housekeeping for accounts that nobody is logged in to. What their processes do when they are idle (adopting, checkpoints, compaction, release of
 * `incoming`) would else wait for a log-in that may never come, or be left where a process was killed. So an account that got mail without
 * a process, or whose process ended, is noted once, and an interval later its imapd is started without a session. An account costs one start
 * an interval, however much it gets; one that nothing happens to costs none.
 *
 * These notes are gone when this process is. So it looks after every home once, whatever is the matter with it, slowly, and beginning anywhere, so that
 * none is left out for ever where the suite is restarted often.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "host.h"
#include "log/log.h"
#include "sys/clock.h"

#define GAP_MS 50          /* between two starts: log-ins come first */
#define NOTED_MAX 1000000  /* who finds no room is noted at the next news */
#define SWEEP_PART 10      /* of the interval, after which all homes are begun with: not when all who use the suite come back */
#define SWEEP_MS 250       /* between two of these */
#define SWEEP_TELL 64      /* directories, after which the log says how far it is */

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

/* ---- all homes, once ---- */

static int add_home(const char *name, void *arg)
{
	struct sweep *s = arg;
	uint32_t uid;
	if (!num_u32(view_of(name), UINT32_MAX, &uid) || (uid & (SHARDS - 1)) != s->shard)
		return ERR_OK;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		uint32_t *more = mem_array(s->cap, sizeof *more);
		for (size_t i = 0; i < s->n; i++)
			more[i] = s->uids[i];
		free(s->uids);
		s->uids = more;
	}
	s->uids[s->n++] = uid;
	return ERR_OK;
}

/* The next directory's homes; false behind the last. */
static bool next_shard(struct host *h)
{
	struct sweep *s = &h->sweep;
	if (s->done == SHARDS)
		return false;
	s->shard = (s->first + s->done++) % SHARDS;
	s->n = 0;
	int err = homes_list(h, s->shard, add_home, s);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		log_warn("homes_not_listed", LU("shard", s->shard), LERR("error", err));
	if (s->done % SWEEP_TELL == 0 && s->done < SHARDS && s->homes)
		log_info("upkeep_sweep", LU("homes", s->homes), LU("directories", s->done), LU("of", SHARDS));
	return true;
}

static void sweep(void *arg)
{
	struct host *h = arg;
	struct sweep *s = &h->sweep;
	if (s->n > 0) {
		uint32_t uid = s->uids[--s->n];
		s->homes++;
		if (uid >= h->uid_first && uid <= h->uid_last && map64_get(h->noted, uid) == NULL)
			session_keep(h, uid);
		timer_set(s->timer, SWEEP_MS);
	} else if (next_shard(h)) {
		timer_set(s->timer, 0);
	} else {
		log_info("upkeep_swept", LU("homes", s->homes));
		free(s->uids);
		s->uids = NULL;
		s->cap = 0;
	}
}

void upkeep_init(struct host *h)
{
	list_init(&h->neglected);
	h->noted = map64_new();
	h->upkeep = timer_new(h->d->loop, on_due, h);
	h->sweep.first = (unsigned)(random_u64() % SHARDS);
	h->sweep.timer = timer_new(h->d->loop, sweep, h);
	timer_set(h->sweep.timer, conf_num(h->d->conf, PARAM_UPKEEP_INTERVAL) * 1000 / SWEEP_PART);
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
