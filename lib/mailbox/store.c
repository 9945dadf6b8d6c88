/* SPDX-License-Identifier: ISC */
#include "mailbox/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "log/log.h"
#include "mailbox/incoming.h"
#include "mailbox/records.h"
#include "mailbox/summary.h"
#include "sys/clock.h"
#include "sys/file.h"

/* How often a change is tried again when other writers are faster. */
#define TRIES_MAX 1000
#define TIDY_LEAST (UINT64_C(1) << 20)
#define MESSAGE_MAX ((UINT64_C(64) << 20) - (64 << 10))

/* ---- replay ---- */
struct replay {
	struct store *s;
	bool load;
};

/* What stands behind the last checkpoint is what the next opening has to read. */
static void note_record(struct store *s, unsigned kind, uint64_t position, struct view payload)
{
	struct record_checkpoint c;
	s->last = position;
	if (kind != RECORD_checkpoint) {
		s->columns_behind += position >= s->columns_covered ? payload.n : 0;
		s->since += payload.n;
		return;
	}
	if (!record_get_checkpoint(payload, &c))
		return;
	if (c.part == 0) {
		s->checkpoint = position;
		s->checkpoint_octets = 0;
	}
	s->checkpoint_octets += payload.n;
	s->since = 0;
}

static int replay_one(void *arg, const struct journal_record *r)
{
	struct replay *p = arg;
	note_record(p->s, r->kind, r->position, r->payload);
	if (!state_apply(p->s->st, r->kind, r->position, r->payload, p->load))
		log_warn("mailbox_record_refused", LU("position", r->position), LU("kind", r->kind));
	return ERR_OK;
}

static int replay(struct store *s, uint64_t from, bool load)
{
	struct replay p = { s, load };
	return journal_scan(s->journal, from, replay_one, &p, &s->next);
}

static void state_reset(struct store *s)
{
	uint64_t changes = s->st ? s->st->changes : 0;
	state_free(s->st);
	s->st = state_new();
	s->st->changes = changes + 1;
	s->checkpoint = STORE_NO_CHECKPOINT;
	s->checkpoint_octets = s->since = s->columns_behind = 0;
	s->from_columns = false;
}

int store_reload(struct store *s)
{
	uint64_t hint;
	state_reset(s);
	if (store_hint_read(s, &hint)) {
		int err = replay(s, hint, true);
		if (err != ERR_OK || s->st->n > 0)
			return err;
		log_warn("mailbox_hint_stale", LU("position", hint));
		state_reset(s);
	}
	int err = replay(s, journal_start(s->journal), true);
	s->hint_lost = s->checkpoint != STORE_NO_CHECKPOINT;
	return err;
}

/* The opening's: from the index, where there is one that may be believed. */
static int load(struct store *s)
{
	if (store_columns_load(s) && replay(s, s->next, false) == ERR_OK)
		return ERR_OK;
	return store_reload(s);
}

/* False after another process' failed flush took with it what this one had applied already. */
static bool still_there(struct store *s)
{
	struct journal_record r;
	return s->last < journal_start(s->journal) || journal_read(s->journal, s->last, &r) == ERR_OK;
}

int store_catch_up(struct store *s)
{
	int err = journal_refresh(s->journal);
	uint64_t end = journal_end(s->journal);
	if (err != ERR_OK || end == s->next)
		return err;
	if (end < s->next || !still_there(s)) {
		store_lose_waits(s, ERR_IO);
		err = store_reload(s);
	} else {
		err = replay(s, s->next, false);
	}
	store_changed(s);
	return err;
}

/* ---- change ---- */
static void apply_batch(struct store *s, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct journal_frame *f = &b->frames[i];
		note_record(s, f->kind, f->position, f->parts[0]);
		INVARIANT(state_apply(s->st, f->kind, f->position, f->parts[0], false));
	}
	s->next = journal_end(s->journal);
	store_changed(s);
}

