/* SPDX-License-Identifier: ISC */
/*
 * Power cuts on a message's whole way: qmgr takes it into the spool, local-delivery appends it to the account's incoming, sessions adopt it, flag it,
 * expunge it. The daemons run as they are (stage.h), over a disk in memory (calls.h). A random life is led: messages of one and of many recipients, small
 * and with content in a file; daemons and sessions that are killed and come back; offers that come again; homes that are made late; checkpoints,
 * compactions, indexes that go; writes and flushes that fail. Before and after its system calls the disk is left in some of the states that a power cut
 * could leave, everything is started on what is left, what was not answered is said again, and when all is at rest:
 *
 * - each acknowledged message stands in each of its mailboxes exactly once, with its octets; unless a user has expunged it, and then never again;
 * - no other stands there twice, and none that nobody sent, or that was refused by a spool that has taken others since;
 * - what a session was shown under a UID stands under that UID, or nothing does; flags whose change was acknowledged are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/num.h"
#include "host.h"
#include "log/log.h"
#include "mailbox/incoming.h"
#include "mailbox/mailbox.h"
#include "qmgr/qmgr.h"
#include "qmgr/spool_private.h"
#include "sys/boot.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tests/unit/faults.h"
#include "tests/unit/local-delivery/calls.h"
#include "tests/unit/local-delivery/stage.h"

/* Their main()s, under names of their own (local.mk). */
int qmgr_main(int argc, char **argv);
int local_delivery_main(int argc, char **argv);

enum { USERS = 10, LETTERS = 600, UIDS = 4000, SESSIONS = 3, SEGMENT = 4096, BIG = 9000 };
#define UID_FIRST UINT32_C(1900000000)
#define BOOT 7u /* the next one comes after a power cut */

/* ---- what must be true ---- */

/* GONE: it was refused, and the same spool has taken others since: so that its refusal is durable. */
enum answer { SENT, TAKEN, REFUSED, GONE };

struct copy {
	bool to;                      /* this user is a recipient */
	uint8_t asked, kept;          /* flags: that somebody asked for, and of these those that were acknowledged */
	bool expunge_asked, expunged;
	unsigned found;               /* when all is looked at */
};

struct letter {
	enum answer fate;
	char commit_id[16], queue_id[QUEUE_ID_MAX];
	uint32_t size;
	bool in_file, wants_content;
	uint64_t content; /* the file */
	unsigned told; /* the connection over which it was said */
	struct copy copies[USERS];
};

struct model {
	struct letter letters[LETTERS];
	size_t n;
	unsigned users;
	int shown[USERS][UIDS]; /* the letter (+ 1) that some session was shown under this UID */
	uint32_t uidvalidity[USERS];
};

static void text_of(const struct letter *all, const struct letter *m, char p[BIG])
{
	struct rnd r = { (uint64_t)(m - all) };
	int n = snprintf(p, BIG, "Subject: %u\r\n\r\n", (unsigned)(m - all));

	for (uint32_t i = (uint32_t)n; i < m->size; i++)
		p[i] = (char)('a' + rnd_below(&r, 26));
}

/* ---- a suite: the daemons over one tree ---- */

struct world {
	struct model *model;
	struct rnd *rng;
	int spool, mail;
	unsigned who; /* owner of qmgr's descriptors; the next one: of local-delivery's */
	struct daemon_place places[3];
	struct daemon *qmgr, *delivery;
	struct ipc_channel *receiver, *maker; /* an smtpd, and host, which the test plays */
	struct host host;
	struct seal_key key;
	const char *doing; /* for a report */
};

struct session {
	unsigned user;
	struct store *store;
	struct loop *loop;
	struct mailbox_view *view;
	struct list ops;
};

struct life {
	struct world world;
	struct model model;
	struct rnd rng;
	uint64_t seed;
	struct disk *disk;
	struct calls hooks;
	char path[64], left[80];
	int root;
	struct session sessions[SESSIONS];
	unsigned fail_rate, cuts_rate; /* of 1,000 calls */
	unsigned step;
	struct board *board;
	const char *doing;
};

/* What the parent is told, in memory that it shares with the lives. */
struct board {
	atomic_ulong cuts, failures, letters, taken, expunged, again, checkpoints;
};

static struct life *life;

__attribute__((format(printf, 1, 2))) static void broken(const char *format, ...)
{
	va_list ap;

	log_flush();
	fprintf(stderr, "seed %llu, step %u (%s), power cut %lu: ", (unsigned long long)life->seed, life->step, life->doing, life->board->cuts);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "; what was left is in %s\n", life->left);
	_exit(1);
}

#define CHECK(x, ...) ((x) ? (void)0 : broken(__VA_ARGS__))

