/* SPDX-License-Identifier: ISC */
/*
 * local-delivery: appends messages, opaque to it, to the incoming streams of the accounts. An offer becomes a job: each of its
 * recipients is appended, waits for the flush, and has its result; the job is reported when it has them all. An account without a
 * home waits for host to make one; the offer is copied for that time.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/map.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "local-delivery/streams.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"

/* What waits for a home that is worked on, of the room that others' mail needs as well; more of it is put off. */
enum { PARKED_MAX = 256, PARKED_OCTETS = 16 << 20, PARKED_MS = 250, PARKED_TRIES = 40 };
enum { ROOM = 512, STREAMS_MAX = 2000, FILES_OF_STREAM = 6, THREADS = 4 };

struct local {
	struct daemon *d;
	struct pool *pool;
	struct streams *streams;
	struct list jobs;
	struct map64 *homes; /* questions to host, by request id */
	struct list parked;  /* parts whose account's home is held, or its stream locked by another */
	uint32_t nparked;
	uint64_t parked_octets;
	struct timer *parking; /* for the latter: nobody tells when that is over */
	uint64_t last_id;
	uint32_t freed;      /* offers settled and not yet asked for again */
	struct later turn;
};

/* One recipient of a job. */
struct part {
	struct stream_wait wait; /* the first member: a wait is its part */
	struct list home;        /* waits for its home with others */
	struct job *job;
	uint32_t index, uid;
	uint8_t outcome;
	const char *status, *text;
	struct view address, original;
	bool asked;
	uint8_t tries; /* that met another's lock */
};

struct job {
	struct list node;
	struct local *l;
	uint64_t offer;
	struct incoming in; /* but for the index */
	struct view queue_id, sender, headers, content;
	struct arena *arena; /* holds what the views show, once the offer's handler is through */
	void *map;           /* the content, when it came as a descriptor */
	size_t mapped;
	uint32_t left, n;
	bool parked;         /* some part waits for its home: the message is kept */
	bool dead;           /* the queue manager that wants to know is gone */
	struct part parts[];
};

/* A question to host: make this account's home. */
struct question {
	uint32_t uid;
	struct list parts;
};

static struct local *local_of(void *arg)
{
	return ((struct daemon *)arg)->user;
}

/* ---- the end of a job ---- */

static void free_job(struct job *j)
{
	list_remove(&j->node);
	if (j->map)
		(void)munmap(j->map, j->mapped);
	arena_free(j->arena);
	free(j);
}

static void send_report(struct job *j)
{
	struct ipc_channel *c = daemon_channel(j->l->d, ROLE_QMGR, 0);
	struct buf list;
	buf_init(&list, SIZE_MAX);
	for (uint32_t i = 0; i < j->n; i++) {
		const struct part *p = &j->parts[i];
		struct ipc_result r = { .index = p->index, .outcome = p->outcome, .status = view_of(p->status), .text = view_of(p->text) };
		INVARIANT(ipc_result_put(&list, &r) == ERR_OK);
	}
	struct ipc_report m = { j->offer, IPC_HEARD_NOTHING, { buf_view(&list), j->n } };
	int err = c ? ipc_send(c, IPC_REPORT, &m, NULL, 0) : ERR_LOST;
	if (err != ERR_OK)
		log_warn("report_lost", LU("offer", j->offer), LERR("error", err));
	buf_fini(&list);
}

/* More is asked for once a turn: in one message, and in the same system call as the reports. */
static void pull(void *arg)
{
	struct local *l = arg;
	struct ipc_channel *c = daemon_channel(l->d, ROLE_QMGR, 0);
	if (!l->freed || !c || !ipc_channel_is_up(c))
		return;
	if (ipc_send(c, IPC_PULL, &(struct ipc_pull){ l->freed }, NULL, 0) == ERR_OK)
		l->freed = 0;
}

static void settle(struct part *p, uint8_t outcome, const char *status, const char *text)
{
	struct job *j = p->job;
	struct local *l = j->l;
	p->outcome = outcome;
	p->status = status;
	p->text = text;
	if (--j->left > 0)
		return;
	if (!j->dead) {
		send_report(j);
		l->freed++;
		loop_later(l->d->loop, &l->turn);
	}
	free_job(j);
}

/*
 * After a fault of the disk nobody knows what a process before this one delivered, nor whether what is lost here comes back with a power cut before
 * the stream's roll is durable. What the account can bring about by its own files is its own harm, and must not hold up the floor.
 */
