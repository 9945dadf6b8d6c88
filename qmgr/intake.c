/* SPDX-License-Identifier: ISC */
/* Messages of smtpd: contents that are being written, and commits. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "qmgr/qmgr.h"
#include "sys/file.h"

/* A commit on its way: who is to be told. The channel may go, and the same commit be said again over another. */
struct intake {
	struct qmgr *q;
	struct ipc_channel *from; /* NULL: it went */
	uint64_t id;
	char commit_id[16];
	uint64_t file;
	enum admit_class class;
	char *payload; /* the record, while the content is being proved */
	size_t n;
};

/* Octets of commits that are not durable yet, of each class of receivers: honest ones stay far below. */
#define INTAKE_MAX (512u << 20)

static enum admit_class class_of(enum ipc_role role)
{
	switch ((unsigned)role) {
	case ROLE_SMTPD_SUBMISSION:
		return CLASS_SUBMISSION;
	case ROLE_SMTPD_LOCAL:
		return CLASS_LOCAL;
	case ROLE_SMTPD_LMTP:
		return CLASS_LMTP;
	case ROLE_SMTPD_RELAY:
		return CLASS_RELAY;
	default:
		return CLASS_MX; /* the least trusted */
	}
}

/* ---- contents: each belongs to the channel over which it was asked for, until it is committed ---- */

static struct map64 *open_contents(struct ipc_channel *c)
{
	struct map64 *m = ipc_channel_data(c);
	if (!m) {
		m = map64_new();
		ipc_channel_set_data(c, m);
	}
	return m;
}

/* A receiver keeps to the limit, give or take a reload; one that does not shall not have us read terabytes that a hole in a file pretends. */
static bool is_huge(const struct qmgr *q, uint64_t size)
{
	return size / 2 > conf_num(q->d->conf, PARAM_MESSAGE_SIZE_LIMIT);
}

static void refuse_content(struct ipc_channel *to, uint64_t id, int err)
{
	struct ipc_content_opened a = { .id = id, .outcome = IPC_LATER, .reason = view_of(err_text(err)) };
	if (ipc_send(to, IPC_CONTENT_OPENED, &a, NULL, 0) != ERR_OK)
		log_debug("answer_lost");
}

void on_content_open(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct qmgr *q = qmgr_of(arg);
	const struct ipc_content_open *r = m;
	struct ipc_content_opened a = { .id = r->id };
	int files[2];
	(void)fds;
	(void)nfds;
	if (map64_count(open_contents(from)) >= 10000 || is_huge(q, r->size)) {
		refuse_content(from, r->id, ERR_LIMIT);
		return;
	}
	int err = content_new(q->contents, &a.content, files);
	if (err != ERR_OK) {
		log_warn("content_refused", LERR("error", err));
		refuse_content(from, r->id, err);
		return;
	}
	err = ipc_send(from, IPC_CONTENT_OPENED, &a, files, 2);
	if (err == ERR_OK) {
		(void)map64_set(open_contents(from), a.content, from);
	} else {
		content_remove(q->contents, a.content);
		refuse_content(from, r->id, err);
	}
	fd_close(&files[0]);
	fd_close(&files[1]);
}

void on_content_drop(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	const struct ipc_content_drop *r = m;
	(void)fds;
	(void)nfds;
	if (map64_del(open_contents(from), r->content))
		content_remove(qmgr_of(arg)->contents, r->content);
}

/* ---- answers ---- */

static void answer(struct ipc_channel *to, uint64_t id, uint8_t outcome, const char *queue_id, const char *status, const char *reason)
{
	struct ipc_committed a = {
		.id = id,
		.outcome = outcome,
		.queue_id = view_of(queue_id),
		.status = view_of(status),
		.reason = view_of(reason),
	};
	if (ipc_send(to, IPC_COMMITTED, &a, NULL, 0) != ERR_OK)
		log_debug("answer_lost");
}

static void end(struct intake *in)
{
	(void)map_del(in->q->committing, view_make(in->commit_id, sizeof in->commit_id));
	in->q->intake[in->class] -= in->n;
	free(in->payload);
	free(in);
}

static void fail(struct intake *in, uint8_t outcome, const char *status, const char *reason)
{
	if (in->file)
		content_remove(in->q->contents, in->file);
	log_warn("commit_failed", LS("status", status), LS("reason", reason));
	if (in->from)
		answer(in->from, in->id, outcome, "", status, reason);
	end(in);
}

/* Its record may come back with a power cut as long as nothing behind it is durable, and must find its content then. */
static void doom(struct intake *in)
{
	if (in->file)
		(void)map64_set(in->q->doomed, in->file, in->q);
	in->file = 0;
}

void intake_settled(struct qmgr *q)
{
	size_t it = 0;
	uint64_t file;
	void *v;
	while (map64_next(q->doomed, &it, &file, &v)) {
		content_remove(q->contents, file);
		(void)map64_del(q->doomed, file);
	}
}

static void fail_err(struct intake *in, int err)
{
	if (err == ERR_FULL)
		fail(in, IPC_LATER, "4.3.1", "the spool is full");
	else
		fail(in, IPC_LATER, "4.3.0", "the message cannot be stored now");
}