static bool one_in(struct rnd *r, size_t n) { return rnd_below(r, n) == 0; }

static void world_open(struct world *w, const char *path, unsigned who, struct model *m, struct rnd *r)
{
	int root;

	*w = (struct world){ .model = m, .rng = r, .who = who, .receiver = stage_actor(ROLE_SMTPD_MX), .maker = stage_actor(ROLE_HOST) };
	CHECK(file_open_dir(AT_FDCWD, path, &root) == ERR_OK && file_open_dir(root, "spool", &w->spool) == ERR_OK &&
		file_open_dir(root, "mail", &w->mail) == ERR_OK, "the tree is not there");
	fd_close(&root);
	w->host = (struct host){ .mail = w->mail, .uid_first = UID_FIRST, .uid_last = UID_FIRST + USERS, .held = map64_new() };
	memset(&w->key, 7, sizeof(w->key));
}

static void world_close(struct world *w)
{
	stage_kill(w->qmgr);
	stage_kill(w->delivery);
	stage_actor_free(w->receiver);
	stage_actor_free(w->maker);
	map64_free(w->host.held);
	fd_close(&w->spool);
	fd_close(&w->mail);
}

/* Descriptions of its own: of a flush of the file system that fails each of them is told. */
static void open_places(struct world *w, unsigned who)
{
	unsigned was = calls_work_for(who);

	INVARIANT(file_open_dir(w->spool, ".", &w->places[0].fd) == ERR_OK && file_open_dir(w->mail, ".", &w->places[1].fd) == ERR_OK);
	(void)calls_work_for(was);
	w->places[0].name = "spool";
	w->places[1].name = "mail";
}

static void start_qmgr(struct world *w)
{
	open_places(w, w->who);
	w->qmgr = stage_start(qmgr_main, w->who, w->places, &w->key);
	if (w->qmgr == NULL)
		return;
	stage_connect(w->receiver, stage_slot(w->qmgr, ROLE_SMTPD_MX));
	if (w->delivery != NULL)
		stage_connect(stage_slot(w->delivery, ROLE_QMGR), stage_slot(w->qmgr, ROLE_LOCAL_DELIVERY));
}

static void start_delivery(struct world *w)
{
	open_places(w, w->who + 1);
	w->delivery = stage_start(local_delivery_main, w->who + 1, w->places, &w->key);
	if (w->delivery == NULL)
		return;
	w->host.d = w->delivery;
	stage_connect(w->maker, stage_slot(w->delivery, ROLE_HOST));
	if (w->qmgr != NULL)
		stage_connect(stage_slot(w->delivery, ROLE_QMGR), stage_slot(w->qmgr, ROLE_LOCAL_DELIVERY));
}

static struct qmgr *queue_of(const struct world *w) { return w->qmgr->user; }

/* ---- the receiver ---- */

static void seal_route(struct world *w, const char *address, uint32_t uid, struct buf *sealed)
{
	struct ipc_target t = { 1, uid, view_of(address) };
	struct buf targets, body;

	buf_init(&targets, SIZE_MAX);
	buf_init(&body, SIZE_MAX);
	INVARIANT(ipc_target_put(&targets, &t) == ERR_OK);
	struct ipc_route r = { view_of(address), 1, (uint64_t)clock_wall(NULL) + 60, { buf_view(&targets), 1 } };
	INVARIANT(ipc_route_put(&body, &r) == ERR_OK);
	seal_make(&w->key, "route", buf_view(&body), sealed);
	buf_fini(&targets);
	buf_fini(&body);
}

static uint32_t put_rcpts(struct world *w, const struct letter *m, struct buf *list)
{
	uint32_t n = 0;

	for (unsigned u = 0; u < USERS; u++) {
		char address[64];
		struct buf sealed;

		if (!m->copies[u].to)
			continue;
		(void)snprintf(address, sizeof(address), "user%u@example.test", u);
		buf_init(&sealed, SIZE_MAX);
		seal_route(w, address, UID_FIRST + u, &sealed);
		INVARIANT(ipc_rcpt_put(list, &(struct ipc_rcpt){ .address = view_of(address), .route = buf_view(&sealed) }) == ERR_OK);
		buf_fini(&sealed);
		n++;
	}
	return n;
}

static void send_commit(struct world *w, struct letter *m)
{
	char text[BIG];
	struct buf list;

	text_of(w->model->letters, m, text);
	buf_init(&list, SIZE_MAX);
	uint32_t n = put_rcpts(w, m, &list);
	struct ipc_commit c = {
		.id = (uint64_t)(m - w->model->letters) + 1,
		.commit_id = view_make(m->commit_id, sizeof(m->commit_id)),
		.session = VIEW("s"),
		.sender = VIEW("sender@far.example"),
		.peer = VIEW("192.0.2.1"),
		.rcpts = { buf_view(&list), n },
		.headers = VIEW("Received: here\r\n"),
		.content = m->in_file ? VIEW_NONE : view_make(text, m->size),
		.content_file = m->content,
		.size = m->size,
		.sum = crc32c(0, text, m->size),
	};
	m->told = stage_times(w->receiver);
	INVARIANT(ipc_request(w->receiver, IPC_COMMIT, &c, NULL, 0) == ERR_OK);
	buf_fini(&list);
}