static uint8_t is_later(int err)
{
	return err == ERR_IO || err == ERR_FULL || err == ERR_BUSY ? IPC_UNSURE : IPC_LATER;
}

static void settle_err(struct part *p, int err)
{
	log_warn("not_delivered", LV("queue_id", p->job->queue_id), LU("uid", p->uid), LERR("error", err));
	if (err == ERR_FULL)
		settle(p, is_later(err), "4.3.1", "no space is left on the mail store");
	else if (err == ERR_BUSY)
		settle(p, is_later(err), "4.2.0", "the account's mail is being worked on");
	else
		settle(p, is_later(err), "4.3.0", err_text(err));
}

/* ---- appending ---- */

static void flushed(struct stream_wait *w, int err)
{
	struct part *p = (struct part *)w;
	if (err != ERR_OK) {
		settle_err(p, err);
		return;
	}
	log_info("delivered", LV("queue_id", p->job->queue_id), LV("recipient", p->address), LU("uid", p->uid), LU("position", w->position));
	settle(p, IPC_DONE, "2.0.0", "delivered");
}

/* RFC 5321 4.4: the Return-path at delivery; Delivered-To tells which of our addresses it came by. */
static void put_trace(struct buf *b, const struct job *j, const struct part *p)
{
	buf_adds(b, "Return-Path: <");
	buf_addv(b, j->sender);
	buf_adds(b, ">\r\n");
	if (p->address.n) {
		buf_adds(b, "Delivered-To: ");
		buf_addv(b, p->address);
		buf_adds(b, "\r\n");
	}
	if (p->original.n && !view_eq(p->original, p->address)) {
		buf_adds(b, "X-Original-To: ");
		buf_addv(b, p->original);
		buf_adds(b, "\r\n");
	}
}

static uint64_t octets_of(const struct job *j)
{
	return j->headers.n + (j->map ? 0 : j->content.n);
}

/* Until its home is released, or another lets go of its stream: a moment. */
static bool park(struct part *p)
{
	struct local *l = p->job->l;
	bool held = streams_held(l->streams, p->uid);
	uint64_t octets = octets_of(p->job);
	if (l->nparked >= PARKED_MAX || l->parked_octets + octets > PARKED_OCTETS || (!held && ++p->tries > PARKED_TRIES))
		return false;
	l->nparked++;
	l->parked_octets += octets;
	p->job->parked = true;
	list_append(&l->parked, &p->home);
	if (!held && !timer_armed(l->parking))
		timer_set(l->parking, PARKED_MS);
	return true;
}

/* ERR_NOT_FOUND: there is no home; otherwise the part is settled, or will be. */
static int append(struct part *p)
{
	struct job *j = p->job;
	struct incoming in = j->in;
	struct buf trace;
	bool again;
	in.id.index = p->index;
	buf_init(&trace, 4096);
	put_trace(&trace, j, p);
	struct view parts[3] = { buf_view(&trace), j->headers, j->content };
	p->wait.fn = flushed;
	int err = streams_append(j->l->streams, p->uid, &in, parts, &p->wait, &again);
	buf_fini(&trace);
	if (err == ERR_OK && again)
		log_info("delivered_before", LV("queue_id", j->queue_id), LU("uid", p->uid));
	if (err != ERR_OK && err != ERR_NOT_FOUND && !(err == ERR_BUSY && park(p)))
		settle_err(p, err);
	return err;
}

/* ---- homes ---- */

/* The offer's octets are valid in its handler only. What was appended needs no more than its names. */
static void hold_octets(struct job *j)
{
	j->arena = arena_new();
	j->queue_id = arena_view(j->arena, j->queue_id);
	if (j->parked) {
		j->sender = arena_view(j->arena, j->sender);
		j->headers = arena_view(j->arena, j->headers);
		if (!j->map)
			j->content = arena_view(j->arena, j->content);
	}
	for (uint32_t i = 0; i < j->n; i++) {
		j->parts[i].address = arena_view(j->arena, j->parts[i].address);
		j->parts[i].original = arena_view(j->arena, j->parts[i].original);
	}
}