static int commit_once(struct store *s, store_build_fn *build, void *request)
{
	int err = store_catch_up(s);
	if (err != ERR_OK)
		return err;
	batch_reset(&s->batch);
	err = build(s, request, &s->batch);
	if (err != ERR_OK || s->batch.n == 0)
		return err;
	err = journal_append(s->journal, s->next, s->batch.frames, s->batch.n);
	if (err == ERR_OK)
		apply_batch(s, &s->batch);
	return err;
}

int store_commit(struct store *s, store_build_fn *build, void *request)
{
	int err = ERR_CONFLICT;
	for (unsigned i = 0; i < TRIES_MAX && err == ERR_CONFLICT; i++)
		err = commit_once(s, build, request);
	batch_reset(&s->batch);
	return err;
}

/* ---- the hint ---- */
#define HINT_DIR "index"
#define HINT_NAME "index/checkpoint"

void store_hint_write(struct store *s)
{
	struct buf b;
	s->hint_lost = false;
	buf_init(&b, 32);
	buf_addu(&b, s->checkpoint);
	if (file_mkdir(s->home, HINT_DIR, 0700) != ERR_OK || file_replace(s->home, HINT_NAME, buf_view(&b), 0600) != ERR_OK)
		log_warn("mailbox_hint_not_written");
	buf_fini(&b);
}

static bool hint_names_checkpoint(struct store *s, uint64_t position)
{
	struct journal_record r;
	struct record_checkpoint c;
	return position >= journal_start(s->journal) && position < journal_end(s->journal) &&
		journal_read(s->journal, position, &r) == ERR_OK && r.kind == RECORD_checkpoint && record_get_checkpoint(r.payload, &c) &&
		c.part == 0;
}

bool store_hint_read(struct store *s, uint64_t *position)
{
	struct buf b;
	buf_init(&b, 32);
	bool ok = file_slurp(s->home, HINT_NAME, &b) == ERR_OK && num_u64(buf_view(&b), UINT64_MAX, position) &&
		hint_names_checkpoint(s, *position);
	buf_fini(&b);
	return ok;
}

/* ---- open and close ---- */
bool store_identity(const struct store *s, uint64_t *home, uint64_t *journal, uint32_t *uid)
{
	struct stat h, j;
	if (fstatat(s->home, ".", &h, 0) != 0 || fstatat(s->home, "journal", &j, 0) != 0)
		return false;
	*home = h.st_ino;
	*journal = j.st_ino;
	*uid = (uint32_t)geteuid();
	return true;
}

static int build_defaults(struct store *s, void *request, struct batch *b)
{
	static const struct {
		const char *name;
		unsigned use;
	} defaults[] = {
		{ "INBOX", 0 },
		{ "Drafts", MAILBOX_USE_DRAFTS },
		{ "Sent", MAILBOX_USE_SENT },
		{ "Trash", MAILBOX_USE_TRASH },
		{ "Junk", MAILBOX_USE_JUNK },
		{ "Archive", MAILBOX_USE_ARCHIVE },
	};
	(void)request;
	if (state_by_name(s->st, VIEW("INBOX")))
		return ERR_OK;
	uint32_t now = (uint32_t)clock_wall(NULL);
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		struct view name = view_of(defaults[i].name);
		if (state_by_name(s->st, name))
			continue;
		uint64_t uidvalidity = (now > s->st->uidvalidity ? now : s->st->uidvalidity + 1) + i;
		BATCH_ADD(b, mailbox, .id = s->st->next_id + i, .uidvalidity = uidvalidity, .uses = defaults[i].use, .name = name);
		BATCH_ADD(b, subscribe, .on = 1, .name = name);
	}
	return ERR_OK;
}

/* The directory `journal`, made where there is none. */
static int journal_dir(struct store *s, int *fd)
{
	int err = file_open_dir(s->home, "journal", fd);
	if (err != ERR_NOT_FOUND)
		return err;
	err = file_mkdir(s->home, "journal", 0700);
	return err == ERR_OK ? file_open_dir(s->home, "journal", fd) : err;
}