static void ask_content(struct world *w, struct letter *m)
{
	struct ipc_content_open o = { (uint64_t)(m - w->model->letters) + 1, m->size };

	m->told = stage_times(w->receiver);
	INVARIANT(ipc_request(w->receiver, IPC_CONTENT_OPEN, &o, NULL, 0) == ERR_OK);
}

/* Says it (again): to a queue manager that does not know of it, or did not answer. */
static void say(struct world *w, struct letter *m)
{
	if (m->wants_content)
		ask_content(w, m);
	else
		send_commit(w, m);
}

static void content_opened(struct world *w, struct ipc_taken *t)
{
	struct letter *m = &w->model->letters[t->m.content_opened_.id - 1];
	char text[BIG];

	text_of(w->model->letters, m, text);
	bool written = t->nfds == 2 && write(t->fds[0], text, m->size) == (ssize_t)m->size;
	for (size_t i = 0; i < t->nfds; i++)
		fd_close(&t->fds[i]);
	if (!written) {
		m->fate = REFUSED;
		return;
	}
	m->content = t->m.content_opened_.content;
	m->wants_content = false;
	send_commit(w, m);
}

/* One is durable: so is all that the same spool refused before. */
static void note_gone(struct model *m, unsigned by)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->letters[i].fate == REFUSED && m->letters[i].told == by)
			m->letters[i].fate = GONE;
}

static void committed(struct world *w, const struct ipc_committed *c)
{
	struct letter *m = &w->model->letters[c->id - 1];

	if (c->outcome != IPC_DONE) {
		CHECK(m->fate != TAKEN, "letter %zu was taken, and now it is refused", (size_t)c->id - 1);
		m->fate = REFUSED;
		return;
	}
	if (m->fate == TAKEN)
		CHECK(view_eqs(c->queue_id, m->queue_id), "letter %zu has another queue id now", (size_t)c->id - 1);
	(void)snprintf(m->queue_id, sizeof(m->queue_id), "%.*s", (int)c->queue_id.n, c->queue_id.p);
	m->fate = TAKEN;
	note_gone(w->model, stage_times(w->receiver));
}

static bool receive(struct world *w)
{
	struct ipc_taken t;
	bool any = false;

	while (stage_take(w->receiver, &t)) {
		any = true;
		if (t.kind == IPC_CONTENT_OPENED)
			content_opened(w, &t);
		else if (t.kind == IPC_COMMITTED)
			committed(w, &t.m.committed_);
	}
	unsigned now = stage_times(w->receiver);
	for (size_t i = 0; i < w->model->n; i++) {
		struct letter *m = &w->model->letters[i];

		if (now == 0 || m->fate != SENT || m->told == now)
			continue;
		say(w, m);
		any = true;
	}
	return any;
}

/* ---- host, as far as it is asked ---- */

static bool make_homes(struct world *w)
{
	struct ipc_taken t;
	bool any = false;

	while (stage_take(w->maker, &t)) {
		struct home h = { .uid = t.m.home_make_.uid };

		any = true;
		if (t.kind != IPC_HOME_MAKE)
			continue;
		homes_make(&w->host, &h, 1);
		struct ipc_home_made a = { t.m.home_make_.id, h.err == ERR_OK ? IPC_DONE : IPC_LATER };
		INVARIANT(ipc_send(w->maker, IPC_HOME_MADE, &a, NULL, 0) == ERR_OK);
	}
	return any;
}

/* ---- sessions ---- */

static int open_store(struct world *w, unsigned user, struct loop *l, struct store **out)
{
	uint64_t shard;
	int home, err = home_open(&w->host, UID_FIRST + user, &home, &shard);

	if (err != ERR_OK)
		return err;
	struct store_options o = { .segment_size = SEGMENT, .tidy_least = 600, .pool = l != NULL ? pool_new(l, 1) : NULL };
	err = store_open(l, home, &o, out);
	fd_close(&home);
	return err;
}

/* Which letter is it? Its octets are checked, all of them. */
static struct letter *letter_of(struct model *m, unsigned user, struct view v)
{
	char text[BIG];
	unsigned id;
	const char *p = memmem(v.p, v.n, "Received: here\r\nSubject: ", 25);
	char head[40];

