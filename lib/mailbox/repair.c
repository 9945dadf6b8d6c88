/* SPDX-License-Identifier: ISC */
/*
 * Nothing of the account changes before one conditional append: a checkpoint of what was salvaged. Its count of records is one that no process has
 * reached, so that every process takes it for its state. Only then the journal's files up to there go.
 */
#include "mailbox/repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "log/log.h"
#include "mailbox/incoming.h"
#include "mailbox/records.h"
#include "mailbox/salvage.h"
#include "mailbox/store.h"
#include "mailbox/transfer.h"
#include "sys/clock.h"
#include "sys/file.h"

#define TRIES 8
/* Octets of contents in one append. */
#define GROUP (UINT64_C(4) << 20)
#define RECORDS_JUMP (UINT64_C(1) << 32)
#define KNOWN_NAME REPAIR_DIR "/" REPAIR_KNOWN

struct range {
	uint64_t from, to;
};

struct ranges {
	struct range *v;
	size_t n, cap;
};

struct repair {
	struct store *s;
	const struct tool_report *report;
	struct tool_result *r;
	struct repair_result *what;
	struct salvage salvage;
	struct ranges journal, incoming;
	bool dry, incoming_news; /* incoming has damage that no repair has dealt with */
	const char *aside;
};

/* ---- reading both streams ---- */
static void ranges_add(struct ranges *r, uint64_t from, uint64_t to)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 8;
		r->v = mem_resize(r->v, r->cap * sizeof *r->v);
	}
	r->v[r->n++] = (struct range){ from, to };
}

static bool ranges_meet(void *arg, uint64_t from, uint64_t to)
{
	const struct ranges *r = arg;
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].from < to && from < r->v[i].to)
			return true;
	return false;
}

static void tell_range(struct repair *p, const char *stream, uint64_t from, uint64_t to)
{
	char what[80];
	snprintf(what, sizeof what, "%s, positions %llu to %llu", stream, (unsigned long long)from, (unsigned long long)to);
	transfer_bad(p->report, p->r, what, ERR_DAMAGED);
	p->what->damaged++;
}

static void journal_damaged(void *arg, uint64_t from, uint64_t to)
{
	struct repair *p = arg;
	tell_range(p, "journal", from, to);
	ranges_add(&p->journal, from, to);
	salvage_damage(&p->salvage, from);
}

static void incoming_damaged(void *arg, uint64_t from, uint64_t to)
{
	struct repair *p = arg;
	ranges_add(&p->incoming, from, to);
	if (repair_knows(p->s, from, to))
		return;
	p->incoming_news = true;
	tell_range(p, "incoming", from, to);
}

static int read_record(void *arg, const struct journal_record *r)
{
	struct repair *p = arg;
	salvage_record(&p->salvage, r->kind, r->position, r->payload);
	return ERR_OK;
}

static int pass_over(void *arg, const struct journal_record *r)
{
	(void)arg;
	(void)r;
	return ERR_OK;
}

static int read_streams(struct repair *p)
{
	struct store *s = p->s;
	uint64_t next;
	journal_on_damage(s->journal, journal_damaged, p);
	int err = journal_scan(s->journal, journal_start(s->journal), read_record, p, &s->next);
	journal_on_damage(s->journal, NULL, NULL);
	salvage_end(&p->salvage);
	if (err != ERR_OK || !s->incoming)
		return err;
	journal_on_damage(s->incoming, incoming_damaged, p);
	err = journal_scan(s->incoming, journal_start(s->incoming), pass_over, NULL, &next);
	journal_on_damage(s->incoming, NULL, NULL);
	return err;
}

/* From here on the store's state is what was salvaged, for all that works on a store. */
static void take_state(struct repair *p)
{
	struct state *old = p->s->st;
	p->salvage.st->changes = old->changes + 1;
	p->s->st = p->salvage.st;
	p->s->from_columns = false;
	p->salvage.st = NULL;
	state_free(old);
	p->what->records_lost = p->salvage.lost;
}

/* ---- what the state is to be ---- */
static bool apply_frames(struct repair *p, const struct batch *b)
{
	bool ok = true;
	for (size_t i = 0; i < b->n; i++)
		ok &= state_apply(p->s->st, b->frames[i].kind, p->s->next, b->frames[i].parts[0], false);
	return ok;
}

/* APPLY(p, &ok, mailbox, .id = …): a record by the name of its row, applied and not written. */
#define APPLY(p, ok, name, ...)                       \
	do {                                               \
		struct batch apply_batch;                       \
		batch_init(&apply_batch);                       \
		BATCH_ADD(&apply_batch, name, __VA_ARGS__);     \
		*(ok) = apply_frames((p), &apply_batch);        \
		batch_fini(&apply_batch);                       \
	} while (0)

