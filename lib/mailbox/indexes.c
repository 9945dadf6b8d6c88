/* SPDX-License-Identifier: ISC */
/* The index of a store (columns.h): when it may be believed, what is never done on its word, and when it is written. */
#include <unistd.h>

#include "base/num.h"
#include "log/log.h"
#include "mailbox/columns.h"
#include "mailbox/store.h"

static bool identity(const struct store *s, struct columns_identity *id)
{
	return store_identity(s, &id->home, &id->journal, &id->uid);
}

static bool read_last(struct store *s, uint64_t position, struct columns_mark *m)
{
	struct journal_record r;
	if (journal_read(s->journal, position, &r) != ERR_OK || r.next > m->covered)
		return false;
	m->last = position;
	m->last_kind = r.kind;
	m->last_sum = crc32c(0, r.payload.p, r.payload.n);
	return true;
}

/* Does it speak of this journal, and of no more than there is? */
static bool mark_fits(struct store *s, const struct columns_mark *m)
{
	struct columns_mark now = { .covered = m->covered };
	return m->covered >= journal_start(s->journal) && m->covered <= journal_end(s->journal) && m->last < m->covered &&
		(m->checkpoint == STORE_NO_CHECKPOINT || m->checkpoint < m->covered) && read_last(s, m->last, &now) &&
		now.last_kind == m->last_kind && now.last_sum == m->last_sum;
}

static void discard(struct store *s)
{
	s->columns_covered = 0;
	if (unlinkat(s->home, COLUMNS_NAME, 0) == 0)
		log_info("columns_discarded");
}

bool store_columns_load(struct store *s)
{
	struct columns_identity id;
	struct columns_mark m;
	uint64_t octets;
	struct state *st = identity(s, &id) ? columns_read(s->home, &id, &m, &octets) : NULL;
	if (!st || !mark_fits(s, &m)) {
		state_free(st);
		discard(s);
		return false;
	}
	state_free(s->st);
	s->st = st;
	s->next = s->columns_covered = m.covered;
	s->last = m.last;
	s->checkpoint = m.checkpoint;
	s->checkpoint_octets = m.checkpoint_octets;
	s->since = m.since;
	s->columns_octets = octets;
	s->from_columns = true;
	return true;
}

/* ---- the records' own word ---- */
/* What only a running process knows: which messages its sessions have taken for \Recent, and where contents went that it may still ask for. */
static void carry_over(struct state *st, struct state *old)
{
	for (size_t i = 0; i < st->n; i++) {
		struct mailbox *m = st->mailboxes[i];
		const struct mailbox *was = state_by_id(old, m->id);
		if (was && was->recent > m->recent && was->recent <= m->uidnext)
			m->recent = was->recent;
	}
	struct map64 *moved = st->moved;
	st->moved = old->moved;
	old->moved = moved;
	st->changes = old->changes + 1;
}

int store_from_records(struct store *s)
{
	if (!s->from_columns)
		return ERR_OK;
	struct state *old = s->st;
	uint64_t next = s->next, last = s->last, checkpoint = s->checkpoint, octets = s->checkpoint_octets, since = s->since, behind = s->columns_behind;
	s->st = NULL;
	int err = store_reload(s);
	if (err != ERR_OK) {
		state_free(s->st);
		s->st = old;
		s->next = next;
		s->last = last;
		s->checkpoint = checkpoint;
		s->checkpoint_octets = octets;
		s->since = since;
		s->columns_behind = behind;
		s->from_columns = true;
		return err;
	}
	if (s->next == next && !state_same(s->st, old)) {
		log_error("columns_were_wrong", LU("covered", s->columns_covered));
		discard(s);
	}
	carry_over(s->st, old);
	state_free(old);
	store_changed(s);
	return ERR_OK;
}

/* ---- writing ---- */
/* When it is not there, or a checkpoint was written since (and compaction may have taken the last frame), or reading the rest begins to cost. */
static bool is_old(const struct store *s)
{
	uint64_t least = s->columns_octets / 8 > s->tidy_least / 4 ? s->columns_octets / 8 : s->tidy_least / 4;
	return s->columns_covered == 0 || (s->checkpoint != STORE_NO_CHECKPOINT && s->checkpoint > s->columns_covered) ||
		s->columns_behind > least;
}

/* Another process may have written one meanwhile. */
static void look(struct store *s, const struct columns_identity *id)
{
	struct columns_mark m;
	if (columns_peek(s->home, id, &m) && m.covered > s->columns_covered && m.covered <= s->next && mark_fits(s, &m)) {
		s->columns_covered = m.covered;
		s->columns_behind = 0; /* or some, but little: it was written at an idle moment like this */
	}
}

static void write_columns(struct store *s, const struct columns_identity *id)
{
	struct columns_mark m = { .covered = s->next, .checkpoint = s->checkpoint, .checkpoint_octets = s->checkpoint_octets, .since = s->since };
	if (!read_last(s, s->last, &m))
		return;
	uint64_t octets;
	int err = columns_write(s->home, id, &m, s->st, &octets);
	if (err == ERR_OK) {
		s->columns_octets = octets;
		s->columns_behind = 0;
		s->columns_covered = m.covered;
		return;
	}
	/* A full disk: mail needs the room more. */
	s->columns_off = err != ERR_BUSY;
	if (s->columns_off)
		log_warn("columns_not_written", LERR("error", err));
}

int store_columns_tidy(struct store *s, bool *more)
{
	struct columns_identity id;
	/* Contents or parts of a checkpoint whose last frame is still to come are no state to begin with. */
	if (s->columns_off || !is_old(s) || s->st->ncontents > 0 || s->st->shadow || state_octets(s->st) < s->columns_least || !identity(s, &id))
		return ERR_OK;
	look(s, &id);
	if (!is_old(s))
		return ERR_OK;
	if (journal_durable(s->journal) != s->next) {
		*more = true;
		store_want_flush(s);
		return ERR_OK;
	}
	int err = store_from_records(s);
	if (err == ERR_OK)
		write_columns(s, &id);
	return err;
}
