/* SPDX-License-Identifier: ISC */
#include "qmgr/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "qmgr/commits.h"
#include "qmgr/state_private.h"

struct state *state_new(void)
{
	struct state *s = mem_new(sizeof *s);
	s->commits = commits_new();
	return s;
}

static void clear(struct state *s)
{
	handle at = 0;
	for (handle h = state_next(s, &at); h != HANDLE_NONE; h = state_next(s, &at))
		state_remove(s, h);
	commits_free(s->commits);
	s->commits = commits_new();
}

void state_free(struct state *s)
{
	if (!s)
		return;
	state_free(s->gathered);
	clear(s);
	commits_free(s->commits);
	for (uint32_t i = 0; i < s->nchunks; i++)
		free(s->chunks[i]);
	free(s->chunks);
	free(s->index);
	free(s->heap);
	free(s);
}

uint64_t state_spool(const struct state *s)
{
	return s->spool;
}

uint64_t state_latest(const struct state *s)
{
	return s->latest;
}

size_t state_count(const struct state *s)
{
	return s->count;
}

uint64_t state_commit(const struct state *s, struct view id)
{
	return commits_find(s->commits, id);
}

void state_forget(struct state *s, uint64_t before)
{
	commits_forget(s->commits, before);
}

/* ---- what is done ---- */

static bool wide(const struct message *m)
{
	return m->nrcpts > 64;
}

bool state_is_done(const struct message *m, uint32_t i)
{
	if (wide(m))
		return m->done.map[i / 8] >> i % 8 & 1;
	return m->done.bits >> i & 1;
}

static void set_done(struct message *m, uint32_t i)
{
	if (wide(m))
		m->done.map[i / 8] = (uint8_t)(m->done.map[i / 8] | 1u << i % 8);
	else
		m->done.bits |= UINT64_C(1) << i;
}

uint32_t state_pending(const struct message *m)
{
	if (!wide(m))
		return m->nrcpts - (uint32_t)__builtin_popcountll(m->done.bits);
	uint32_t n = m->nrcpts;
	for (uint32_t i = 0; i < (m->nrcpts + 7) / 8; i++)
		n -= (uint32_t)__builtin_popcount(m->done.map[i]);
	return n;
}

/* ---- destinations ---- */

uint32_t state_tenant(struct view account, struct view sender)
{
	return crc32c(0, account.n ? account.p : sender.p, account.n ? account.n : sender.n);
}

uint32_t state_remote(struct view address)
{
	size_t at = view_rfind(address, '@');
	struct view domain = at == SIZE_MAX ? address : view_skip(address, at + 1);
	uint32_t sum = 0;
	for (size_t i = 0; i < domain.n; i++) {
		char c = ascii_lower(domain.p[i]);
		sum = crc32c(sum, &c, 1);
	}
	return sum | DEST_REMOTE;
}

int state_dest(const struct spool_message *m, uint32_t *dest, uint8_t *flags)
{
	struct view rest = m->rcpts.bytes;
	struct spool_recipient r;
	bool first = true;
	*dest = DEST_MANY;
	for (uint32_t i = 0; i < m->rcpts.count; i++) {
		if (!spool_recipient_next(&rest, &r) || (r.kind != 1 && r.kind != 2))
			return ERR_DAMAGED;
		uint32_t d = r.kind == 1 ? r.uid : state_remote(r.address);
		if (r.kind == 1)
			*flags |= MSG_LOCAL;
		/* A uid above the range of small numbers has no short form: it takes the long way. */
		if (r.kind == 1 && (r.uid & DEST_REMOTE))
			d = DEST_MANY;
		*dest = first || *dest == d ? d : DEST_MANY;
		first = false;
		if (*dest == DEST_MANY && (*flags & MSG_LOCAL))
			break;
	}
	return ERR_OK;
}

/* ---- records ---- */

