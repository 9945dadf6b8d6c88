/* SPDX-License-Identifier: ISC */
#include "mailbox/columns.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "mailbox/checkpoint.h"
#include "mailbox/mailbox.h"
#include "mailbox/records.h"
#include "sys/clock.h"
#include "sys/file.h"

#define NAME_NEW "index/columns.new"
#define MAGIC "PRcols1\n"
#define LAYOUT 1
#define ORDER UINT32_C(0x01020304) /* as this machine has it in memory */
#define HEAD 120
#define TAIL 8 /* the sum of all behind the head, and zero */
#define ROW sizeof(struct message)
#define ROWS_AT_ONCE 2048 /* read, summed and checked while they are in the processor's cache */
#define NAMES_MAX (UINT64_C(64) << 20)

_Static_assert(ROW == 48 && offsetof(struct message, modseq) == 0 && offsetof(struct message, keywords) == 8 &&
	offsetof(struct message, position) == 16 && offsetof(struct message, date) == 24 && offsetof(struct message, uid) == 32 &&
	offsetof(struct message, size) == 36 && offsetof(struct message, offset) == 40 && offsetof(struct message, flags) == 44,
	"the rows of the format (change LAYOUT with them)");

/* ---- the head ---- */
struct head {
	struct columns_identity id;
	struct columns_mark mark;
	uint64_t salt;
	uint64_t rows, names; /* how many of the one, octets of the other */
};

static void put_head(struct buf *b, const struct head *h)
{
	const uint32_t order = ORDER;
	buf_adds(b, MAGIC);
	buf_put32(b, LAYOUT);
	buf_add(b, &order, sizeof order);
	buf_put32(b, (uint32_t)ROW);
	buf_put32(b, h->id.uid);
	buf_put64(b, h->id.home);
	buf_put64(b, h->id.journal);
	buf_put64(b, h->salt);
	buf_put64(b, h->mark.covered);
	buf_put64(b, h->mark.last);
	buf_put32(b, h->mark.last_kind);
	buf_put32(b, h->mark.last_sum);
	buf_put64(b, h->mark.checkpoint);
	buf_put64(b, h->mark.checkpoint_octets);
	buf_put64(b, h->mark.since);
	buf_put64(b, h->rows);
	buf_put64(b, h->names);
	buf_put32(b, crc32c(0, buf_view(b).p, HEAD - 8));
	buf_put32(b, 0);
	INVARIANT(buf_len(b) == HEAD);
}

/* Written anew from what was read, a right head is the same, octet for octet; so nothing in it can be otherwise. */
static bool get_head(const char *p, const struct columns_identity *id, struct head *h)
{
	struct buf b;
	*h = (struct head){ .id = *id, .salt = le64_get(p + 40),
		.mark = { .covered = le64_get(p + 48), .last = le64_get(p + 56), .last_kind = le32_get(p + 64), .last_sum = le32_get(p + 68),
			.checkpoint = le64_get(p + 72), .checkpoint_octets = le64_get(p + 80), .since = le64_get(p + 88) },
		.rows = le64_get(p + 96), .names = le64_get(p + 104) };
	buf_init(&b, HEAD);
	put_head(&b, h);
	bool same = view_eq(buf_view(&b), view_make(p, HEAD));
	buf_fini(&b);
	return same;
}

/* The head's own sum. (The sum over it too would be the same for every head.) */
static uint32_t seed_of(const char *head) { return le32_get(head + HEAD - 8); }

/* ---- what is not messages: checkpoint payloads, and how many messages each mailbox has ---- */
struct parts {
	struct buf payloads;
	uint32_t n;
};

static void take_part(void *arg, struct buf *payload)
{
	struct parts *p = arg;
	buf_put32(&p->payloads, (uint32_t)buf_len(payload));
	buf_addv(&p->payloads, buf_view(payload));
	p->n++;
}

static void put_names(struct buf *b, const struct state *st)
{
	struct parts p = { .n = 0 };
	buf_init(&p.payloads, NAMES_MAX);
	checkpoint_write_names(st, take_part, &p);
	buf_put32(b, buf_ok(&p.payloads) ? p.n : 0);
	buf_addv(b, buf_view(&p.payloads));
	buf_fini(&p.payloads);
	for (size_t i = 0; i < st->n; i++)
		buf_put64(b, st->mailboxes[i]->n);
}