	CHECK(p != NULL && view_starts(v, VIEW("Return-Path: <sender@far.example>\r\nDelivered-To: user")), "user %u has a message that nobody sent", user);
	v = view_skip(v, (size_t)(p - v.p) + 16);
	(void)snprintf(head, sizeof(head), "%.*s", (int)(v.n < 30 ? v.n : 30), v.p);
	CHECK(sscanf(head, "Subject: %u", &id) == 1 && id < m->n, "user %u has a letter that nobody wrote", user);
	text_of(m->letters, &m->letters[id], text);
	CHECK(v.n == m->letters[id].size && memcmp(v.p, text, v.n) == 0, "letter %u of user %u is not what was sent", id, user);
	CHECK(m->letters[id].copies[user].to, "letter %u is in the mailbox of user %u, for whom it was not", id, user);
	return &m->letters[id];
}

static struct letter *letter_at(struct model *m, unsigned user, struct store *s, struct mailbox_view *v, uint32_t seq, struct message_info *info)
{
	struct view content;
	int err = mailbox_view_info(v, seq, info);

	if (err == ERR_NOT_FOUND)
		return NULL;
	CHECK(err == ERR_OK, "user %u: no information (%s)", user, err_text(err));
	err = store_read(s, info, &content);
	CHECK(err == ERR_OK, "user %u: uid %u cannot be read (%s)", user, info->uid, err_text(err));
	return letter_of(m, user, content);
}

/* A session is shown what there is. */
static void show(struct model *m, unsigned user, struct store *s, struct mailbox_view *v)
{
	struct mailbox_status st;
	struct message_info info;

	mailbox_status(store_mailbox(s, VIEW("INBOX")), &st);
	CHECK(m->uidvalidity[user] == 0 || m->uidvalidity[user] == st.uidvalidity, "user %u has another UIDVALIDITY", user);
	m->uidvalidity[user] = st.uidvalidity;
	for (uint32_t seq = 1; seq <= mailbox_view_count(v); seq++) {
		uint32_t uid = mailbox_view_uid(v, seq);
		const struct letter *l = letter_at(m, user, s, v, seq, &info);

		if (l == NULL)
			continue;
		INVARIANT(uid < UIDS);
		int *was = &m->shown[user][uid], now = (int)(l - m->letters) + 1;
		CHECK(*was == 0 || *was == now, "user %u: uid %u was letter %d, and is letter %d", user, uid, *was - 1, now - 1);
		*was = now;
	}
}

/* A change whose acknowledgement is awaited. */
struct op {
	struct store_wait w; /* the first member */
	struct list node;
	struct model *model;
	size_t letter[8];
	size_t n;
	unsigned user;
	uint8_t flags;
	bool expunge;
};

static void acknowledged(void *arg, int err)
{
	struct op *o = arg;

	for (size_t i = 0; i < o->n && err == ERR_OK; i++) {
		struct copy *c = &o->model->letters[o->letter[i]].copies[o->user];

		c->kept |= o->flags;
		if (o->expunge && !c->expunged)
			life->board->expunged++;
		c->expunged = c->expunged || o->expunge;
	}
	list_remove(&o->node);
	free(o);
}

/* A change of some of the messages that the session sees. */
static void change(struct life *l, struct session *s, bool expunge)
{
	static const uint8_t flags[] = { MAIL_SEEN, MAIL_ANSWERED, MAIL_FLAGGED, MAIL_DRAFT };
	struct op *o = mem_new(sizeof(*o));
	struct message_info info;
	struct uidset uids = { 0 };
	uint32_t count = mailbox_view_count(s->view);

	*o = (struct op){ .model = &l->model, .user = s->user, .expunge = expunge, .flags = expunge ? 0 : flags[rnd_below(&l->rng, 4)] };
	for (uint32_t seq = count > 0 ? 1 + (uint32_t)rnd_below(&l->rng, count) : 1; seq <= count && o->n < 1 + rnd_below(&l->rng, 4); seq++) {
		const struct letter *m = letter_at(&l->model, s->user, s->store, s->view, seq, &info);

		if (m == NULL)
			continue;
		struct copy *c = &l->model.letters[m - l->model.letters].copies[s->user];
		o->letter[o->n++] = (size_t)(m - l->model.letters);
		uidset_add(&uids, info.uid);
		c->asked |= o->flags;
		c->expunge_asked = c->expunge_asked || expunge;
	}
	int err = expunge ? mailbox_view_expunge(s->view, &uids, true, NULL)
			  : mailbox_view_store(s->view, &uids, STORE_FLAGS_ADD, (struct mail_flags){ o->flags, 0 }, UINT64_MAX, false, NULL);
	uidset_fini(&uids);
	if (err != ERR_OK) {
		free(o);
		return;
	}
	list_append(&s->ops, &o->node);
	store_flush(s->store, &o->w, acknowledged, o);
}

