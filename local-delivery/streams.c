/* SPDX-License-Identifier: ISC */
#include "local-delivery/streams.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "local-delivery/seen.h"
#include "log/log.h"
#include "sys/file.h"

/* So many streams are flushed one by one; more of them by one syncfs. */
enum { FEW = 8 };
/* After a failed flush that took nothing away the next one comes so much later. */
enum { AGAIN_MS = 1000 };

struct stream {
	struct list node;     /* all, the least recently used first */
	struct list dirty;    /* in the list of those to be flushed, of those being flushed, or of those whose flush failed and comes again */
	uint32_t uid;
	struct journal *journal;
	struct seen *seen;
	struct list waiting;  /* appended since the flush under way began */
	struct list flushing; /* appended before */
	struct journal_flush *flush;
	bool news;
	bool fresh; /* nothing in it was durable: nor may be the names of its directory and home, whoever made these */
};

struct streams {
	struct loop *loop;
	struct pool *pool;
	struct stream_options o;
	struct map64 *map;
	struct map64 *held; /* uids → this */
	struct list all, dirty, batch, resting;
	struct timer *again; /* for the resting ones */
	struct later turn;
	bool running; /* a batch is being flushed */
	int synced;   /* the result of its syncfs */
	bool many;    /* it has one */
	bool doubt;   /* one has failed */
	bool unsynced; /* a home may have been exchanged by somebody who died before its name was flushed: the next flush is one by syncfs */
	void (*news)(void *arg, uint32_t uid);
	void *news_arg;
};

static void turn(void *arg);
static void rested(void *arg);

struct streams *streams_new(struct loop *l, struct pool *pool, const struct stream_options *o)
{
	struct streams *s = mem_new(sizeof *s);
	*s = (struct streams){ .loop = l, .pool = pool, .o = *o, .map = map64_new(), .held = map64_new(), .unsynced = true,
		.turn = { .fn = turn, .arg = s } };
	list_init(&s->all);
	list_init(&s->dirty);
	list_init(&s->batch);
	list_init(&s->resting);
	s->again = timer_new(l, rested, s);
	return s;
}

bool streams_held(const struct streams *s, uint32_t uid)
{
	return map64_get(s->held, uid) != NULL;
}

void streams_release(struct streams *s)
{
	map64_free(s->held);
	s->held = map64_new();
	s->unsynced = true;
}

static void stream_free(struct stream *st)
{
	journal_close(st->journal);
	seen_free(st->seen);
	free(st);
}

static void close_stream(struct streams *s, struct stream *st)
{
	list_remove(&st->node);
	list_remove(&st->dirty);
	(void)map64_del(s->map, st->uid);
	stream_free(st);
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	loop_later_cancel(s->loop, &s->turn);
	timer_free(s->again);
	LIST_EACH (it, tmp, &s->all)
		close_stream(s, LIST_OF(it, struct stream, node));
	map64_free(s->map);
	map64_free(s->held);
	free(s);
}

void streams_on_news(struct streams *s, void (*fn)(void *arg, uint32_t uid), void *arg)
{
	s->news = fn;
	s->news_arg = arg;
}

bool streams_idle(const struct streams *s)
{
	return list_empty(&s->dirty) && list_empty(&s->resting) && !s->running;
}

/* ---- opening ---- */

/* What the scan of a stream's tail learns. */
struct tail {
	struct seen *seen;
	struct incoming last;
	uint64_t first;
	bool any;
};

static int see_record(void *arg, const struct journal_record *r)
{
	struct tail *t = arg;
	struct incoming in;
	if (r->kind != INCOMING_MESSAGE || incoming_decode(r->payload, &in) != ERR_OK)
		return 0;
	seen_add(t->seen, &in.id, r->position);
	t->last = in;
	if (!t->any)
		t->first = r->position;
	t->any = true;
	return 0;
}

static int scan(struct stream *st, struct tail *t, uint64_t from)
{
	uint64_t next;
	seen_free(st->seen);
	st->seen = t->seen = seen_new();
	t->any = false;
	return journal_scan(st->journal, from, see_record, t, &next);
}

/* The last record tells how far back the deliveries stand that may come again (incoming.h); it is found from the end. */
static int rebuild(struct stream *st)
{
	struct tail t = { .any = false };
	uint64_t start = journal_start(st->journal), from = start, octets = 0;
	int err;
	do {
		from = journal_tail(st->journal, octets);
		err = scan(st, &t, from);
		octets = journal_end(st->journal) - from + 1;
	} while (err == ERR_OK && !t.any && from > start);
	if (err == ERR_OK && t.any && t.last.back < from)
		err = scan(st, &t, t.last.back > start ? t.last.back : start);
	st->fresh = start == 0 && (!t.any || journal_durable(st->journal) <= t.first);
	if (err == ERR_OK && t.any)
		seen_prune(st->seen, t.last.id.spool, t.last.floor);
	return err;
}