static struct question *question_for(struct local *l, uint32_t uid)
{
	size_t it = 0;
	uint64_t key;
	void *v;
	while (map64_next(l->homes, &it, &key, &v))
		if (((struct question *)v)->uid == uid)
			return v;
	struct ipc_channel *c = daemon_channel(l->d, ROLE_HOST, uid);
	uint64_t id = ++l->last_id;
	if (!c || ipc_request(c, IPC_HOME_MAKE, &(struct ipc_home_make){ id, uid }, NULL, 0) != ERR_OK)
		return NULL;
	struct question *q = mem_new(sizeof *q);
	q->uid = uid;
	list_init(&q->parts);
	(void)map64_set(l->homes, id, q);
	return q;
}

static void wait_for_home(struct part *p)
{
	struct question *q = p->asked ? NULL : question_for(p->job->l, p->uid);
	if (!q) {
		settle(p, IPC_LATER, "4.2.0", "the account's home cannot be made now");
		return;
	}
	p->asked = true;
	p->job->parked = true;
	list_append(&q->parts, &p->home);
}

static void on_home_made(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct local *l = local_of(arg);
	const struct ipc_home_made *r = m;
	struct question *q = map64_del(l->homes, r->id);
	(void)from;
	(void)fds;
	(void)nfds;
	if (!q)
		return;
	while (!list_empty(&q->parts)) {
		struct part *p = LIST_OF(list_first(&q->parts), struct part, home);
		list_remove(&p->home);
		if (p->job->dead)
			settle(p, IPC_LATER, "", "");
		else if (r->outcome == IPC_DONE && append(p) == ERR_NOT_FOUND)
			wait_for_home(p);
		else if (r->outcome != IPC_DONE)
			settle(p, IPC_LATER, "4.2.0", "the account's home cannot be made now");
	}
	free(q);
}

/* A stream that cannot be had is tried once for all that wait for it: an account can make trying slow. */
static void append_again(struct local *l, struct list *parts)
{
	struct map64 *busy = map64_new();
	LIST_EACH (it, tmp, parts) {
		struct part *p = LIST_OF(it, struct part, home);
		uint32_t uid = p->uid, parked = l->nparked;
		list_remove(it);
		if (p->job->dead)
			settle(p, IPC_LATER, "", "");
		else if (map64_get(busy, uid) && park(p))
			continue;
		else if (append(p) == ERR_NOT_FOUND)
			wait_for_home(p);
		else if (l->nparked > parked)
			(void)map64_set(busy, uid, l);
	}
	map64_free(busy);
}

/* Those that wait for this account's home, or (0) for any that is not held. */
static void unpark(struct local *l, uint32_t uid)
{
	struct list mine;
	list_init(&mine);
	LIST_EACH (it, tmp, &l->parked) {
		const struct part *p = LIST_OF(it, struct part, home);
		if (uid ? p->uid != uid : streams_held(l->streams, p->uid))
			continue;
		list_remove(it);
		list_append(&mine, it);
		l->nparked--;
		l->parked_octets -= octets_of(p->job);
	}
	append_again(l, &mine);
}

static void on_parking(void *arg)
{
	unpark(arg, 0);
}

static void on_home_hold(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct local *l = local_of(arg);
	const struct ipc_home_hold *h = m;
	(void)from;
	(void)fds;
	(void)nfds;
	streams_hold(l->streams, h->uid, h->on != 0);
	if (!h->on)
		unpark(l, h->uid);
}

/* ---- offers ---- */

/* The file cannot shrink: the queue manager proved that nobody can write it any more. */
static bool map_content(struct job *j, const struct ipc_offer *o, int fd)
{
	uint64_t size;
	if (file_size(fd, &size) != ERR_OK || size + o->headers.n != o->size || size == 0)
		return false;
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return false;
	j->map = p;
	j->mapped = size;
	j->content = view_make(p, size);
	return true;
}

static struct job *new_job(struct local *l, const struct ipc_offer *o)
{
	struct job *j = mem_new(sizeof *j + o->rcpts.count * sizeof *j->parts);
	struct view rest = o->rcpts.bytes;
	struct ipc_offered r;
	*j = (struct job){ .l = l, .offer = o->offer, .queue_id = o->queue_id, .sender = o->sender, .headers = o->headers, .content = o->content };
	j->in = (struct incoming){ .id = { o->spool, o->message, 0 }, .floor = o->floor, .date = clock_wall(NULL) };
	for (; ipc_offered_next(&rest, &r); j->n++) {
		struct part *p = &j->parts[j->n];
		*p = (struct part){ .job = j, .index = r.index, .uid = r.uid, .address = r.address, .original = r.original };
		list_init(&p->home);
		list_init(&p->wait.node);
	}
	j->left = j->n;
	list_append(&l->jobs, &j->node);
	return j;
}