static bool take_u32(struct view *v, uint32_t *out)
{
	if (v->n < 4)
		return false;
	*out = le32_get(v->p);
	*v = view_skip(*v, 4);
	return true;
}

/* Takes the checkpoint off *v. Only a last part makes a state, and nothing stands behind it. */
static bool get_parts(struct state *st, struct view *v, uint64_t at)
{
	uint32_t n, octets;
	if (!take_u32(v, &n) || n == 0)
		return false;
	for (; n > 0; n--) {
		if ((st->n > 0 && !st->shadow) || !take_u32(v, &octets) || octets > v->n ||
			!state_apply(st, RECORD_checkpoint, at, view_head(*v, octets), true))
			return false;
		*v = view_skip(*v, octets);
	}
	return st->n > 0 && !st->shadow;
}

/* The mailboxes, empty, with room for as many messages as they have; counts (the caller's) says how many. */
static bool get_names(struct state *st, struct view v, const struct head *h, uint64_t **counts)
{
	uint64_t rows = 0;
	*counts = NULL;
	if (!get_parts(st, &v, h->mark.covered) || v.n != st->n * 8)
		return false;
	*counts = mem_array(st->n, sizeof **counts);
	for (size_t i = 0; i < st->n; i++) {
		uint64_t n = (*counts)[i] = le64_get(v.p + i * 8);
		struct mailbox *m = st->mailboxes[i];
		if (n > h->rows - rows || m->n > 0 || m->highestmodseq >= h->mark.covered)
			return false;
		rows += n;
		free(m->messages);
		m->messages = n ? mem_array((size_t)n, ROW) : NULL;
		m->cap = (size_t)n;
	}
	return rows == h->rows;
}

/* ---- reading ---- */
static bool read_rows(int fd, struct state *st, struct mailbox *m, uint64_t n, const struct head *h, uint64_t *at, uint32_t *sum)
{
	while (n > 0) {
		size_t some = n < ROWS_AT_ONCE ? (size_t)n : ROWS_AT_ONCE;
		struct message *rows = m->messages + m->n;
		if (file_pread(fd, rows, some * ROW, (off_t)*at) != ERR_OK)
			return false;
		*sum = crc32c(*sum, rows, some * ROW);
		*at += some * ROW;
		n -= some;
		if (!state_take_rows(st, m, some, h->mark.covered))
			return false;
	}
	return true;
}

/* What stands behind the head. */
static bool read_rest(int fd, const struct head *h, uint32_t seed, struct state *st)
{
	char tail[TAIL];
	uint64_t *counts = NULL, at = HEAD + h->names;
	char *names = mem_array((size_t)h->names + 1, 1);
	bool ok = file_pread(fd, names, (size_t)h->names, HEAD) == ERR_OK && get_names(st, view_make(names, (size_t)h->names), h, &counts);
	uint32_t sum = crc32c(seed, names, (size_t)h->names);
	for (size_t i = 0; ok && i < st->n; i++)
		ok = read_rows(fd, st, st->mailboxes[i], counts[i], h, &at, &sum);
	ok = ok && file_pread(fd, tail, TAIL, (off_t)at) == ERR_OK && le32_get(tail) == sum && le32_get(tail + 4) == 0;
	free(counts);
	free(names);
	return ok;
}

static bool is_size(const struct head *h, uint64_t size)
{
	return h->names <= NAMES_MAX && h->rows <= size / ROW && size == HEAD + h->names + h->rows * ROW + TAIL;
}

/* Opens it, where the head is right and the length is what that says. */
static bool open_right(int home, const struct columns_identity *id, int *fd, struct head *h, uint32_t *seed)
{
	char head[HEAD];
	uint64_t size;
	if (file_open_read(home, COLUMNS_NAME, fd) != ERR_OK)
		return false;
	if (file_pread(*fd, head, HEAD, 0) == ERR_OK && get_head(head, id, h) && file_size(*fd, &size) == ERR_OK && is_size(h, size)) {
		*seed = seed_of(head);
		return true;
	}
	fd_close(fd);
	return false;
}

bool columns_peek(int home, const struct columns_identity *id, struct columns_mark *mark)
{
	struct head h;
	uint32_t seed;
	int fd;
	if (!open_right(home, id, &fd, &h, &seed))
		return false;
	*mark = h.mark;
	fd_close(&fd);
	return true;
}