/* The home belongs to the account, so what stands there under this name is believed only when it is ours. */
static int check_owner(int fd, uint32_t uid)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return ERR_IO;
	return st.st_uid == geteuid() && st.st_gid == uid ? ERR_OK : ERR_DENIED;
}

#define PATH_MAX_HERE (INCOMING_HOME_MAX + 16)

static void incoming_path(uint32_t uid, char path[PATH_MAX_HERE])
{
	incoming_home(uid, path);
	size_t n = view_of(path).n;
	for (const char *p = "/incoming"; (path[n++] = *p++) != '\0';)
		;
}

static int open_dir(const struct streams *s, uint32_t uid, int *fd)
{
	char path[PATH_MAX_HERE];
	incoming_path(uid, path);
	int err = file_open_dir(s->o.mail, path, fd);
	if (err == ERR_OK && s->o.check_owner) {
		err = check_owner(*fd, uid);
		if (err != ERR_OK)
			fd_close(fd);
	}
	return err;
}

static void damaged(void *arg, uint64_t from, uint64_t to)
{
	const struct stream *st = arg;
	log_error("incoming_damaged", LU("uid", st->uid), LU("from", from), LU("to", to));
}

/*
 * What was opened may have been exchanged for another before it was locked; while it is locked it is not. What is appended to the one that is no more
 * is lost.
 */
static int check_place(const struct streams *s, uint32_t uid, int fd)
{
	char path[PATH_MAX_HERE];
	struct stat there, here;
	incoming_path(uid, path);
	if (fstatat(s->o.mail, path, &there, AT_SYMLINK_NOFOLLOW) != 0 || fstatat(fd, ".", &here, 0) != 0)
		return ERR_BUSY;
	return there.st_dev == here.st_dev && there.st_ino == here.st_ino ? ERR_OK : ERR_BUSY;
}

/* In any thread. */
static int open_journal(const struct streams *s, struct stream *st)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .segment_size = INCOMING_SEGMENT, .frame_max = s->o.frame_max, .mode = 0640, .create = true,
		.own = true, .seam = s->o.seam };
	int fd, err = open_dir(s, st->uid, &fd);
	if (err != ERR_OK)
		return err;
	err = journal_open(fd, &o, &st->journal);
	if (err == ERR_OK) {
		err = check_place(s, st->uid, fd);
		if (err == ERR_OK)
			err = journal_publish(st->journal);
		if (err != ERR_OK) {
			journal_close(st->journal);
			st->journal = NULL;
		}
	}
	fd_close(&fd);
	return err == ERR_NOT_FOUND ? ERR_IO : err;
}

/* One that is being flushed is listed again when that is over. */
static void set_dirty(struct streams *s, struct stream *st)
{
	if (list_empty(&st->dirty))
		list_append(&s->dirty, &st->dirty);
	loop_later(s->loop, &s->turn);
}

/* With a journal that is open. What was left above the mark, whose sender may know that it was delivered, is made durable and shown. */
static int begin_stream(struct streams *s, struct stream *st)
{
	journal_on_damage(st->journal, damaged, st);
	int err = rebuild(st);
	if (err != ERR_OK)
		return err;
	(void)map64_set(s->map, st->uid, st);
	st->news = journal_durable(st->journal) < journal_end(st->journal);
	if (st->news)
		set_dirty(s, st);
	return ERR_OK;
}

static bool is_busy(const struct stream *st)
{
	return !list_empty(&st->dirty);
}

/* Closes the least recently used that wait for nothing, until there is room for n more. */
static void make_room(struct streams *s, size_t n)
{
	LIST_EACH (it, tmp, &s->all) {
		struct stream *st = LIST_OF(it, struct stream, node);
		if (map64_count(s->map) + n <= s->o.max)
			return;
		if (!is_busy(st))
			close_stream(s, st);
	}
}

static struct stream *stream_new(uint32_t uid)
{
	struct stream *st = mem_new(sizeof *st);
	st->uid = uid;
	list_init(&st->node);
	list_init(&st->dirty);
	list_init(&st->waiting);
	list_init(&st->flushing);
	return st;
}

static void touch(struct streams *s, struct stream *st)
{
	list_remove(&st->node);
	list_append(&s->all, &st->node);
}