/* Opening is small work and many waits, for the disk where the homes were not used for long. */
static void open_all(const struct job *j)
{
	uint32_t *uids = mem_array(j->n + 1, sizeof *uids);
	for (uint32_t i = 0; i < j->n; i++)
		uids[i] = j->parts[i].uid;
	streams_open(j->l->streams, uids, j->n);
	free(uids);
}

static void on_offer(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct local *l = local_of(arg);
	const struct ipc_offer *o = m;
	struct job *j = new_job(l, o);
	bool bad = nfds > 0 && !map_content(j, o, fds[0]);
	(void)from;
	for (size_t i = 0; i < nfds; i++)
		fd_close(&fds[i]);
	/* One more holds the job until all its parts are begun. */
	j->left++;
	if (j->n > 1 && !bad)
		open_all(j);
	for (uint32_t i = 0; i < j->n; i++) {
		struct part *p = &j->parts[i];
		if (bad)
			settle(p, IPC_UNSURE, "4.3.0", "the content cannot be read");
		else if (append(p) == ERR_NOT_FOUND)
			wait_for_home(p);
	}
	hold_octets(j);
	struct part last = { .job = j };
	settle(&last, IPC_DONE, "", "");
}

static void news(void *arg, uint32_t uid)
{
	struct local *l = arg;
	struct ipc_channel *c = daemon_channel(l->d, ROLE_HOST, uid);
	if (c && ipc_send(c, IPC_NEWS, &(struct ipc_news){ uid }, NULL, 0) != ERR_OK)
		log_debug("news_lost", LU("uid", uid));
}

/* ---- the process ---- */

static size_t streams_max(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur < 256)
		return 16;
	size_t n = (size_t)(r.rlim_cur - 128) / FILES_OF_STREAM;
	return n < STREAMS_MAX ? n : STREAMS_MAX;
}

static int start(struct daemon *d)
{
	struct local *l = mem_new(sizeof *l);
	d->user = l;
	l->d = d;
	list_init(&l->jobs);
	l->homes = map64_new();
	list_init(&l->parked);
	l->parking = timer_new(d->loop, on_parking, l);
	l->turn = (struct later){ .fn = pull, .arg = l };
	fd_expect(streams_max() * FILES_OF_STREAM);
	l->pool = pool_new(d->loop, THREADS);
	struct stream_options o = { .mail = daemon_dir(d, "mail"), .check_owner = !daemon_single_user(d), .max = streams_max(), .frame_max = 1u << 30 };
	l->streams = streams_new(d->loop, l->pool, &o);
	streams_on_news(l->streams, news, l);
	return ERR_OK;
}

static void on_up(void *arg, struct ipc_channel *c)
{
	struct local *l = local_of(arg);
	if (ipc_channel_peer(c) != ROLE_QMGR)
		return;
	l->freed = ROOM;
	loop_later(l->d->loop, &l->turn);
}

/*
 * A worker of a dead queue manager ends with its channel (DESIGN.md, Exactly-once): what was appended stays and is flushed, and will be found
 * when its delivery is offered again; nothing more is appended for it.
 */
static void on_down(void *arg, struct ipc_channel *c)
{
	struct local *l = local_of(arg);
	/* The next host will say again what is held. */
	if (ipc_channel_peer(c) == ROLE_HOST) {
		streams_release(l->streams);
		unpark(l, 0);
	}
	if (ipc_channel_peer(c) != ROLE_QMGR)
		return;
	l->freed = 0;
	LIST_EACH (it, tmp, &l->jobs)
		LIST_OF(it, struct job, node)->dead = true;
}

static const struct ipc_handler handlers[] = {
	{ IPC_OFFER, on_offer },
	{ IPC_HOME_MADE, on_home_made },
	{ IPC_HOME_HOLD, on_home_hold },
	{ 0, NULL },
};

int main(int argc, char **argv)
{
	static const struct daemon_hooks hooks = {
		.role = ROLE_LOCAL_DELIVERY,
		.start = start,
		.handlers = handlers,
		.on_up = on_up,
		.on_down = on_down,
	};
	return daemon_main(argc, argv, &hooks);
}
