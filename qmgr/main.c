/* SPDX-License-Identifier: ISC */
/* qmgr: the one owner of the spool (qmgr.h says how a message goes through it). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"
#include "qmgr/qmgr.h"
#include "sys/clock.h"

#define CACHE_OCTETS (32u << 20)

uint64_t qmgr_now(void)
{
	return (uint64_t)clock_wall(NULL);
}

void qmgr_name(struct qmgr *q, uint64_t number, char id[QUEUE_ID_MAX])
{
	state_queue_id(q->state, number, id);
}

int qmgr_load(struct qmgr *q, const struct message *m, struct spool_message *out)
{
	uint16_t kind;
	struct view payload;
	if (cache_get(q->cache, m->number, &kind, &payload))
		return spool_message_of(kind, payload, out);
	return spool_read_message(q->spool, m, out);
}

static bool is_wanted(void *arg, uint64_t id)
{
	return map64_get(arg, id) != NULL;
}

/* ---- after a restore ---- */

#define RESTORED "restored"

static void restored_durable(void *arg, struct spool_entry *e, int err)
{
	struct qmgr *q = arg;
	(void)e;
	if (err == ERR_OK && unlinkat(daemon_dir(q->d, "spool"), RESTORED, 0) != 0)
		log_warn("restored_not_removed");
}

static void append_record(struct qmgr *q, uint16_t kind, struct buf *b, void (*fn)(void *arg, struct spool_entry *e, int err))
{
	struct view v = buf_view(b);
	char *copy = mem_new(v.n);
	memcpy(copy, v.p, v.n);
	spool_append(q->spool, kind, view_make(copy, v.n), true, fn, q);
	buf_fini(b);
}

static void hold(struct qmgr *q, struct message *m)
{
	struct buf b;
	buf_init(&b, 64);
	INVARIANT(spool_act_put(&b, &(struct spool_act){ .message = m->number, .at = qmgr_now(), .action = 1 }) == ERR_OK);
	append_record(q, SPOOL_ACT, &b, NULL);
	m->flags |= MSG_HELD;
}

/*
 * The spool was restored from a snapshot: what it holds may have been delivered since, so all of it is held. Its positions will be used a second time,
 * so it becomes another spool, lest the delivery of a new message pass for one that mailboxes have seen.
 */
static void take_restored(struct qmgr *q)
{
	struct spool_identity id = { .spool = random_u64() | 1, .key = random_u64() | 1, .made = qmgr_now() };
	struct buf b;
	handle at = 0;
	if (faccessat(daemon_dir(q->d, "spool"), RESTORED, F_OK, 0) != 0)
		return;
	for (handle h = state_next(q->state, &at); h != HANDLE_NONE; h = state_next(q->state, &at))
		hold(q, state_message(q->state, h));
	buf_init(&b, 256);
	INVARIANT(spool_identity_put(&b, &id) == ERR_OK);
	append_record(q, SPOOL_IDENTITY, &b, restored_durable);
	log_warn("spool_restored", LU("held", state_count(q->state)), LS("what_to_do", "look at them with postrider queue list; release or delete them"));
}

/* Files that no message names go; but where a record cannot be read, nobody can say what it named, and what it named may be read again. */
static void sweep(struct qmgr *q, struct map64 *files, bool all_known)
{
	if (all_known && spool_whole(q->spool))
		contents_sweep(q->contents, is_wanted, files);
	else
		log_error("content_not_swept", LS("why", "not all of the spool can be read"));
}

/* What an earlier process may have offered without a durable result is out; who is due, is tried at once. */
static void take_stock(struct qmgr *q)
{
	struct map64 *files = map64_new();
	bool all_known = true;
	uint64_t now = qmgr_now(), latest = state_latest(q->state);
	handle at = 0;
	for (handle h = state_next(q->state, &at); h != HANDLE_NONE; h = state_next(q->state, &at)) {
		struct message *m = state_message(q->state, h);
		struct spool_message sm;
		if ((m->flags & MSG_FILE) && qmgr_load(q, m, &sm) == ERR_OK)
			(void)map64_set(files, sm.content_file, q);
		else if (m->flags & MSG_FILE)
			all_known = false;
		if (m->flags & MSG_HELD)
			continue;
		/* One that was told to wait, and whose time had not come, was not offered since; the clock may have gone back. */
		if ((m->flags & MSG_LOCAL) && m->next_try <= (now > latest ? now : latest)) {
			floor_out(q->floor, m);
			m->next_try = m->next_try < now ? m->next_try : (uint32_t)now;
		}
		state_wait(q->state, h, m->next_try);
	}
	sweep(q, files, all_known);
	map64_free(files);
}