static int get_stream(struct streams *s, uint32_t uid, struct stream **out)
{
	struct stream *st = map64_get(s->map, uid);
	if (!st) {
		make_room(s, 1);
		st = stream_new(uid);
		int err = open_journal(s, st);
		if (err == ERR_OK)
			err = begin_stream(s, st);
		if (err != ERR_OK) {
			stream_free(st);
			return err;
		}
	}
	touch(s, st);
	*out = st;
	return ERR_OK;
}

struct opening {
	const struct streams *s;
	struct stream **list;
};

/* What fails here is tried again, and its error told, when something is appended. */
static void open_one(void *arg, size_t i)
{
	struct opening *o = arg;
	(void)open_journal(o->s, o->list[i]);
}

/* Those that are needed and not open yet; the others are used now, so that they are not the ones that make room. */
static size_t find_closed(struct streams *s, const uint32_t *uids, size_t n, struct stream **list)
{
	struct map64 *listed = map64_new();
	size_t closed = 0;
	for (size_t i = 0; i < n; i++) {
		struct stream *st = map64_get(s->map, uids[i]);
		if (st)
			touch(s, st);
		else if (closed < s->o.max / 2 && !streams_held(s, uids[i]) && map64_get(listed, uids[i]) == NULL) {
			list[closed] = stream_new(uids[i]);
			(void)map64_set(listed, uids[i], list[closed++]);
		}
	}
	map64_free(listed);
	return closed;
}

void streams_open(struct streams *s, const uint32_t *uids, size_t n)
{
	struct stream **list = mem_array(n + 1, sizeof *list);
	struct opening o = { s, list };
	size_t closed = find_closed(s, uids, n, list);
	make_room(s, closed);
	pool_share(s->pool, open_one, &o, closed);
	for (size_t i = 0; i < closed; i++) {
		if (list[i]->journal && begin_stream(s, list[i]) == ERR_OK)
			touch(s, list[i]);
		else
			stream_free(list[i]);
	}
	free(list);
}

/* ---- appending ---- */

static int append(struct stream *st, const struct incoming *in, const struct view parts[3], uint64_t *position)
{
	struct incoming head = *in;
	struct buf b;
	uint64_t end = journal_end(st->journal);
	seen_prune(st->seen, in->id.spool, in->floor);
	head.back = seen_back(st->seen, end);
	buf_init(&b, INCOMING_HEAD_MAX);
	incoming_encode(&b, &head, NULL, 0);
	struct journal_frame f = { .kind = INCOMING_MESSAGE, .parts = { buf_view(&b), parts[0], parts[1], parts[2] } };
	int err = journal_append(st->journal, end, &f, 1);
	buf_fini(&b);
	if (err != ERR_OK)
		return err;
	seen_add(st->seen, &in->id, f.position);
	*position = f.position;
	return ERR_OK;
}

int streams_append(struct streams *s, uint32_t uid, const struct incoming *in, const struct view parts[3], struct stream_wait *w, bool *again)
{
	struct stream *st;
	int err = streams_held(s, uid) ? ERR_BUSY : get_stream(s, uid, &st);
	if (err != ERR_OK)
		return err;
	*again = seen_has(st->seen, &in->id, &w->position);
	if (!*again) {
		err = append(st, in, parts, &w->position);
		if (err != ERR_OK)
			return err;
		st->news = true;
	}
	/* Also what stands there already may not be durable yet: a process that died before the flush may have appended it. */
	list_append(&st->waiting, &w->node);
	set_dirty(s, st);
	return ERR_OK;
}

/* ---- flushing ---- */

static void run(void *arg)
{
	struct streams *s = arg;
	s->synced = s->many && syncfs(s->o.mail) != 0 ? ERR_IO : ERR_OK;
	if (s->many && !s->doubt)
		return;
	LIST_EACH (it, tmp, &s->batch) {
		struct stream *st = LIST_OF(it, struct stream, dirty);
		if (st->flush)
			journal_flush_run(st->flush);
	}
}

/* What was lost is told so, what is durable too; the rest goes on waiting. */
static void settle(struct stream *st, struct list *waits, uint64_t durable, uint64_t lost_from, uint64_t lost_to, int err)
{
	struct list mine;
	list_init(&mine);
	LIST_EACH (it, tmp, waits) {
		list_remove(it);
		list_append(&mine, it);
	}
	LIST_EACH (it, tmp, &mine) {
		struct stream_wait *w = LIST_OF(it, struct stream_wait, node);
		bool lost = w->position >= lost_from && w->position < lost_to;
		list_remove(it);
		if (lost || w->position < durable)
			w->fn(w, lost ? err : ERR_OK);
		else
			list_append(&st->waiting, it);
	}
}