/* As store_read, but it never looks for what others wrote meanwhile: the state stays what it is. */
static int read_content(struct store *s, const struct message *msg)
{
	struct journal_record r;
	struct journal *j = msg->position & MESSAGE_OWN ? s->journal : s->incoming;
	int err = j ? journal_read(j, msg->position & ~MESSAGE_OWN, &r) : ERR_NOT_FOUND;
	if (err == ERR_OK && (r.payload.n < msg->offset || r.payload.n - msg->offset != msg->size))
		err = ERR_DAMAGED;
	return err;
}

static bool can_read(struct repair *p, const struct mailbox *m, const struct message *msg)
{
	char what[MAILBOX_NAME_MAX + 32];
	int err = read_content(p->s, msg);
	if (err == ERR_OK) {
		transfer_count(p->report, p->r, msg->size);
		return true;
	}
	snprintf(what, sizeof what, "%s UID %u", m->name, msg->uid);
	transfer_bad(p->report, p->r, what, err);
	p->what->gone++;
	return false;
}

/* The numbers that a mailbox keeps of its messages are made anew by those who read the checkpoint. */
static void take_out_unreadable(struct repair *p)
{
	for (size_t i = 0; i < p->s->st->n; i++) {
		struct mailbox *m = p->s->st->mailboxes[i];
		size_t k = 0;
		for (size_t j = 0; j < m->n; j++)
			if (can_read(p, m, &m->messages[j]))
				m->messages[k++] = m->messages[j];
		if (k < m->n)
			m->highestmodseq = p->s->next;
		m->n = k;
	}
}

static struct mailbox *recovered(struct repair *p)
{
	struct state *st = p->s->st;
	struct view name = VIEW(REPAIR_MAILBOX);
	bool ok;
	if (!state_by_name(st, name)) {
		APPLY(p, &ok, mailbox, .id = st->next_id, .uidvalidity = store_fresh_uidvalidity(p->s), .name = name);
		if (ok)
			APPLY(p, &ok, subscribe, .on = 1, .name = name);
	}
	struct mailbox *m = state_by_name(st, name);
	return m ? m : state_by_name(st, VIEW("INBOX"));
}

static void recover_one(struct repair *p, uint64_t position, uint32_t size)
{
	struct mailbox *m = recovered(p);
	struct buf list, item;
	bool ok;
	buf_init(&list, 256);
	buf_init(&item, 256);
	record_put_appended(&item, &(struct record_appended){ .size = size, .date = clock_wall(NULL) });
	record_add_item(&list, &item);
	INVARIANT(state_apply(p->s->st, RECORD_content, position, VIEW_NONE, false));
	APPLY(p, &ok, append, .mailbox = m->id, .uid = m->uidnext, .list = buf_view(&list));
	buf_fini(&list);
	buf_fini(&item);
	p->what->recovered += ok;
}

/* Contents that a message refers to are not loose, whatever became of the record that said so first. */
static void recover_loose(struct repair *p)
{
	struct journal_record r;
	size_t n, k = 0;
	struct content *used = state_contents(p->s->st, true, &n);
	for (size_t i = 0; p->salvage.lost && i < p->salvage.nloose; i++) {
		uint64_t at = p->salvage.loose[i];
		while (k < n && used[k].position < at)
			k++;
		if (k < n && used[k].position == at)
			continue;
		if (journal_read(p->s->journal, at, &r) == ERR_OK && r.kind == RECORD_content && r.payload.n <= UINT32_MAX)
			recover_one(p, at, (uint32_t)r.payload.n);
	}
	free(used);
}

/* Deliveries that a lost record adopted: no readable one says that they were, or what became of them. */
static int adopt_missed(struct repair *p)
{
	struct store *s = p->s;
	struct batch b;
	uint64_t from = p->salvage.adopted_from;
	int err = ERR_OK;
	batch_init(&b);
	while (p->salvage.lost && s->incoming && err == ERR_OK && from < s->st->incoming) {
		uint64_t limit = s->st->incoming;
		batch_reset(&b);
		err = store_adopt_missed(s, &from, p->salvage.adopted, &b, &p->what->adopted);
		if (err != ERR_OK || b.n == 0)
			continue;
		s->st->incoming = limit - 1; /* it must seem to move */
		if (!apply_frames(p, &b))
			err = ERR_DAMAGED;
		s->st->incoming = limit;
	}
	batch_fini(&b);
	return err;
}

