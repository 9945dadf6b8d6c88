/* SPDX-License-Identifier: ISC */
#include "mailbox/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"

#define NAME_NEW "index/summary.new"
#define MAGIC "PRsumm1\n"
#define HEAD 52    /* magic, version, uid, uidvalidity, inodes of home and journal, salt, sum */
#define ENTRY 36   /* sum, length, kind, offset, position, date, size; then the text */
#define WINDOW ((size_t)256 << 10) /* read at once; more than an entry has */
#define WRITE ((size_t)256 << 10)  /* written at once */

/* A copy of a part of the file. */
struct window {
	char *mem;
	uint64_t at;
	size_t n;
};

struct summary {
	int home, fd; /* fd -1: there is none, or none that may be used */
	struct summary_identity id;
	uint64_t least;
	uint32_t seed;         /* of the sums of this file's entries */
	uint64_t end;          /* entries below are in the index */
	uint64_t size;         /* of the file, when last looked */
	bool writer;           /* holds the lock; all up to the end is in the index */
	bool locked_out, off;  /* another writes; nothing can be written */
	struct map64 *index;   /* place of an entry, by slot() */
	uint64_t count[SUMMARY_KINDS]; /* entries */
	struct buf pending;    /* entries that stand from `end` on, not yet written */
	struct window windows[SUMMARY_KINDS + 1]; /* each kind was written, and is read, in a row of its own; the last is the scan's */
};

/* ---- the format ---- */
static void put_head(struct buf *b, const struct summary_identity *id, uint64_t salt)
{
	buf_adds(b, MAGIC);
	buf_put32(b, id->version);
	buf_put32(b, id->uid);
	buf_put32(b, id->uidvalidity);
	buf_put64(b, id->home);
	buf_put64(b, id->journal);
	buf_put64(b, salt);
	buf_put32(b, crc32c(0, buf_view(b).p, HEAD - 8));
	buf_put32(b, 0);
}

/* The head that this identity gives with the salt that is there is the head that is there; so no octet of it can be another. */
static bool head_is(const char *p, const struct summary_identity *id)
{
	struct buf b;
	buf_init(&b, HEAD);
	put_head(&b, id, le64_get(p + 36));
	bool same = view_eq(buf_view(&b), view_make(p, HEAD));
	buf_fini(&b);
	return same;
}

/* The head's own sum. (The sum over it too would be the same for every head.) */
static uint32_t seed_of(const char *head) { return le32_get(head + HEAD - 8); }

static void put_entry(struct buf *b, uint32_t seed, const struct summary_key *k, enum summary_kind kind, struct view text)
{
	size_t at = buf_len(b);
	buf_put32(b, 0);
	buf_put32(b, (uint32_t)text.n);
	buf_put32(b, (uint32_t)kind);
	buf_put32(b, k->offset);
	buf_put64(b, k->position);
	buf_put64(b, (uint64_t)k->date);
	buf_put32(b, k->size);
	buf_addv(b, text);
	char *p = b->mem + b->off + at;
	le32_put(p, crc32c(seed, p + 4, ENTRY - 4 + text.n));
}

struct entry {
	struct summary_key key;
	enum summary_kind kind;
	struct view text;
};

enum found { FOUND, FOUND_CUT, FOUND_DAMAGED };

/* The entry that v begins with. FOUND_CUT: v ends within it. */
static enum found get_entry(struct view v, uint32_t seed, struct entry *e)
{
	if (v.n < ENTRY)
		return FOUND_CUT;
	uint32_t n = le32_get(v.p + 4), kind = le32_get(v.p + 8);
	if (n > SUMMARY_TEXT_MAX || kind >= SUMMARY_KINDS)
		return FOUND_DAMAGED;
	if (v.n - ENTRY < n)
		return FOUND_CUT;
	if (le32_get(v.p) != crc32c(seed, v.p + 4, ENTRY - 4 + n))
		return FOUND_DAMAGED;
	e->kind = (enum summary_kind)kind;
	e->key = (struct summary_key){ .offset = le32_get(v.p + 12), .position = le64_get(v.p + 16), .date = (int64_t)le64_get(v.p + 24),
		.size = le32_get(v.p + 32) };
	e->text = view_make(v.p + ENTRY, n);
	return FOUND;
}