static void log_queued(const struct spool_entry *e, const char *id)
{
	struct spool_message sm;
	if (spool_message_of(e->kind, view_make(e->payload, e->n), &sm) != ERR_OK)
		return;
	log_info("queued", LS("queue_id", id), LV("session", sm.session), LV("sender", sm.sender), LU("recipients", sm.rcpts.count),
		LU("size", sm.size));
}

/* The message is durable, and in the state. */
static void appended(void *arg, struct spool_entry *e, int err)
{
	struct intake *in = arg;
	struct qmgr *q = in->q;
	char id[QUEUE_ID_MAX];
	if (err != ERR_OK) {
		if (e->tried)
			doom(in);
		fail_err(in, err);
		return;
	}
	intake_settled(q);
	handle h = state_find(q->state, e->position);
	INVARIANT(h != HANDLE_NONE);
	qmgr_name(q, e->position, id);
	if (in->from)
		answer(in->from, in->id, IPC_DONE, id, "2.0.0", "");
	log_queued(e, id);
	cache_put(q->cache, e->position, e->kind, e->payload, e->n);
	e->payload = NULL;
	end(in);
	agents_ready(q, h);
}

static void append(struct intake *in)
{
	struct view payload = view_make(in->payload, in->n);
	in->payload = NULL;
	spool_append(in->q->spool, SPOOL_MESSAGE, payload, false, appended, in);
}

static void proved(void *arg, int err)
{
	struct intake *in = arg;
	if (err == ERR_OK)
		append(in);
	else if (err == ERR_BUSY || err == ERR_DAMAGED)
		fail(in, IPC_LATER, "4.3.0", "the content does not hold what was said of it");
	else
		fail_err(in, err);
}

/* ---- commits ---- */

/* True when the commit was said before: it is answered as the first time, or will be. */
static bool said_before(struct qmgr *q, struct ipc_channel *from, const struct ipc_commit *c)
{
	struct intake *in = map_get(q->committing, c->commit_id);
	uint64_t number = state_commit(q->state, c->commit_id);
	char id[QUEUE_ID_MAX];
	if (in) {
		in->from = from;
		in->id = c->id;
	} else if (number) {
		qmgr_name(q, number, id);
		answer(from, c->id, IPC_DONE, id, "2.0.0", "");
	}
	return in || number;
}

static struct intake *begin(struct qmgr *q, struct ipc_channel *from, const struct ipc_commit *c, struct buf *record)
{
	struct intake *in = mem_new(sizeof *in);
	*in = (struct intake){ .q = q, .from = from, .id = c->id, .file = c->content_file,
		.class = class_of(ipc_channel_peer(from)), .n = buf_len(record) };
	q->intake[in->class] += in->n;
	memcpy(in->commit_id, c->commit_id.p, sizeof in->commit_id);
	/* A buf that was only added to begins where its memory does. */
	INVARIANT(record->off == 0);
	in->payload = record->mem;
	record->mem = NULL;
	(void)map_set(q->committing, c->commit_id, in);
	return in;
}

void on_commit(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct qmgr *q = qmgr_of(arg);
	const struct ipc_commit *c = m;
	struct spool_message sm;
	struct admit_refusal why = { IPC_NEVER, "5.3.4", "the message is too big" };
	struct buf rcpts, record;
	(void)fds;
	(void)nfds;
	if (said_before(q, from, c))
		return;
	buf_init(&rcpts, 64u << 20);
	buf_init(&record, 64u << 20);
	int err = admit(&q->keys, class_of(ipc_channel_peer(from)), c, qmgr_now(), &rcpts, &sm, &why);
	if (err == ERR_OK) {
		(void)buf_room(&record, c->headers.n + c->content.n + buf_len(&rcpts) + 2048);
		err = spool_message_put(&record, &sm);
	}
	if (err == ERR_OK && c->content_file && is_huge(q, c->size)) {
		err = ERR_TOO_BIG;
	} else if (err == ERR_OK && q->intake[sm.class] > INTAKE_MAX) {
		why = (struct admit_refusal){ IPC_LATER, "4.3.2", "too much is being stored at once" };
		err = ERR_LIMIT;
	}
	if (err == ERR_OK && c->content_file && !map64_del(open_contents(from), c->content_file)) {
		why = (struct admit_refusal){ IPC_LATER, "4.3.0", "the content was lost" };
		err = ERR_LOST;
	}
	if (err != ERR_OK) {
		log_warn("commit_refused", LV("session", c->session), LS("status", why.status), LS("reason", why.reason));
		answer(from, c->id, why.outcome, "", why.status, why.reason);
	} else if (c->content_file) {
		content_prove(q->contents, c->content_file, c->size, c->sum, proved, begin(q, from, c, &record));
	} else {
		append(begin(q, from, c, &record));
	}
	buf_fini(&record);
	buf_fini(&rcpts);
}

/* A receiver went: what it was writing goes, what it had committed goes on without an answer. */
void intake_down(struct qmgr *q, struct ipc_channel *c)
{
	size_t it = 0;
	struct view key;
	void *v;
	while (map_next(q->committing, &it, &key, &v))
		if (((struct intake *)v)->from == c)
			((struct intake *)v)->from = NULL;
	struct map64 *open = ipc_channel_data(c);
	uint64_t id;
	if (!open)
		return;
	for (it = 0; map64_next(open, &it, &id, &v);)
		content_remove(q->contents, id);
	map64_free(open);
	ipc_channel_set_data(c, NULL);
}