static int init(struct daemon *d)
{
	struct qmgr *q = mem_new(sizeof *q);
	d->user = q;
	q->d = d;
	q->keys.route = daemon_seal_key(d, ROLE_LOOKUP, ROLE_QMGR);
	q->keys.login = daemon_seal_key(d, ROLE_AUTH, ROLE_QMGR);
	list_init(&q->listers);
	q->committing = map_new();
	q->doomed = map64_new();
	q->tellings = map64_new();
	q->last_status = map64_new();
	q->cache = cache_new(CACHE_OCTETS);
	return ERR_OK;
}

static int start(struct daemon *d)
{
	struct qmgr *q = d->user;
	uint64_t began = clock_mono_ms();
	q->flushes = pool_new(d->loop, 1);
	q->proofs = pool_new(d->loop, 2);
	int err = spool_open(d->loop, q->flushes, daemon_dir(d, "spool"), &q->spool);
	if (err == ERR_OK) {
		q->state = spool_state(q->spool);
		err = contents_open(daemon_dir(d, "spool"), q->proofs, &q->contents);
	}
	if (err != ERR_OK) {
		log_error("spool_not_opened", LERR("error", err));
		return err;
	}
	q->floor = floor_new(q->state);
	agents_init(q);
	take_restored(q);
	take_stock(q);
	log_info("spool_opened", LU("messages", state_count(q->state)), LU("ms", clock_mono_ms() - began));
	loop_later(d->loop, &q->schedule);
	return ERR_OK;
}

/* What was appended is flushed and answered; then the end. The skeleton ends the loop if this takes too long. */
static void stop_tick(void *arg)
{
	struct daemon *d = arg;
	struct qmgr *q = d->user;
	if (spool_idle(q->spool))
		daemon_exit(d);
	else
		timer_set(q->due, 5);
}

static void stop(struct daemon *d)
{
	struct qmgr *q = d->user;
	timer_free(q->due);
	q->due = timer_new(d->loop, stop_tick, d);
	timer_set(q->due, 1);
}

static void on_up(void *d, struct ipc_channel *c)
{
	enum ipc_role r = ipc_channel_peer(c);
	if (r == ROLE_LOCAL_DELIVERY || r == ROLE_SMTP_CLIENT)
		agents_up(qmgr_of(d), c);
}

static void on_down(void *d, struct ipc_channel *c)
{
	switch ((unsigned)ipc_channel_peer(c)) {
	case ROLE_LOCAL_DELIVERY:
	case ROLE_SMTP_CLIENT:
		agents_down(qmgr_of(d), c);
		break;
	case ROLE_CONTROL:
		control_down(qmgr_of(d), c);
		break;
	case ROLE_LOOKUP:
		break;
	default:
		intake_down(qmgr_of(d), c);
	}
}

static void accepted(struct daemon *d, const char *listener, int fd, const struct sock_addr *peer)
{
	(void)listener;
	(void)peer;
	daemon_control_client(d, fd);
}

static const struct ipc_handler handlers[] = {
	{ IPC_COMMIT, on_commit },
	{ IPC_CONTENT_OPEN, on_content_open },
	{ IPC_CONTENT_DROP, on_content_drop },
	{ IPC_PULL, on_pull },
	{ IPC_REPORT, on_report },
	{ IPC_RECIPIENT_IS, on_recipient_is },
	{ IPC_QUEUE_LIST, on_queue_list },
	{ IPC_QUEUE_ACT, on_queue_act },
	{ 0, NULL },
};

int main(int argc, char **argv)
{
	static const struct daemon_hooks hooks = {
		.role = ROLE_QMGR,
		.init = init,
		.start = start,
		.stop = stop,
		.accepted = accepted,
		.handlers = handlers,
		.on_up = on_up,
		.on_down = on_down,
	};
	return daemon_main(argc, argv, &hooks);
}