static bool key_eq(const struct summary_key *a, const struct summary_key *b)
{
	return a->position == b->position && a->date == b->date && a->offset == b->offset && a->size == b->size;
}

/* Different for all positions that there are; where it is not, the entry itself tells. */
static uint64_t slot(const struct summary_key *k, enum summary_kind kind)
{
	return ((k->position << 2) | (uint64_t)kind) ^ (k->position & (UINT64_C(1) << 63));
}

/* ---- the file ---- */
static void drop_windows(struct summary *s)
{
	for (size_t i = 0; i <= SUMMARY_KINDS; i++) {
		free(s->windows[i].mem);
		s->windows[i] = (struct window){ 0 };
	}
}

/* Forgets the file; what waits to be written is lost, and nobody misses it. */
static void forget(struct summary *s)
{
	fd_close(&s->fd);
	map64_free(s->index);
	s->index = map64_new();
	memset(s->count, 0, sizeof s->count);
	buf_fini(&s->pending);
	drop_windows(s);
	s->writer = false;
	s->end = s->size = 0;
}

/* Removes the name, when it still is the name of the file that is open. */
static void unlink_open(struct summary *s)
{
	struct stat st;
	if (fstat(s->fd, &st) == 0 && st.st_nlink > 0 && unlinkat(s->home, SUMMARY_NAME, 0) != 0)
		log_warn("summary_not_removed");
}

/* A new file under this name, with its head, locked. */
static int make(struct summary *s, const char *name)
{
	struct buf head;
	int err = file_mkdir(s->home, SUMMARY_DIR, 0700);
	if (err == ERR_OK)
		err = file_create(s->home, name, 0600, &s->fd);
	if (err != ERR_OK)
		return err;
	buf_init(&head, HEAD);
	put_head(&head, &s->id, random_u64());
	err = file_lock(s->fd, true, false);
	if (err == ERR_OK)
		err = file_pwrite(s->fd, buf_view(&head).p, HEAD, 0);
	s->seed = seed_of(buf_view(&head).p);
	s->writer = err == ERR_OK;
	s->end = s->size = HEAD;
	buf_fini(&head);
	return err;
}

static void create(struct summary *s)
{
	int err = make(s, SUMMARY_NAME);
	if (err == ERR_OK)
		return;
	/* ERR_EXISTS, ERR_BUSY: another process was faster. */
	s->off = err != ERR_EXISTS && err != ERR_BUSY;
	if (s->off)
		log_warn("summary_not_made", LERR("error", err));
	forget(s);
}

/* What is there is not to be believed: begins a new one, unless another process writes it. */
static void discard(struct summary *s)
{
	bool mine = s->writer || file_lock(s->fd, true, false) == ERR_OK;
	if (mine)
		unlink_open(s);
	forget(s);
	if (mine)
		create(s);
}

static void open_file(struct summary *s)
{
	char head[HEAD];
	struct stat st;
	int err = file_open_edit(s->home, SUMMARY_NAME, &s->fd);
	if (err == ERR_NOT_FOUND) {
		create(s);
		return;
	}
	if (err != ERR_OK) {
		log_warn("summary_not_opened", LERR("error", err));
		s->off = true;
		return;
	}
	if (fstat(s->fd, &st) != 0 || st.st_size < HEAD || file_pread(s->fd, head, HEAD, 0) != ERR_OK || !head_is(head, &s->id)) {
		discard(s);
		return;
	}
	s->seed = seed_of(head);
	s->end = HEAD;
	s->size = (uint64_t)st.st_size;
}