/* Before the first record: the name of `journal`, whichever process made it, which may have died before it was durable. */
static int flush_home(struct store *s)
{
	int home, err = file_open_dir(s->home, ".", &home); /* one that can be flushed */
	if (err != ERR_OK)
		return err;
	err = file_flush(home);
	fd_close(&home);
	return err;
}

static int open_journal(struct store *s, const struct store_options *o)
{
	struct journal_options jo = { .role = JOURNAL_SHARED_WRITER, .segment_size = o->segment_size, .create = true, .seam = o->seam };
	int fd, err = journal_dir(s, &fd);
	if (err != ERR_OK)
		return err;
	err = journal_open(fd, &jo, &s->journal);
	fd_close(&fd);
	return err;
}

/* What cannot be adopted now, on a full disk or for a fault of incoming, waits there: no reason to keep a user from the mail that is here. */
static void try_adopt(struct store *s)
{
	int err = store_adopt(s);
	if (err != ERR_OK && err != s->adopt_error)
		log_error("mail_not_adopted", LERR("error", err));
	s->adopt_error = err;
}

static int open_all(struct store *s, const struct store_options *o)
{
	int err = open_journal(s, o);
	if (err == ERR_OK && o->alone)
		err = journal_alone(s->journal);
	if (err == ERR_OK)
		err = o->alone ? store_reload(s) : load(s);
	if (err == ERR_OK && !state_by_name(s->st, VIEW("INBOX")))
		err = flush_home(s);
	if (err == ERR_OK)
		err = store_commit(s, build_defaults, NULL);
	if (err == ERR_OK && !o->alone)
		try_adopt(s);
	return err == ERR_OK ? store_flush_now(s) : err;
}

int store_open(struct loop *l, int homefd, const struct store_options *o, struct store **out)
{
	struct store *s = mem_new(sizeof *s);
	s->loop = l;
	s->pool = o->pool;
	s->message_max = o->message_max && o->message_max < MESSAGE_MAX ? o->message_max : MESSAGE_MAX;
	s->tidy_least = o->tidy_least ? o->tidy_least : TIDY_LEAST;
	s->incoming_least = o->tidy_least ? o->tidy_least : INCOMING_SEGMENT;
	s->columns_least = o->tidy_least ? o->tidy_least : STORE_COLUMNS_LEAST;
	s->turn = (struct later){ .fn = store_turn, .arg = s };
	batch_init(&s->batch);
	list_init(&s->waits);
	list_init(&s->watches);
	int err = ERR_OK;
	/* A home may have come as an O_PATH descriptor: a copy of it serves every *at call. */
	s->home = fcntl(homefd, F_DUPFD_CLOEXEC, 3);
	if (s->home < 0)
		err = ERR_LIMIT;
	if (err == ERR_OK)
		err = open_all(s, o);
	if (err != ERR_OK) {
		store_close(s);
		return err;
	}
	*out = s;
	return ERR_OK;
}

void store_close(struct store *s)
{
	store_drop_waits(s);
	if (s->loop)
		loop_later_cancel(s->loop, &s->turn);
	if (s->job)
		s->job->store = NULL;
	if (s->incoming)
		journal_close(s->incoming);
	if (s->journal)
		journal_close(s->journal);
	summary_free(s->summary);
	state_free(s->st);
	batch_fini(&s->batch);
	free(s->live);
	fd_close(&s->home);
	free(s);
}

void store_heritage(const struct store *s, uint64_t *adopted, uint32_t *uidvalidity)
{
	*adopted = s->st->incoming;
	*uidvalidity = (uint32_t)s->st->uidvalidity;
}

int store_refresh(struct store *s)
{
	int err = store_catch_up(s);
	if (err == ERR_OK)
		try_adopt(s);
	return err;
}