/* Comes again a little later, with what is appended meanwhile. */
static void rest(struct streams *s, struct stream *st)
{
	if (!list_empty(&st->dirty))
		return;
	list_append(&s->resting, &st->dirty);
	if (!timer_armed(s->again))
		timer_set(s->again, AGAIN_MS);
}

/*
 * A failed flush takes what was appended meanwhile with it: the stream has rolled to what was durable before. But what was found at the opening stays
 * (journal_flush_end), and so must be neither told durable nor told gone: its delivery would come again when the floor has passed it.
 */
static void undo(struct streams *s, struct stream *st, uint64_t from, uint64_t to, int err)
{
	uint64_t durable = journal_publish(st->journal) == ERR_OK ? journal_durable(st->journal) : 0;
	log_error("incoming_flush_failed", LU("uid", st->uid), LERR("error", err), LU("from", from), LU("to", to));
	seen_undo(st->seen, from, to);
	settle(st, &st->flushing, durable, from, to, err);
	settle(st, &st->waiting, durable, from, to, err);
	if (!list_empty(&st->waiting))
		rest(s, st);
}

static void rested(void *arg)
{
	struct streams *s = arg;
	LIST_EACH (it, tmp, &s->resting) {
		list_remove(it);
		list_append(&s->dirty, it);
	}
	loop_later(s->loop, &s->turn);
}

static void end_stream(struct streams *s, struct stream *st)
{
	uint64_t from = 0, to = 0;
	int err = ERR_OK;
	if (st->flush) {
		if (s->many)
			journal_flush_ran(st->flush, s->synced);
		err = journal_flush_end(st->journal, st->flush, &from, &to);
		st->flush = NULL;
	}
	if (err != ERR_OK) {
		undo(s, st, from, to, err);
		return;
	}
	st->fresh = st->fresh && !s->many;
	/* Sessions see no more than is published: what is told delivered before that might never be seen. */
	bool unseen = journal_publish(st->journal) != ERR_OK;
	settle(st, &st->flushing, unseen ? 0 : UINT64_MAX, 0, 0, ERR_OK);
	if (st->news && s->news && !unseen)
		s->news(s->news_arg, st->uid);
	st->news = unseen || !list_empty(&st->waiting);
	if (unseen)
		rest(s, st);
	else if (st->news)
		set_dirty(s, st);
	else if (streams_held(s, st->uid))
		close_stream(s, st);
}

void streams_hold(struct streams *s, uint32_t uid, bool on)
{
	struct stream *st = map64_get(s->map, uid);
	if (!on) {
		(void)map64_del(s->held, uid);
		s->unsynced = true;
		return;
	}
	(void)map64_set(s->held, uid, s);
	if (st && !is_busy(st))
		close_stream(s, st);
}

static void ran(void *arg)
{
	struct streams *s = arg;
	s->running = false;
	s->unsynced = s->unsynced || (s->many && s->synced != ERR_OK);
	/* It may have lost octets of a stream of the next batch, which no other syncfs tells again; that stream's own flush does. */
	s->doubt = s->doubt || s->synced != ERR_OK;
	LIST_EACH (it, tmp, &s->batch) {
		list_remove(it);
		end_stream(s, LIST_OF(it, struct stream, dirty));
	}
	/* Streams that were not in this batch became dirty beside it, and their turn found it running. */
	if (!list_empty(&s->dirty))
		loop_later(s->loop, &s->turn);
}

/* The end of a turn: everything that is dirty is flushed, one batch at a time. */
static void turn(void *arg)
{
	struct streams *s = arg;
	size_t n = 0;
	bool fresh = false;
	if (s->running || list_empty(&s->dirty))
		return;
	LIST_EACH (it, tmp, &s->dirty) {
		struct stream *st = LIST_OF(it, struct stream, dirty);
		list_remove(it);
		list_append(&s->batch, it);
		LIST_EACH (w, wtmp, &st->waiting) {
			list_remove(w);
			list_append(&st->flushing, w);
		}
		st->flush = journal_flush_begin(st->journal);
		n += st->flush != NULL;
		fresh = fresh || st->fresh;
	}
	/* One syncfs covers the names above a stream, too. */
	s->many = (n > FEW && !s->doubt) || fresh || s->unsynced;
	s->unsynced = false;
	s->running = true;
	pool_submit(s->pool, run, ran, s);
}