static void session_end(struct session *s)
{
	LIST_EACH(it, tmp, &s->ops)
	{
		struct op *o = LIST_OF(it, struct op, node);

		store_wait_cancel(&o->w);
		free(o);
	}
	if (one_in(&life->rng, 2))
		mailbox_view_close(s->view); /* notes what is not \Recent any more; a killed one does not */
	store_close(s->store);
	s->store = NULL;
}

static void session_begin(struct life *l, struct session *s)
{
	s->user = (unsigned)rnd_below(&l->rng, l->model.users);
	s->loop = loop_new();
	list_init(&s->ops);
	if (open_store(&l->world, s->user, s->loop, &s->store) != ERR_OK) {
		s->store = NULL;
		return;
	}
	INVARIANT(mailbox_view_open(s->store, VIEW("INBOX"), false, &s->view) == ERR_OK);
	show(&l->model, s->user, s->store, s->view);
}

static void session_step(struct life *l, struct session *s)
{
	size_t what = rnd_below(&l->rng, 100);
	bool more;

	if (s->store == NULL)
		session_begin(l, s);
	else if (what < 30)
		(void)stage_turn(s->loop);
	else if (what < 50)
		(void)stage_work(s->loop);
	else if (what < 65)
		(void)!store_refresh(s->store);
	else if (what < 75)
		change(l, s, false);
	else if (what < 83)
		change(l, s, true);
	else if (what < 91)
		(void)!store_tidy(s->store, &more);
	else if (what < 94 && list_empty(&s->ops))
		(void)!store_compact(s->store); /* a tool's, who waits for nothing else: its own flush ends no wait */
	else
		session_end(s);
	if (s->store == NULL)
		return;
	mailbox_view_take(s->view, true, NULL, NULL);
	show(&l->model, s->user, s->store, s->view);
}

/* ---- looking at everything ---- */

static void count_letters(struct model *m, unsigned user, struct store *s)
{
	struct mailbox_view *v;
	struct message_info info;

	CHECK(mailbox_view_open(s, VIEW("INBOX"), true, &v) == ERR_OK, "user %u has no INBOX", user);
	show(m, user, s, v);
	for (uint32_t seq = 1; seq <= mailbox_view_count(v); seq++) {
		struct letter *l = letter_at(m, user, s, v, seq, &info);

		CHECK(l != NULL, "user %u: a message is gone that nobody took", user);
		struct copy *c = &l->copies[user];
		c->found++;
		CHECK((c->kept & ~info.flags.system) == 0, "letter %d of user %u has lost a flag: %x of %x", (int)(l - m->letters), user,
			info.flags.system, c->kept);
		CHECK((info.flags.system & ~c->asked) == 0, "letter %d of user %u has a flag that nobody set", (int)(l - m->letters), user);
	}
	mailbox_view_close(v);
}

static void check_copy(const struct letter *l, int id, unsigned user)
{
	const struct copy *c = &l->copies[user];

	CHECK(c->found <= 1, "doubled: letter %d of user %u stands there %u times", id, user, c->found);
	CHECK(l->fate != GONE || c->found == 0, "letter %d of user %u was refused, and is there", id, user);
	CHECK(!c->expunged || c->found == 0, "letter %d of user %u was expunged, and is back", id, user);
	CHECK(l->fate != TAKEN || c->expunge_asked || c->found == 1, "lost: letter %d of user %u (queue id %s, %u octets)", id, user, l->queue_id, (unsigned)l->size);
}

static void look_at_all(struct world *w)
{
	struct model *m = w->model;

	for (unsigned u = 0; u < m->users; u++) {
		struct store *s;
		int err = ERR_IO;

		/* A failed flush of all may not have been told of all files yet. */
		for (unsigned i = 0; i < 4 && err == ERR_IO; i++)
			err = open_store(w, u, NULL, &s);
		CHECK(err == ERR_OK, "the mail of user %u cannot be opened (%s)", u, err_text(err));
		count_letters(m, u, s);
		for (size_t i = 0; i < store_mailbox_count(s); i++) {
			struct mailbox_status st;

			mailbox_status(store_mailbox_at(s, i), &st);
			CHECK(i == 0 || st.messages == 0, "user %u has a message where none belongs", u);
		}
		store_close(s);
		for (size_t i = 0; i < m->n; i++)
			if (m->letters[i].copies[u].to)
				check_copy(&m->letters[i], (int)i, u);
	}
}

/* ---- after a power cut ---- */

static bool at_rest(const struct world *w)
{
	for (size_t i = 0; i < w->model->n; i++)
		if (w->model->letters[i].fate == SENT)
			return false;
	return state_count(queue_of(w)->state) == 0 && spool_idle(queue_of(w)->spool);
}