static void see_time(struct state *s, uint64_t t)
{
	if (t > s->latest)
		s->latest = t;
}

static int apply_identity(struct state *s, uint64_t position, struct view v)
{
	struct spool_identity r;
	(void)position;
	if (spool_identity_get(v, &r) != ERR_OK || r.spool == 0 || !(r.key & 1))
		return ERR_DAMAGED;
	s->spool = r.spool;
	s->key = r.key;
	s->made = r.made;
	return ERR_OK;
}

static int add_message(struct state *s, uint64_t position, struct view v, uint8_t flags)
{
	struct spool_message r;
	uint32_t dest;
	if (spool_message_get(v, &r) != ERR_OK || r.rcpts.count == 0 || state_dest(&r, &dest, &flags) != ERR_OK)
		return ERR_DAMAGED;
	if (r.content_file)
		flags |= MSG_FILE;
	struct message *m = state_message(s, state_add(s, position, r.rcpts.count));
	m->arrived = (uint32_t)r.arrived;
	m->next_try = (uint32_t)r.arrived;
	m->tenant = r.tenant;
	m->dest = dest;
	m->flags = flags;
	see_time(s, r.arrived);
	if (r.commit_id.n)
		commits_add(s->commits, r.commit_id, position, r.arrived);
	return ERR_OK;
}

static int apply_message(struct state *s, uint64_t position, struct view v)
{
	return add_message(s, position, v, 0);
}

/* All or nothing: a result is read through before it changes anything. */
static bool fates_fit(const struct spool_result *r, const struct message *m)
{
	struct view rest = r->fates.bytes;
	struct spool_fate f;
	for (uint32_t i = 0; i < r->fates.count; i++)
		if (!spool_fate_next(&rest, &f) || f.index >= m->nrcpts || f.outcome > 2)
			return false;
	return true;
}

static void apply_fates(struct state *s, const struct spool_result *r, handle h)
{
	struct message *m = state_message(s, h);
	struct view rest = r->fates.bytes;
	struct spool_fate f;
	bool later = false;
	while (spool_fate_next(&rest, &f)) {
		if (f.outcome != 1)
			set_done(m, f.index);
		else
			later = true;
	}
	if (later)
		m->next_try = (uint32_t)r->next_try;
	if (r->flags & 1)
		m->flags |= MSG_WARNED;
	if (state_pending(m) == 0 && m->parts == 0)
		state_remove(s, h);
}

static int apply_result(struct state *s, uint64_t position, struct view v)
{
	struct spool_result r;
	if (spool_result_get(v, &r) != ERR_OK)
		return ERR_DAMAGED;
	handle h = state_find(s, r.message);
	if (h != HANDLE_NONE && !fates_fit(&r, state_message(s, h)))
		return ERR_DAMAGED;
	if (r.notice.n && add_message(s, position, r.notice, MSG_NOTICE) != ERR_OK)
		return ERR_DAMAGED;
	see_time(s, r.at);
	if (h != HANDLE_NONE)
		apply_fates(s, &r, h);
	return ERR_OK;
}

static int apply_act(struct state *s, uint64_t position, struct view v)
{
	struct spool_act r;
	(void)position;
	if (spool_act_get(v, &r) != ERR_OK || r.action < 1 || r.action > 4)
		return ERR_DAMAGED;
	see_time(s, r.at);
	handle h = state_find(s, r.message);
	if (h == HANDLE_NONE)
		return ERR_OK;
	struct message *m = state_message(s, h);
	if (r.action == 1)
		m->flags |= MSG_HELD;
	else if (r.action == 2)
		m->flags &= (uint16_t)~MSG_HELD;
	else if (r.action == 3)
		m->next_try = (uint32_t)r.at;
	else
		state_remove(s, h);
	return ERR_OK;
}