void summary_refresh(struct summary *s)
{
	struct stat st;
	s->locked_out = false;
	if (s->off)
		return;
	/* Deleted, replaced, cut: what this process knows of the file is void. */
	if (s->fd >= 0 && (fstat(s->fd, &st) != 0 || st.st_nlink == 0 || (uint64_t)st.st_size < s->end))
		forget(s);
	if (s->fd < 0)
		open_file(s);
	else if (!s->writer)
		s->size = (uint64_t)st.st_size;
}

/* ---- reading ---- */
/* The octets from `at` on, as many as are known to be there or as a window has. Null: they are not. */
static struct view window_at(struct summary *s, size_t which, uint64_t at, bool anew)
{
	struct window *w = &s->windows[which];
	if (anew || at < w->at || at - w->at >= w->n) {
		uint64_t there = s->size - at;
		w->n = 0;
		w->at = at;
		if (!w->mem)
			w->mem = mem_array(WINDOW, 1);
		size_t n = there < WINDOW ? (size_t)there : WINDOW;
		if (file_pread(s->fd, w->mem, n, (off_t)at) != ERR_OK)
			return VIEW_NONE;
		w->n = n;
	}
	return view_make(w->mem + (at - w->at), w->n - (size_t)(at - w->at));
}

/* The entry at this place of the file. FOUND_CUT: the file ends within it. */
static enum found read_entry(struct summary *s, size_t which, uint64_t at, struct entry *e)
{
	enum found f = FOUND_CUT;
	for (unsigned anew = 0; anew < 2 && f == FOUND_CUT; anew++) {
		struct view v = window_at(s, which, at, anew);
		f = v.p ? get_entry(v, s->seed, e) : FOUND_DAMAGED;
	}
	return f;
}

static void index_entry(struct summary *s, const struct entry *e, uint64_t at)
{
	map64_set(s->index, slot(&e->key, e->kind), (void *)(uintptr_t)at);
	s->count[e->kind]++;
}

/* Takes a window's worth of entries into the index. False at the end, and where the file is not to be believed. */
static bool scan(struct summary *s)
{
	struct entry e;
	enum found f = FOUND;
	uint64_t until = s->size - s->end > WINDOW ? s->end + WINDOW : s->size;
	if (s->fd < 0 || s->writer || s->end >= s->size)
		return false;
	while (s->end < until && (f = read_entry(s, SUMMARY_KINDS, s->end, &e)) == FOUND) {
		index_entry(s, &e, s->end);
		s->end += ENTRY + e.text.n;
	}
	if (f == FOUND_DAMAGED)
		discard(s);
	else if (f == FOUND_CUT) /* half of it is there: its writer was killed, or is at it */
		s->size = s->end;
	return f == FOUND;
}

static enum found find_entry(struct summary *s, enum summary_kind kind, uint64_t at, struct entry *e)
{
	if (at >= s->end)
		return get_entry(view_skip(buf_view(&s->pending), (size_t)(at - s->end)), s->seed, e);
	return read_entry(s, kind, at, e);
}

bool summary_get(struct summary *s, const struct summary_key *k, enum summary_kind kind, struct view *text)
{
	struct entry e;
	uint64_t at;
	do
		at = (uint64_t)(uintptr_t)map64_get(s->index, slot(k, kind));
	while (at == 0 && scan(s));
	if (at == 0)
		return false;
	if (find_entry(s, kind, at, &e) != FOUND) {
		discard(s);
		return false;
	}
	*text = e.text;
	return e.kind == kind && key_eq(&e.key, k);
}

/* ---- writing ---- */
/* With the lock, what another wrote until now is read, and what it left half is cut off. */
static bool become_writer(struct summary *s)
{
	struct stat st;
	if (s->writer || s->fd < 0 || s->locked_out)
		return s->writer;
	s->locked_out = file_lock(s->fd, true, false) != ERR_OK;
	if (s->locked_out || fstat(s->fd, &st) != 0)
		return false;
	s->size = (uint64_t)st.st_size;
	while (scan(s))
		;
	if (s->fd < 0 || s->writer) /* it was discarded */
		return s->writer;
	s->writer = st.st_nlink > 0 && ftruncate(s->fd, (off_t)s->end) == 0;
	return s->writer;
}

