/* SPDX-License-Identifier: ISC */
/* The records of a checkpoint, and queue ids. */
#include "base/mem.h"
#include "base/num.h"
#include "qmgr/commits.h"
#include "qmgr/state_private.h"

enum { PART = 10000, PART_OCTETS = 4 << 20 };

/* A part as it is gathered: entries of a list. */
struct part {
	struct buf entries;
	uint32_t count;
	uint64_t messages; /* in all parts */
	void (*fn)(void *arg, uint16_t kind, struct view payload);
	void *arg;
};

static void emit(struct part *p, uint16_t kind)
{
	if (!p->count)
		return;
	struct buf b;
	buf_init(&b, SIZE_MAX);
	struct spool_list list = { buf_view(&p->entries), p->count };
	int e = kind == SPOOL_KEPT_PART ? spool_kept_part_put(&b, &(struct spool_kept_part){ list })
					: spool_commits_part_put(&b, &(struct spool_commits_part){ list });
	INVARIANT(e == ERR_OK);
	p->fn(p->arg, kind, buf_view(&b));
	buf_fini(&b);
	buf_reset(&p->entries);
	p->count = 0;
}

static void emit_full(struct part *p, uint16_t kind)
{
	p->count++;
	if (p->count == PART || buf_len(&p->entries) > PART_OCTETS)
		emit(p, kind);
}

static struct view done_view(const struct message *m, uint8_t small[8])
{
	if (state_pending(m) == m->nrcpts)
		return VIEW_NONE;
	if (m->nrcpts > 64)
		return view_make(m->done.map, (m->nrcpts + 7) / 8);
	le64_put(small, m->done.bits);
	return view_make(small, (m->nrcpts + 7) / 8);
}

static void put_messages(const struct state *s, struct part *p)
{
	handle at = 0;
	for (handle h = state_next(s, &at); h != HANDLE_NONE; h = state_next(s, &at)) {
		const struct message *m = state_message(s, h);
		uint8_t small[8];
		if (state_pending(m) == 0) /* done, and about to be removed */
			continue;
		struct spool_kept k = {
			.message = m->number,
			.arrived = m->arrived,
			/* The next process shall have it out, as this one. */
			.next_try = m->flags & MSG_UNSURE ? m->arrived : m->next_try,
			.tenant = m->tenant,
			.dest = m->dest,
			.nrcpts = m->nrcpts,
			.flags = m->flags & MSG_KEPT,
			.done = done_view(m, small),
		};
		INVARIANT(spool_kept_put(&p->entries, &k) == ERR_OK);
		p->messages++;
		emit_full(p, SPOOL_KEPT_PART);
	}
	emit(p, SPOOL_KEPT_PART);
}

static void put_commits(const struct state *s, struct part *p)
{
	for (size_t i = 0; i < commits_count(s->commits); i++) {
		const struct commit_entry *e = commits_at(s->commits, i);
		struct spool_commit c = { view_make(e->id, COMMIT_ID), e->number, e->at };
		INVARIANT(spool_commit_put(&p->entries, &c) == ERR_OK);
		emit_full(p, SPOOL_COMMITS_PART);
	}
	emit(p, SPOOL_COMMITS_PART);
}

void state_checkpoint(const struct state *s, uint64_t first, void (*fn)(void *arg, uint16_t kind, struct view payload), void *arg)
{
	struct part p = { .fn = fn, .arg = arg };
	buf_init(&p.entries, SIZE_MAX);
	put_messages(s, &p);
	put_commits(s, &p);
	buf_reset(&p.entries);
	struct spool_checkpoint end = {
		.first = first,
		.spool = s->spool,
		.key = s->key,
		.made = s->made,
		.latest = s->latest,
		.messages = p.messages,
		.commits = commits_count(s->commits),
	};
	INVARIANT(spool_checkpoint_put(&p.entries, &end) == ERR_OK);
	fn(arg, SPOOL_CHECKPOINT, buf_view(&p.entries));
	buf_fini(&p.entries);
}

/*
 * A queue id is the number multiplied by the spool's odd key, in base 32 without letters that look alike. Multiplication by an odd
 * number is one to one, so ids never meet within a spool; another spool has another key.
 */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void state_queue_id(const struct state *s, uint64_t number, char out[QUEUE_ID_MAX])
{
	uint64_t x = number * s->key ^ s->spool;
	for (int i = QUEUE_ID_MAX - 2; i >= 0; i--, x >>= 5)
		out[i] = digits[x & 31];
	out[QUEUE_ID_MAX - 1] = '\0';
}

/* The key's inverse modulo 2^64: each step doubles the bits that are right. */
static uint64_t inverse(uint64_t key)
{
	uint64_t x = key;
	for (int i = 0; i < 6; i++)
		x *= 2 - key * x;
	return x;
}

bool state_queue_number(const struct state *s, struct view id, uint64_t *number)
{
	uint64_t x = 0;
	if (id.n != QUEUE_ID_MAX - 1)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		size_t d = view_find(view_make(digits, 32), ascii_upper(id.p[i]));
		if (d == SIZE_MAX || (i == 0 && d > 15))
			return false;
		x = x << 5 | d;
	}
	*number = (x ^ s->spool) * inverse(s->key);
	return true;
}