static bool move_all(struct world *w)
{
	bool any = receive(w);

	any = stage_run(w->qmgr, 1000) || any;
	any = stage_work(w->qmgr->loop) || any;
	any = stage_run(w->delivery, 1000) || any;
	any = stage_work(w->delivery->loop) || any;
	return make_homes(w) || any;
}

static void run_to_rest(struct world *w)
{
	for (unsigned i = 0; i < 5000; i++) {
		if (move_all(w))
			continue;
		if (at_rest(w))
			return;
		stage_pass(2000);
	}
	broken("it does not come to rest: %zu messages in the queue", (size_t)state_count(queue_of(w)->state));
}

/* Sessions may be the first to come back: they adopt what is there. */
static void sessions_first(struct world *w)
{
	for (unsigned u = 0; u < w->model->users; u++) {
		struct store *s;
		struct mailbox_view *v;

		if (one_in(w->rng, 2))
			continue;
		int err = open_store(w, u, NULL, &s);
		CHECK(err == ERR_OK, "the mail of user %u cannot be opened at once (%s)", u, err_text(err));
		INVARIANT(mailbox_view_open(s, VIEW("INBOX"), true, &v) == ERR_OK);
		show(w->model, u, s, v);
		mailbox_view_close(v);
		store_close(s);
	}
}

static void drop_index(struct world *w, unsigned user)
{
	static const char *const names[] = { "index/columns", "index/checkpoint", "index/summary" };
	char path[INCOMING_HOME_MAX];
	int home;

	incoming_home(UID_FIRST + user, path);
	if (file_open_dir(w->mail, path, &home) != ERR_OK)
		return;
	for (size_t i = 0; i < 3; i++)
		if (one_in(w->rng, 2))
			(void)unlinkat(home, names[i], 0);
	fd_close(&home);
}

/* Clients that had no answer ask again. */
static void forget_answers(struct model *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct letter *l = &m->letters[i];

		l->told = 0;
		if (l->fate == SENT && l->wants_content)
			l->fate = REFUSED; /* it was not even said */
	}
}

/* Some that had an answer, too: it was lost on its way. */
static void say_again(struct world *w)
{
	for (size_t i = w->model->n > 20 ? w->model->n - 20 : 0; i < w->model->n; i++) {
		struct letter *l = &w->model->letters[i];

		if (l->fate != TAKEN || !one_in(w->rng, 4))
			continue;
		send_commit(w, l);
		life->board->again++;
	}
}

static void recover(struct life *l)
{
	struct model *m = mem_new(sizeof(*m));
	struct world w;

	*m = l->model;
	world_open(&w, l->left, 3, m, &l->rng);
	forget_answers(m);
	if (one_in(&l->rng, 4))
		for (unsigned u = 0; u < m->users; u++)
			drop_index(&w, u);
	start_delivery(&w);
	CHECK(w.delivery != NULL, "local-delivery does not start");
	if (one_in(&l->rng, 2))
		sessions_first(&w);
	start_qmgr(&w);
	CHECK(w.qmgr != NULL, "qmgr does not start");
	(void)receive(&w);
	say_again(&w);
	run_to_rest(&w);
	look_at_all(&w);
	world_close(&w);
	free(m);
}

static void remove_tree(int dir);

static int remove_one(const char *name, void *arg)
{
	int dir = *(int *)arg, sub;

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	INVARIANT(file_open_dir(dir, name, &sub) == ERR_OK);
	remove_tree(sub);
	fd_close(&sub);
	INVARIANT(unlinkat(dir, name, AT_REMOVEDIR) == 0);
	return 0;
}

static void remove_tree(int dir) { INVARIANT(file_list(dir, remove_one, &dir) == 0); }

static void cut_power(struct life *l)
{
	static const unsigned keeps[] = { 0, 100, 50, 15, 85, DISK_MIXED, DISK_MIXED, DISK_MIXED };
	struct stage_moment now = stage_now();
	unsigned who;
	int left;

	if (rnd_below(&l->rng, 1000) >= l->cuts_rate)
		return;
	calls_off(true);
	who = calls_work_for(0);
	l->board->cuts++;
	INVARIANT(file_open_dir(AT_FDCWD, l->left, &left) == ERR_OK);
	remove_tree(left);
	calls_leave(l->disk, &l->rng, keeps[rnd_below(&l->rng, 8)], left);
	fd_close(&left);
	boot_pretend(BOOT + 1);
	recover(l);
	boot_pretend(BOOT);
	(void)calls_work_for(who);
	stage_back(now);
	calls_off(false);
}

/* ---- a life ---- */