struct state *columns_read(int home, const struct columns_identity *id, struct columns_mark *mark, uint64_t *octets)
{
	struct head h;
	uint32_t seed;
	int fd;
	if (!open_right(home, id, &fd, &h, &seed))
		return NULL;
	struct state *st = state_new();
	bool ok = read_rest(fd, &h, seed, st);
	fd_close(&fd);
	if (!ok) {
		state_free(st);
		return NULL;
	}
	*mark = h.mark;
	*octets = HEAD + h.names + h.rows * ROW + TAIL;
	return st;
}

/* ---- writing ---- */
struct out {
	int fd;
	uint64_t at;
	uint32_t sum;
	int err;
};

static void out(struct out *o, const void *p, size_t n)
{
	if (o->err != ERR_OK)
		return;
	o->err = file_pwrite(o->fd, p, n, (off_t)o->at);
	o->sum = crc32c(o->sum, p, n);
	o->at += n;
}

/* Field by field: what the compiler leaves between and behind them is zero in the file. */
static void set_row(struct message *row, const struct message *m)
{
	row->modseq = m->modseq;
	row->keywords = m->keywords;
	row->position = m->position;
	row->date = m->date;
	row->uid = m->uid;
	row->size = m->size;
	row->offset = m->offset;
	row->flags = m->flags;
}

static void write_rows(struct out *o, const struct mailbox *m)
{
	struct message *rows = mem_array(ROWS_AT_ONCE, ROW);
	for (size_t i = 0; i < m->n && o->err == ERR_OK;) {
		size_t k = 0;
		while (k < ROWS_AT_ONCE && i < m->n)
			set_row(&rows[k++], &m->messages[i++]);
		out(o, rows, k * ROW);
	}
	free(rows);
}

static int write_file(int fd, struct head *h, const struct state *st, uint64_t *octets)
{
	struct buf head, names;
	struct out o = { .fd = fd };
	char tail[TAIL] = { 0 };
	buf_init(&head, HEAD);
	buf_init(&names, NAMES_MAX);
	put_names(&names, st);
	h->names = buf_len(&names);
	put_head(&head, h);
	o.err = buf_ok(&names) ? ERR_OK : ERR_TOO_BIG;
	out(&o, buf_view(&head).p, HEAD);
	o.sum = seed_of(buf_view(&head).p);
	out(&o, buf_view(&names).p, buf_len(&names));
	for (size_t i = 0; i < st->n; i++)
		write_rows(&o, st->mailboxes[i]);
	le32_put(tail, o.sum);
	out(&o, tail, TAIL);
	*octets = o.at;
	buf_fini(&head);
	buf_fini(&names);
	return o.err;
}

/* A file of our own, locked. One that is there already is another's who is at it, or was left by one that was killed. */
static int create_new(int home, int *fd)
{
	int err = file_mkdir(home, COLUMNS_DIR, 0700);
	if (err == ERR_OK)
		err = file_create(home, NAME_NEW, 0600, fd);
	if (err == ERR_EXISTS) {
		err = file_open_edit(home, NAME_NEW, fd);
		if (err == ERR_OK)
			err = file_lock(*fd, true, false);
		fd_close(fd);
		if (err == ERR_OK && unlinkat(home, NAME_NEW, 0) != 0)
			err = ERR_BUSY;
		if (err == ERR_OK)
			err = file_create(home, NAME_NEW, 0600, fd);
	}
	if (err == ERR_OK)
		err = file_lock(*fd, true, false);
	return err == ERR_EXISTS ? ERR_BUSY : err;
}

int columns_write(int home, const struct columns_identity *id, const struct columns_mark *mark, const struct state *st, uint64_t *octets)
{
	struct head h = { .id = *id, .mark = *mark, .salt = random_u64() };
	int fd = -1;
	for (size_t i = 0; i < st->n; i++)
		h.rows += st->mailboxes[i]->n;
	int err = create_new(home, &fd);
	if (err == ERR_OK) {
		err = write_file(fd, &h, st, octets);
		/* Should another process have taken the name meanwhile, its file is judged by its sum, as all are. */
		if (err == ERR_OK && renameat(home, NAME_NEW, home, COLUMNS_NAME) != 0)
			err = ERR_IO;
		if (err != ERR_OK && unlinkat(home, NAME_NEW, 0) != 0)
			err = ERR_IO;
	}
	fd_close(&fd);
	return err;
}