static void write_pending(struct summary *s)
{
	struct view v = buf_view(&s->pending);
	if (!s->writer || v.n == 0)
		return;
	int err = file_pwrite(s->fd, v.p, v.n, (off_t)s->end);
	if (err == ERR_OK) {
		s->end += v.n;
		s->size = s->end;
		buf_reset(&s->pending);
		return;
	}
	/* A full disk: mail needs the room more. */
	log_warn("summary_not_written", LERR("error", err));
	s->off = true;
	unlink_open(s);
	forget(s);
}

void summary_put(struct summary *s, const struct summary_key *k, enum summary_kind kind, struct view text)
{
	if (text.n > SUMMARY_TEXT_MAX || !become_writer(s) || s->end + buf_len(&s->pending) + ENTRY + text.n > SUMMARY_FILE_MAX)
		return;
	struct entry e = { *k, kind, text };
	index_entry(s, &e, s->end + buf_len(&s->pending));
	put_entry(&s->pending, s->seed, k, kind, text);
	if (buf_len(&s->pending) >= WRITE)
		write_pending(s);
}

void summary_rest(struct summary *s)
{
	write_pending(s);
	buf_fini(&s->pending);
	drop_windows(s);
}

/* ---- compaction ---- */
bool summary_compaction_due(const struct summary *s, uint64_t messages)
{
	uint64_t dead = 0, all = 0;
	for (size_t i = 0; i < SUMMARY_KINDS; i++) {
		all += s->count[i];
		dead += s->count[i] > messages ? s->count[i] - messages : 0;
	}
	return s->writer && s->end >= s->least && dead > all / 2;
}

/* In the order of the file, so that it is read as fast as before. */
static void copy_live(struct summary *s, struct summary *to, summary_live_fn *live, void *arg)
{
	struct entry e;
	for (uint64_t at = HEAD; at < s->end && to->writer; at += ENTRY + e.text.n) {
		if (read_entry(s, SUMMARY_KINDS, at, &e) != FOUND) {
			discard(s);
			return;
		}
		if ((uintptr_t)map64_get(s->index, slot(&e.key, e.kind)) == at && live(arg, &e.key))
			summary_put(to, &e.key, e.kind, e.text);
	}
}

/* Another process that reads the old file goes on with it until it sees that it has no name any more. */
void summary_compact(struct summary *s, summary_live_fn *live, void *arg)
{
	write_pending(s);
	if (!s->writer)
		return;
	struct summary *to = summary_new(s->home, &s->id, s->least);
	if (unlinkat(s->home, NAME_NEW, 0) == 0)
		log_warn("summary_compaction_was_cut");
	if (make(to, NAME_NEW) == ERR_OK) {
		copy_live(s, to, live, arg);
		write_pending(to);
	}
	if (s->writer && to->writer && renameat(s->home, NAME_NEW, s->home, SUMMARY_NAME) == 0) {
		struct summary old = *s;
		*s = *to;
		*to = old;
	}
	to->writer = false; /* nothing more is written there */
	summary_free(to);
	summary_rest(s);
}

/* ---- the object ---- */
struct summary *summary_new(int home, const struct summary_identity *id, uint64_t least)
{
	struct summary *s = mem_new(sizeof *s);
	s->home = home;
	s->fd = -1;
	s->id = *id;
	s->least = least;
	s->index = map64_new();
	buf_init(&s->pending, WRITE + ENTRY + SUMMARY_TEXT_MAX);
	return s;
}

void summary_free(struct summary *s)
{
	if (!s)
		return;
	write_pending(s);
	forget(s);
	map64_free(s->index);
	free(s);
}

bool summary_is(const struct summary *s, const struct summary_identity *id)
{
	return s->id.home == id->home && s->id.journal == id->journal && s->id.uid == id->uid && s->id.uidvalidity == id->uidvalidity &&
		s->id.version == id->version;
}