static int life_before(void *arg, struct seam_call *c)
{
	struct life *l = arg;

	cut_power(l);
	if (c->op == SEAM_UNLINK || c->op == SEAM_TRUNCATE || rnd_below(&l->rng, 1000) >= l->fail_rate)
		return 0;
	l->board->failures++;
	if (c->op == SEAM_WRITE && c->n > 1 && one_in(&l->rng, 2)) {
		c->n = 1 + rnd_below(&l->rng, c->n - 1);
		return 0; /* a short write; what follows may go well or not */
	}
	return c->op == SEAM_FLUSH || one_in(&l->rng, 2) ? EIO : ENOSPC;
}

static void life_after(void *arg) { cut_power(arg); }

static void write_letter(struct life *l)
{
	struct letter *m = &l->model.letters[l->model.n];
	unsigned users = l->model.users;

	if (l->model.n == LETTERS)
		return;
	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < sizeof(m->commit_id); i++)
		m->commit_id[i] = (char)rnd_next(&l->rng);
	m->in_file = m->wants_content = one_in(&l->rng, 8);
	m->size = 40 + (uint32_t)rnd_below(&l->rng, m->in_file ? BIG - 40 : one_in(&l->rng, 8) ? 3000 : 300);
	m->copies[rnd_below(&l->rng, users)].to = true;
	while (one_in(&l->rng, 3))
		m->copies[rnd_below(&l->rng, users)].to = true;
	for (unsigned u = 0; one_in(&l->rng, 10) && u < users; u++)
		m->copies[u].to = true;
	l->model.n++;
	l->board->letters++;
}

/* More happened than it did: so that a small spool is compacted. */
static void checkpoint(struct life *l)
{
	struct spool *s = queue_of(&l->world)->spool;

	if (one_in(&l->rng, 2))
		s->taken += 5000;
	spool_checkpoint_soon(s);
	l->board->checkpoints++;
}

static void qmgr_step(struct life *l)
{
	struct world *w = &l->world;
	size_t what = rnd_below(&l->rng, 100);

	l->doing = "qmgr";
	if (w->qmgr == NULL)
		start_qmgr(w);
	else if (what < 60)
		(void)stage_run(w->qmgr, 1 + (unsigned)rnd_below(&l->rng, 8));
	else if (what < 94) {
		unsigned who = calls_work_for(w->who);
		(void)stage_work(w->qmgr->loop);
		(void)calls_work_for(who);
	} else if (what < 97)
		checkpoint(l);
	else {
		stage_kill(w->qmgr);
		w->qmgr = NULL;
	}
}

static void delivery_step(struct life *l)
{
	struct world *w = &l->world;
	size_t what = rnd_below(&l->rng, 100);

	l->doing = "delivery";
	if (w->delivery == NULL)
		start_delivery(w);
	else if (what < 60)
		(void)stage_run(w->delivery, 1 + (unsigned)rnd_below(&l->rng, 8));
	else if (what < 97) {
		unsigned who = calls_work_for(w->who + 1);
		(void)stage_work(w->delivery->loop);
		(void)calls_work_for(who);
	} else {
		stage_kill(w->delivery);
		w->delivery = NULL;
	}
}

static void one_step(struct life *l)
{
	size_t what = rnd_below(&l->rng, 100);

	stage_pass(rnd_below(&l->rng, 20));
	if (one_in(&l->rng, 40))
		stage_pass(1000 * (1 + rnd_below(&l->rng, 60)));
	l->doing = "receiver";
	if (what < 12)
		write_letter(l);
	else if (what < 24)
		(void)receive(&l->world);
	else if (what < 50)
		qmgr_step(l);
	else if (what < 70)
		delivery_step(l);
	else if (what < 76) {
		l->doing = "host";
		(void)make_homes(&l->world);
	} else if (what < 98) {
		l->doing = "session";
		session_step(l, &l->sessions[rnd_below(&l->rng, SESSIONS)]);
	} else {
		l->doing = "index";
		drop_index(&l->world, (unsigned)rnd_below(&l->rng, l->model.users));
	}
}

static void life_begin(struct life *l)
{
	const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)snprintf(l->path, sizeof(l->path), "%s/prp.XXXXXX", shm);
	INVARIANT(mkdtemp(l->path) != NULL);
	(void)snprintf(l->left, sizeof(l->left), "%s.left", l->path);
	INVARIANT(file_mkdir(AT_FDCWD, l->left, 0700) == ERR_OK);
	INVARIANT(file_open_dir(AT_FDCWD, l->path, &l->root) == ERR_OK);
	l->disk = disk_new();
	l->hooks = (struct calls){ l, life_before, life_after };
	calls_follow(l->disk, l->root, &l->hooks);
	unsigned cuts = l->cuts_rate, fails = l->fail_rate;
	l->cuts_rate = l->fail_rate = 0;
	INVARIANT(file_mkdir(l->root, "spool", 0700) == ERR_OK && file_mkdir(l->root, "mail", 0711) == ERR_OK);
	disk_settle(l->disk);
	l->cuts_rate = cuts;
	l->fail_rate = fails;
	world_open(&l->world, l->path, 1, &l->model, &l->rng);
}

