/* SPDX-License-Identifier: ISC */
/* Durability and news: one flush for all that was changed before it began, beside the loop; then what is durable is shown and waits end. */
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "mailbox/store.h"

static void schedule(struct store *s)
{
	if (s->loop)
		loop_later(s->loop, &s->turn);
}

void store_want_flush(struct store *s)
{
	s->want_flush = true;
	schedule(s);
}

static bool all_shown(const struct store *s)
{
	for (size_t i = 0; i < s->st->n; i++)
		if (s->st->mailboxes[i]->shown_next != s->st->mailboxes[i]->uidnext)
			return false;
	return true;
}

void store_changed(struct store *s)
{
	store_show(s);
	if (!all_shown(s))
		s->want_flush = true;
	schedule(s);
}

void store_show(struct store *s)
{
	uint64_t durable = journal_durable(s->journal);
	for (size_t i = 0; i < s->st->n; i++)
		s->shown |= mailbox_show(s->st->mailboxes[i], durable);
}

static void finish(struct store_wait *w)
{
	list_remove(&w->node);
	w->fn(w->arg, w->err);
}

/* A wait's fn may end other waits or begin new ones: look from the front again after each. */
static void end_waits(struct store *s, uint64_t durable, int err)
{
	struct list due;
	list_init(&due);
	LIST_EACH(it, tmp, &s->waits)
	{
		struct store_wait *w = LIST_OF(it, struct store_wait, node);
		if (w->err == ERR_OK)
			w->err = err;
		if (w->err == ERR_OK && w->until > durable)
			continue;
		list_remove(it);
		list_append(&due, it);
	}
	for (struct list *it; (it = list_first(&due));)
		finish(LIST_OF(it, struct store_wait, node));
}

static void flushed(struct store *s, int err)
{
	if (err != ERR_OK) {
		log_error("mailbox_flush_failed", LERR("error", err));
		int again = store_reload(s);
		if (again != ERR_OK)
			DIE("an account's journal cannot be read any more: %s", err_text(again));
	} else {
		/* What was applied of others is waited for as well, and may be gone: the journal tells only of what this process appended. */
		err = store_catch_up(s);
	}
	store_changed(s);
	end_waits(s, journal_durable(s->journal), err);
	if (!list_empty(&s->waits))
		store_want_flush(s);
}

static void job_run(void *arg) { journal_flush_run(((struct store_flush_job *)arg)->flush); }

static void job_done(void *arg)
{
	struct store_flush_job *job = arg;
	struct store *s = job->store;
	int err = journal_flush_end(s ? s->journal : NULL, job->flush, NULL, NULL);
	free(job);
	if (!s)
		return;
	s->job = NULL;
	flushed(s, err);
}

static void begin(struct store *s)
{
	s->want_flush = false;
	struct journal_flush *f = journal_flush_begin(s->journal);
	if (!f) {
		flushed(s, ERR_OK);
		return;
	}
	s->job = mem_new(sizeof *s->job);
	*s->job = (struct store_flush_job){ s, f };
	if (s->pool) {
		pool_submit(s->pool, job_run, job_done, s->job);
	} else {
		job_run(s->job);
		job_done(s->job);
	}
}

static void tell(struct store *s)
{
	struct list todo;
	s->told = s->st->changes;
	s->shown = false;
	list_init(&todo);
	LIST_EACH(it, tmp, &s->watches)
	{
		list_remove(it);
		list_append(&todo, it);
	}
	for (struct list *it; (it = list_first(&todo));) {
		struct store_watch *w = LIST_OF(it, struct store_watch, node);
		list_remove(it);
		list_append(&s->watches, it);
		w->fn(w->arg);
	}
}

void store_turn(void *arg)
{
	struct store *s = arg;
	if (s->want_flush && !s->job)
		begin(s);
	if (s->told != s->st->changes || s->shown)
		tell(s);
}

void store_flush(struct store *s, struct store_wait *w, void (*fn)(void *arg, int err), void *arg)
{
	store_wait_cancel(w);
	*w = (struct store_wait){ .until = s->next, .fn = fn, .arg = arg };
	list_append(&s->waits, &w->node);
	store_want_flush(s);
}

void store_wait_cancel(struct store_wait *w)
{
	if (w->node.next)
		list_remove(&w->node);
}

void store_drop_waits(struct store *s)
{
	LIST_EACH(it, tmp, &s->waits) list_remove(it);
	LIST_EACH(it, tmp, &s->watches) list_remove(it);
}

/* Later positions must not pass for what was undone. */
void store_lose_waits(struct store *s, int err)
{
	LIST_EACH(it, tmp, &s->waits) LIST_OF(it, struct store_wait, node)->err = err;
	store_want_flush(s);
}

int store_flush_now(struct store *s)
{
	int err = journal_flush(s->journal);
	if (err != ERR_OK) {
		store_lose_waits(s, err);
		int again = store_reload(s);
		return again != ERR_OK ? again : err;
	}
	store_show(s);
	return ERR_OK;
}

void store_watch(struct store *s, struct store_watch *w, void (*fn)(void *arg), void *arg)
{
	*w = (struct store_watch){ .fn = fn, .arg = arg };
	list_append(&s->watches, &w->node);
}

void store_unwatch(struct store_watch *w)
{
	if (w->node.next)
		list_remove(&w->node);
}