static void renew_doubtful(struct repair *p)
{
	size_t it = 0;
	uint64_t id;
	void *value;
	bool ok;
	while (p->salvage.lost && map64_next(p->salvage.doubt, &it, &id, &value)) {
		if (!state_by_id(p->s->st, id))
			continue;
		APPLY(p, &ok, uidvalidity, .mailbox = id, .uidvalidity = store_fresh_uidvalidity(p->s));
		p->what->renewed += ok;
	}
}

static int make_state(struct repair *p)
{
	int err = read_streams(p);
	if (err != ERR_OK)
		return err;
	take_state(p);
	if (!state_by_name(p->s->st, VIEW("INBOX"))) /* cannot be: the opening made one behind all damage */
		return ERR_DAMAGED;
	take_out_unreadable(p);
	err = adopt_missed(p);
	if (err == ERR_OK)
		recover_loose(p);
	if (err == ERR_OK)
		renew_doubtful(p);
	return err;
}

/* ---- contents that move out of the files that go ---- */
static int append(struct store *s, struct batch *b)
{
	int err = journal_append(s->journal, s->next, b->frames, b->n);
	if (err == ERR_OK)
		s->next = journal_end(s->journal);
	return err;
}

/* As many as one append takes, from c[*i] on; to: where they are now. */
static int copy_group(struct store *s, const struct content *c, size_t n, uint64_t *to, size_t *i)
{
	struct journal_record r;
	struct batch b;
	struct buf copy;
	uint64_t octets = 0;
	size_t first = *i;
	int err = ERR_OK;
	batch_init(&b);
	for (; *i < n && octets < GROUP && err == ERR_OK; ++*i) {
		err = journal_read(s->journal, c[*i].position, &r);
		if (err != ERR_OK)
			break;
		octets += r.payload.n;
		buf_init(&copy, r.payload.n);
		buf_addv(&copy, r.payload);
		batch_take(&b, RECORD_content, &copy);
	}
	if (err == ERR_OK)
		err = append(s, &b);
	for (size_t k = 0; err == ERR_OK && k < b.n; k++)
		to[first + k] = b.frames[k].position;
	batch_fini(&b);
	return err;
}

static int content_cmp(const void *a, const void *b)
{
	const struct content *x = a, *y = b;
	return (x->position > y->position) - (x->position < y->position);
}

static void refer_to_copies(struct state *st, const struct content *c, size_t n, const uint64_t *to)
{
	for (size_t i = 0; i < st->n; i++)
		for (size_t j = 0; j < st->mailboxes[i]->n; j++) {
			struct message *msg = &st->mailboxes[i]->messages[j];
			struct content key = { .position = msg->position & ~MESSAGE_OWN };
			if (msg->position & MESSAGE_OWN)
				msg->position = to[(const struct content *)bsearch(&key, c, n, sizeof key, content_cmp) - c] | MESSAGE_OWN;
		}
}

static int copy_contents(struct store *s)
{
	size_t n, i = 0;
	struct content *c = state_contents(s->st, true, &n);
	uint64_t *to = mem_array(n + 1, sizeof *to);
	int err = ERR_OK;
	while (i < n && err == ERR_OK)
		err = copy_group(s, c, n, to, &i);
	if (err == ERR_OK && n)
		refer_to_copies(s->st, c, n, to);
	free(to);
	free(c);
	return err;
}

/* ---- what is written ---- */
static int write_checkpoint(struct store *s)
{
	struct batch b;
	batch_init(&b);
	s->st->records += RECORDS_JUMP;
	store_build_checkpoint(s, &b);
	int err = append(s, &b);
	if (err == ERR_OK)
		s->checkpoint = b.frames[0].position;
	batch_fini(&b);
	return err == ERR_OK ? journal_flush(s->journal) : err;
}

static int remove_index(const char *name, void *arg) { return unlinkat(*(int *)arg, name, 0) == 0 ? ERR_OK : ERR_IO; }

static void make_index(struct store *s)
{
	int fd;
	if (file_open_dir(s->home, "index", &fd) == ERR_OK) {
		if (file_list(fd, remove_index, &fd) != ERR_OK)
			log_warn("mailbox_index_not_removed");
		fd_close(&fd);
	}
	store_hint_write(s);
}

/* The directory damaged/STREAM-ASIDE. */
static int open_aside(struct repair *p, const char *stream, int *fd)
{
	char name[64];
	int err = file_mkdir(p->s->home, REPAIR_DIR, 0700);
	snprintf(name, sizeof name, REPAIR_DIR "/%s-%s", stream, p->aside);
	if (err == ERR_OK)
		err = file_mkdir(p->s->home, name, 0700);
	return err == ERR_OK ? file_open_dir(p->s->home, name, fd) : err;
}