/* All that was begun ends, without cuts and failures, and everything is looked at; and nothing was done that the disk did not see. */
static void life_end(struct life *l)
{
	l->cuts_rate = l->fail_rate = 0;
	l->doing = "the end";
	for (size_t i = 0; i < SESSIONS; i++)
		if (l->sessions[i].store != NULL)
			session_end(&l->sessions[i]);
	/* A failed flush may not have been told yet: who starts is told, and is started again. */
	for (unsigned i = 0; i < 20; i++) {
		if (l->world.qmgr == NULL)
			start_qmgr(&l->world);
		if (l->world.delivery == NULL)
			start_delivery(&l->world);
	}
	CHECK(l->world.qmgr != NULL && l->world.delivery != NULL, "the daemons do not start");
	run_to_rest(&l->world);
	look_at_all(&l->world);
	CHECK(disk_is(l->disk, l->root), "the disk does not know of all that was done");
	for (size_t i = 0; i < l->model.n; i++)
		l->board->taken += l->model.letters[i].fate == TAKEN;
	calls_off(true);
	world_close(&l->world);
	remove_tree(l->root);
	fd_close(&l->root);
	INVARIANT(file_open_dir(AT_FDCWD, l->left, &l->root) == ERR_OK);
	remove_tree(l->root);
	fd_close(&l->root);
	(void)rmdir(l->path);
	(void)rmdir(l->left);
}

static void live(uint64_t seed, unsigned steps, unsigned fail, struct board *b)
{
	struct life *l = life = mem_new(sizeof(*l));

	l->seed = seed;
	l->rng.state = seed;
	l->board = b;
	l->model.users = one_in(&l->rng, 4) ? USERS : 1 + (unsigned)rnd_below(&l->rng, 3);
	l->fail_rate = fail;
	l->cuts_rate = 60;
	l->doing = "the beginning";
	stage_begin(seed);
	boot_pretend(BOOT);
	life_begin(l);
	for (l->step = 0; l->step < steps; l->step++)
		one_step(l);
	life_end(l);
}

/* ---- lives, each in a process of its own ---- */

/* Its memory is not all given back: killed daemons and views leave theirs. */
static pid_t begin_life(uint64_t seed, unsigned fail, struct board *b)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child != 0)
		return child;
	if (getenv("POSTRIDER_TRACE") == NULL)
		log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR);
	else
		log_to(-1, LOG_LEVEL_DEBUG);
	live(seed, 600, fail, b);
	_exit(0);
}

/* Waits for one of the lives. */
static bool went_well(void)
{
	int status;

	assert_true(wait(&status) > 0);
	return status == 0;
}

/* One after the other, in the long form two at a time, until there are enough power cuts. */
static void lives(unsigned fail)
{
	const char *one = getenv("POSTRIDER_SEED");
	bool full = faults_wanted() && one == NULL;
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long want = one != NULL ? 0 : full ? 6000 : 150;
	uint64_t seed = one != NULL ? strtoull(one, NULL, 10) : full ? (uint64_t)time(NULL) << 20 : 1;
	unsigned at_once = full ? 2 : 1, running = 0;
	struct progress progress = { .what = "power cuts", .total = want };
	bool well = true;

	assert_true(b != MAP_FAILED);
	do {
		(void)begin_life(seed++, fail, b);
		if (++running < at_once)
			continue;
		well = went_well() && well;
		running--;
		progress_tell(&progress, b->cuts);
	} while (well && b->cuts < want);
	while (running-- > 0)
		well = went_well() && well;
	print_message("%lu power cuts (seeds to %llu)%s; %lu messages sent, %lu taken, %lu commits said again, %lu copies expunged, %lu checkpoints, %lu failed calls\n",
		b->cuts, (unsigned long long)seed - 1, well ? ", 0 lost, 0 doubled" : "", b->letters, b->taken, b->again, b->expunged, b->checkpoints, b->failures);
	assert_true(well);
	(void)munmap(b, sizeof(*b));
}

static void power_cuts(void **state)
{
	(void)state;
	lives(0);
}

static void power_cuts_and_failures(void **state)
{
	(void)state;
	lives(15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_cuts),
		cmocka_unit_test(power_cuts_and_failures),
	};

	cmocka_set_test_filter(getenv("POSTRIDER_TEST"));

	return cmocka_run_group_tests(tests, NULL, NULL);
}