/* Parts of a checkpoint are gathered in a state of their own, which takes over when the checkpoint is whole. */
static struct state *gathering(struct state *s, uint64_t position)
{
	if (!s->gathered) {
		s->gathered = state_new();
		s->gathered_from = position;
	}
	return s->gathered;
}

static void keep(struct state *s, const struct spool_kept *k)
{
	handle h = state_add(s, k->message, k->nrcpts);
	struct message *m = state_message(s, h);
	m->arrived = k->arrived;
	m->next_try = k->next_try;
	m->tenant = k->tenant;
	m->dest = k->dest;
	m->flags = k->flags & MSG_KEPT;
	for (uint32_t i = 0; i < k->nrcpts && i / 8 < k->done.n; i++)
		if ((uint8_t)k->done.p[i / 8] >> i % 8 & 1)
			set_done(m, i);
	if (state_pending(m) == 0) /* no checkpoint of ours names such: the count will tell */
		state_remove(s, h);
}

static int apply_kept_part(struct state *s, uint64_t position, struct view v)
{
	struct spool_kept_part r;
	struct spool_kept k;
	if (spool_kept_part_get(v, &r) != ERR_OK)
		return ERR_DAMAGED;
	struct state *g = gathering(s, position);
	for (struct view rest = r.messages.bytes; spool_kept_next(&rest, &k);)
		if (k.nrcpts > 0 && k.nrcpts <= 100000 && k.message < position)
			keep(g, &k);
	return ERR_OK;
}

static int apply_commits_part(struct state *s, uint64_t position, struct view v)
{
	struct spool_commits_part r;
	struct spool_commit c;
	if (spool_commits_part_get(v, &r) != ERR_OK)
		return ERR_DAMAGED;
	struct state *g = gathering(s, position);
	for (struct view rest = r.commits.bytes; spool_commit_next(&rest, &c);)
		commits_add(g->commits, c.id, c.message, c.at);
	return ERR_OK;
}

static void swap_in(struct state *s, struct state *g, const struct spool_checkpoint *r)
{
	struct state old = *s;
	g->spool = r->spool;
	g->key = r->key;
	g->made = r->made;
	g->latest = r->latest;
	*s = *g;
	*g = old;
	g->gathered = NULL;
	state_free(g);
}

static int apply_checkpoint(struct state *s, uint64_t position, struct view v)
{
	struct spool_checkpoint r;
	struct state *g = s->gathered;
	s->gathered = NULL;
	bool whole = spool_checkpoint_get(v, &r) == ERR_OK && r.spool != 0 && (r.key & 1);
	if (whole && !g && r.first == position && r.messages == 0 && r.commits == 0)
		g = state_new();
	else if (whole && (!g || r.first != s->gathered_from || r.messages != g->count || r.commits != commits_count(g->commits)))
		whole = false;
	if (whole)
		swap_in(s, g, &r);
	else
		state_free(g);
	return whole ? ERR_OK : ERR_DAMAGED;
}

static int (*const appliers[])(struct state *s, uint64_t position, struct view v) = {
	[SPOOL_IDENTITY] = apply_identity,
	[SPOOL_MESSAGE] = apply_message,
	[SPOOL_RESULT] = apply_result,
	[SPOOL_ACT] = apply_act,
	[SPOOL_KEPT_PART] = apply_kept_part,
	[SPOOL_COMMITS_PART] = apply_commits_part,
	[SPOOL_CHECKPOINT] = apply_checkpoint,
};

int state_apply(struct state *s, uint64_t position, uint16_t kind, struct view payload)
{
	if (kind >= sizeof appliers / sizeof *appliers || !appliers[kind])
		return ERR_UNSUPPORTED;
	bool part = kind == SPOOL_KEPT_PART || kind == SPOOL_COMMITS_PART || kind == SPOOL_CHECKPOINT;
	if (!part && s->gathered) { /* a checkpoint that was cut off */
		state_free(s->gathered);
		s->gathered = NULL;
	}
	return appliers[kind](s, position, payload);
}