/* The files below position go; those that are damaged are kept. */
static int set_files_aside(struct repair *p, uint64_t position)
{
	uint64_t n = 0;
	int fd, err = open_aside(p, "journal", &fd);
	if (err != ERR_OK)
		return err;
	err = journal_drop_aside(p->s->journal, position, fd, ranges_meet, &p->journal, &n);
	p->what->aside += n;
	fd_close(&fd);
	return err;
}

/* What is damaged of incoming stays there until it is dropped, delivery has it open; who wants to look at it finds it here afterwards. */
static int copy_incoming_aside(struct repair *p)
{
	uint64_t n = 0;
	int fd, err = open_aside(p, "incoming", &fd);
	if (err != ERR_OK)
		return err;
	err = journal_copy_aside(p->s->incoming, fd, ranges_meet, &p->incoming, &n);
	p->what->aside += n;
	fd_close(&fd);
	return err;
}

/* A check is told that it was dealt with. */
static int write_known(struct repair *p)
{
	struct buf b;
	int err = file_mkdir(p->s->home, REPAIR_DIR, 0700);
	buf_init(&b, UINT32_C(1) << 24);
	for (size_t i = 0; i < p->incoming.n; i++)
		buf_printf(&b, "%llu %llu\n", (unsigned long long)p->incoming.v[i].from, (unsigned long long)p->incoming.v[i].to);
	if (err == ERR_OK)
		err = buf_ok(&b) ? file_replace(p->s->home, KNOWN_NAME, buf_view(&b), 0600) : ERR_LIMIT;
	buf_fini(&b);
	return err;
}

bool repair_knows(struct store *s, uint64_t from, uint64_t to)
{
	struct buf b;
	struct view rest, line, first;
	uint64_t f, t;
	bool known = false;
	buf_init(&b, UINT32_C(1) << 24);
	if (to <= s->st->incoming && file_slurp(s->home, KNOWN_NAME, &b) == ERR_OK)
		for (rest = buf_view(&b); !known && view_cut(&rest, '\n', &line);)
			known = view_cut(&line, ' ', &first) && num_u64(first, UINT64_MAX, &f) && num_u64(line, UINT64_MAX, &t) && from >= f && to <= t;
	buf_fini(&b);
	return known;
}

static int is_news(void *arg, const struct journal_record *r)
{
	(void)arg;
	(void)r;
	return ERR_CONFLICT;
}

/* A new head, for all that stays. ERR_CONFLICT: something was appended that the state does not know. */
static int roll(struct store *s, uint64_t *position)
{
	uint64_t next;
	int err = journal_roll(s->journal);
	if (err == ERR_OK)
		err = journal_scan(s->journal, s->next, is_news, NULL, &next);
	if (err != ERR_OK)
		return err;
	s->next = next;
	*position = journal_tail(s->journal, 0);
	return ERR_OK;
}

static int write_all(struct repair *p)
{
	struct store *s = p->s;
	uint64_t position = 0;
	int err = p->what->records_lost ? journal_alone(s->journal) : ERR_OK;
	if (err == ERR_OK && p->journal.n)
		err = roll(s, &position);
	if (err == ERR_OK && p->journal.n)
		err = copy_contents(s);
	if (err == ERR_OK)
		err = write_checkpoint(s);
	if (err != ERR_OK)
		return err;
	make_index(s);
	if (p->incoming_news)
		err = copy_incoming_aside(p);
	if (err == ERR_OK && p->incoming.n)
		err = write_known(p);
	return err == ERR_OK && p->journal.n ? set_files_aside(p, position) : err;
}

static int repair_once(struct repair *p)
{
	*p->r = (struct tool_result){ 0 };
	*p->what = (struct repair_result){ 0 };
	p->incoming_news = false;
	salvage_init(&p->salvage);
	int err = journal_refresh(p->s->journal);
	if (err == ERR_OK)
		err = make_state(p);
	if (err == ERR_OK && !p->dry)
		err = write_all(p);
	p->r->messages += p->what->recovered + p->what->adopted;
	salvage_fini(&p->salvage);
	free(p->journal.v);
	free(p->incoming.v);
	p->journal = p->incoming = (struct ranges){ 0 };
	return err;
}

int tool_repair(struct store *s, bool dry, const char *aside, const struct tool_report *report, struct tool_result *r,
	struct repair_result *what)
{
	struct repair p = { .s = s, .report = report, .r = r, .what = what, .dry = dry, .aside = aside };
	int err = ERR_CONFLICT;
	for (unsigned i = 0; i < TRIES && err == ERR_CONFLICT; i++)
		err = repair_once(&p);
	return err == ERR_CONFLICT ? ERR_BUSY : err;
}
