/* SPDX-License-Identifier: ISC */
/*
 * Random operations by two stores on one home against a simple model, with small segments, checkpoints, compaction, a lost hint and reopening in
 * between; and the same in a child that is killed at a random moment, and at each system call: what was acknowledged is there, once, under its UID.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mailbox/columns.h"
#include "mailbox/store.h"
#include "sys/file.h"
#include "tests/unit/faults.h"
#include "tests/unit/mailbox/help.h"
#include "tests/unit/sys/stepper.h"

#define BOXES 5
#define MESSAGES 4000

struct msg {
	uint32_t uid;
	int content;
	uint8_t flags;
};
struct box {
	const char *name;
	bool exists;
	uint32_t next;
	struct msg m[MESSAGES];
	size_t n;
};
struct model {
	uint64_t rng;
	int contents;
	struct box b[BOXES]; /* INBOX first */
	struct account *a;
	struct store *s[2]; /* NULL: the model alone */
	unsigned by_columns; /* how often a store began with the index */
};

static unsigned pick(struct model *m, unsigned below)
{
	m->rng = m->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(m->rng >> 33) % below;
}

static struct store *any_store(struct model *m) { return m->s[pick(m, 2)]; }

static struct box *any_box(struct model *m)
{
	struct box *b = &m->b[pick(m, BOXES)];
	return b->exists ? b : &m->b[0];
}

static void add(struct box *b, int content, uint8_t flags) { b->m[b->n++] = (struct msg){ b->next++, content, flags }; }

static void text_of(int content, char out[600])
{
	size_t n = 8 + (size_t)(content * 37 % 500);
	memset(out, '.', n);
	snprintf(out, 600, "c%d", content);
	out[strlen(out)] = ' ';
	out[n] = 0;
}

/* ---- each operation, on the store (where there is one) and on the model ---- */
static void op_deliver(struct model *m)
{
	struct box *b = &m->b[pick(m, BOXES)];
	unsigned s = pick(m, 2);
	char text[600], target[64];
	text_of(++m->contents, text);
	if (m->a) {
		snprintf(target, sizeof target, "%s:\\Flagged", b->name);
		deliver(m->a, text, target);
		settle(m->s[s]);
	}
	add(b->exists ? b : &m->b[0], m->contents, MAIL_FLAGGED);
}

static void op_append(struct model *m)
{
	struct box *b = any_box(m);
	struct store *s = any_store(m);
	char text[600];
	text_of(++m->contents, text);
	if (s)
		assert_int_equal(append_text(s, b->name, text, MAIL_DRAFT), b->next);
	add(b, m->contents, MAIL_DRAFT);
}

static struct uidset some(struct model *m, const struct box *b, uint32_t *first, uint32_t *last)
{
	*first = 1 + pick(m, b->next);
	*last = *first + pick(m, 12);
	return uids_of(*first, *last);
}

static bool in(const struct msg *msg, uint32_t first, uint32_t last) { return msg->uid >= first && msg->uid <= last; }

static struct mailbox_view *fresh_view(struct store *s, const struct box *b)
{
	if (!s)
		return NULL;
	settle(s);
	return view_of_mailbox(s, b->name);
}

static void flush(struct store *s)
{
	if (s)
		assert_int_equal(store_flush_now(s), ERR_OK);
}

static void op_flags(struct model *m)
{
	struct box *b = any_box(m);
	struct store *s = any_store(m);
	uint32_t first, last;
	struct uidset u = some(m, b, &first, &last);
	enum store_flags_how how = (enum store_flags_how)pick(m, 3);
	uint8_t bits = (uint8_t)pick(m, 32);
	struct mailbox_view *v = fresh_view(s, b);
	if (v)
		assert_int_equal(mailbox_view_store(v, &u, how, (struct mail_flags){ bits, 0 }, UINT64_MAX, true, NULL), ERR_OK);
	for (size_t i = 0; i < b->n; i++)
		if (in(&b->m[i], first, last))
			b->m[i].flags = (uint8_t)(how == STORE_FLAGS_SET ? bits : how == STORE_FLAGS_ADD ? b->m[i].flags | bits : b->m[i].flags & ~bits);
	mailbox_view_close(v);
	flush(s);
	uidset_fini(&u);
}

static void remove_range(struct box *b, uint32_t first, uint32_t last, size_t end)
{
	size_t k = 0;
	for (size_t i = 0; i < b->n; i++)
		if (i >= end || !in(&b->m[i], first, last))
			b->m[k++] = b->m[i];
	b->n = k;
}

static void op_copy(struct model *m)
{
	struct box *from = any_box(m), *to = any_box(m);
	struct store *s = any_store(m);
	uint32_t first, last;
	bool move = pick(m, 2);
	struct uidset u = some(m, from, &first, &last);
	struct mailbox_view *v = fresh_view(s, from);
	size_t end = from->n;
	if (v)
		assert_int_equal(mailbox_view_copy(v, &u, view_of(to->name), move, NULL), ERR_OK);
	/* What a move into itself adds is not in the view that the request speaks of. */
	for (size_t i = 0; i < end; i++)
		if (in(&from->m[i], first, last))
			add(to, from->m[i].content, from->m[i].flags);
	if (move)
		remove_range(from, first, last, end);
	mailbox_view_close(v);
	flush(s);
	uidset_fini(&u);
}

static void op_expunge(struct model *m)
{
	struct box *b = any_box(m);
	struct store *s = any_store(m);
	uint32_t first, last;
	struct uidset u = some(m, b, &first, &last);
	struct mailbox_view *v = fresh_view(s, b);
	if (v)
		assert_int_equal(mailbox_view_expunge(v, &u, true, NULL), ERR_OK);
	remove_range(b, first, last, b->n);
	mailbox_view_close(v);
	flush(s);
	uidset_fini(&u);
}

static void clear(struct box *b, bool exists)
{
	b->exists = exists;
	b->n = 0;
	b->next = 1;
}

static void op_names(struct model *m)
{
	struct box *b = &m->b[1 + pick(m, BOXES - 1)], *other = &m->b[pick(m, BOXES)];
	struct store *s = any_store(m);
	bool rename = pick(m, 3) == 0;
	if (!b->exists && rename && other->exists && other != b) {
		if (s)
			assert_int_equal(store_rename(s, view_of(other->name), view_of(b->name)), ERR_OK);
		memcpy(b->m, other->m, sizeof b->m);
		b->n = other->n;
		b->next = other->next;
		b->exists = true;
		if (other == &m->b[0]) { /* INBOX: its messages are moved, and numbered anew */
			b->next = 1;
			for (size_t i = 0; i < b->n; i++)
				b->m[i].uid = b->next++;
			other->n = 0;
		} else {
			clear(other, false);
		}
	} else if (b->exists && pick(m, 4) == 0) {
		if (s)
			assert_int_equal(store_delete(s, view_of(b->name)), ERR_OK);
		clear(b, false);
	} else if (!b->exists) {
		if (s)
			assert_int_equal(store_create(s, view_of(b->name), 0), ERR_OK);
		clear(b, true);
	}
	flush(s);
}

static void open_stores(struct model *m)
{
	struct store_options o = { .segment_size = 16384, .tidy_least = 8192 };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_open(NULL, m->a->fd, &o, &m->s[i]), ERR_OK);
		m->s[i]->columns_least = 1024; /* so that housekeeping writes an index of the little mail that there is */
	}
}

static void close_stores(struct model *m)
{
	for (int i = 0; i < 2; i++)
		store_close(m->s[i]);
}

static void op_tidy(struct model *m)
{
	struct store *s = any_store(m);
	bool more = s != NULL;
	for (int i = 0; more && i < 100; i++) {
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		flush(s);
	}
	assert_false(more);
}

/* What is derived may be deleted, cut, or have an octet that is another, also while it is in use. */
static void harm_columns(const struct model *m, unsigned how, unsigned where)
{
	uint64_t size;
	int fd;
	char c;
	if (file_open_edit(m->a->fd, COLUMNS_NAME, &fd) != ERR_OK)
		return;
	assert_int_equal(file_size(fd, &size), ERR_OK);
	off_t at = (off_t)(where % (size ? size : 1));
	if (how == 0) {
		assert_int_equal(unlinkat(m->a->fd, COLUMNS_NAME, 0), 0);
	} else if (how == 1) {
		assert_int_equal(ftruncate(fd, at), 0);
	} else if (how == 2 && size) {
		assert_int_equal(file_pread(fd, &c, 1, at), ERR_OK);
		c ^= 0x40;
		assert_int_equal(file_pwrite(fd, &c, 1, at), ERR_OK);
	}
	fd_close(&fd);
}

static void op_harm(struct model *m)
{
	unsigned how = pick(m, 3), where = pick(m, 1 << 20);
	if (m->a)
		harm_columns(m, how, where);
}

static void op_reopen(struct model *m)
{
	bool hint = pick(m, 2);
	if (!m->a)
		return;
	close_stores(m);
	if (hint)
		(void)unlinkat(m->a->fd, "index/checkpoint", 0);
	open_stores(m);
	m->by_columns += m->s[0]->from_columns;
}

static void step(struct model *m)
{
	static void (*const ops[])(struct model *m) = { op_deliver, op_deliver, op_deliver, op_append, op_append, op_flags, op_flags, op_copy,
		op_expunge, op_expunge, op_names, op_tidy, op_tidy, op_reopen, op_harm };
	ops[pick(m, sizeof ops / sizeof *ops)](m);
}

static struct model *model_new(struct account *a, uint64_t seed)
{
	static const char *const names[BOXES] = { "INBOX", "m1", "m2", "m3", "p/q" };
	struct model *m = calloc(1, sizeof *m);
	assert_non_null(m);
	m->a = a;
	m->rng = seed;
	for (int i = 0; i < BOXES; i++)
		m->b[i] = (struct box){ .name = names[i], .exists = i == 0, .next = 1 };
	return m;
}

/* ---- what is there ---- */
static const char *difference(const struct model *m, struct store *s, const struct box *b)
{
	struct mailbox_view *v;
	struct message_info info;
	struct view content;
	char text[600];
	const char *bad = NULL;
	(void)m;
	if ((store_mailbox(s, view_of(b->name)) != NULL) != b->exists)
		return "existence";
	if (!b->exists)
		return NULL;
	assert_int_equal(mailbox_view_open(s, view_of(b->name), true, &v), ERR_OK);
	if (mailbox_view_count(v) != b->n)
		bad = "count";
	for (uint32_t i = 0; i < b->n && !bad; i++) {
		text_of(b->m[i].content, text);
		if (mailbox_view_uid(v, i + 1) != b->m[i].uid)
			bad = "uid";
		else if (mailbox_view_info(v, i + 1, &info) != ERR_OK || info.flags.system != b->m[i].flags)
			bad = "flags";
		else if (store_read(s, &info, &content) != ERR_OK || !view_eqs(content, text))
			bad = "content";
	}
	struct mailbox_status st;
	mailbox_status(store_mailbox(s, view_of(b->name)), &st);
	uint32_t unseen = 0;
	for (size_t i = 0; i < b->n; i++)
		unseen += !(b->m[i].flags & MAIL_SEEN);
	if (!bad && (st.unseen != unseen || st.messages != b->n))
		bad = "status";
	mailbox_view_close(v);
	return bad;
}

static const char *differences(const struct model *m, struct store *s)
{
	for (int i = 0; i < BOXES; i++) {
		const char *bad = difference(m, s, &m->b[i]);
		if (bad)
			return bad;
	}
	return NULL;
}

static void assert_same(struct model *m, int step_number)
{
	for (int i = 0; i < 2; i++) {
		settle(m->s[i]);
		assert_int_equal(m->s[i]->st->refused, 0);
		const char *bad = differences(m, m->s[i]);
		if (bad)
			fail_msg("store %d differs from the model in %s after step %d", i, bad, step_number);
	}
}

static void test_model(void **state)
{
	struct model *m = model_new(*state, 42);
	m->a->segment_size = 16384;
	open_stores(m);
	for (int i = 0; i < 1200; i++) {
		step(m);
		if (i % 10 == 0)
			assert_same(m, i);
	}
	assert_same(m, 1200);
	assert_true(m->by_columns > 0);
	close_stores(m);
	free(m);
}

/* ---- killed ---- */
static void run_child(struct account *a, uint64_t seed, int fd)
{
	struct model *m = model_new(a, seed);
	open_stores(m);
	for (uint32_t i = 1; i < 100000; i++) {
		step(m);
		if (write(fd, &i, sizeof i) != sizeof i)
			_exit(1);
	}
	_exit(0);
}

static uint32_t last_step(int fd)
{
	uint32_t i, last = 0;
	while (read(fd, &i, sizeof i) == sizeof i)
		last = i;
	return last;
}

static void kill_once(struct account *a, uint64_t seed, long ms)
{
	int fds[2], status;
	struct timespec ts = { 0, ms * 1000000 };
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_child(a, seed, fds[1]);
	close(fds[1]);
	nanosleep(&ts, NULL);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	uint32_t done = last_step(fds[0]);
	close(fds[0]);

	struct model *m = model_new(NULL, seed);
	struct store_options o = { .segment_size = 16384 };
	struct store *s;
	for (uint32_t i = 0; i < done; i++)
		step(m);
	assert_int_equal(store_open(NULL, a->fd, &o, &s), ERR_OK);
	const char *bad = differences(m, s);
	if (bad) {
		step(m); /* the one that was being made may be there, whole */
		bad = differences(m, s);
	}
	if (bad)
		fail_msg("after %u steps of seed %llu and a kill the store differs in %s", done, (unsigned long long)seed, bad);
	store_close(s);
	free(m);
}

static void test_killed(void **state)
{
	(void)state;
	for (int round = 0; round < 12; round++) {
		void *a;
		account_new(&a);
		((struct account *)a)->segment_size = 16384;
		kill_once(a, 1000 + (uint64_t)round, 15 + round * 17);
		account_free(&a);
	}
}

/* ---- killed at every step ---- */
/*
 * Before and after each system call of a life that goes through all that happens to an account: delivery, adoption, append, copy, flags, expunge,
 * checkpoint, compaction, relocation and the release of incoming. The life is lived in pieces, each by a process of its own, so that what is killed has
 * not to come all the way from the beginning.
 */
enum { LIFE = 12, PIECE = 4, STEPS = 2 * LIFE };

struct life {
	struct model *m;
	unsigned from, to;
	atomic_uint *done; /* operations from `from` on; in memory that the killed share with the test */
};

static void run_op(struct model *m, unsigned i)
{
	static void (*const ops[LIFE])(struct model *m) = { op_deliver, op_append, op_flags, op_copy, op_deliver, op_expunge, op_tidy, op_names,
		op_deliver, op_expunge, op_tidy, op_reopen };
	ops[i % LIFE](m);
}

static void live(void *arg)
{
	struct life *l = arg;
	open_stores(l->m);
	atomic_store(l->done, 0);
	for (unsigned i = l->from; i < l->to; i++) {
		run_op(l->m, i);
		atomic_store(l->done, i + 1 - l->from);
	}
}

/* Mail of both kinds, most of it expunged: the next housekeeping has all to do. */
static struct model *warm_up(struct account *a)
{
	struct model *m = model_new(a, 5);
	open_stores(m);
	for (unsigned i = 0; i < 160; i++)
		(i % 4 == 3 ? op_append : op_deliver)(m);
	for (unsigned i = 0; i < BOXES; i++) {
		struct box *b = &m->b[i];
		struct uidset u = uids_of(3, b->next > 4 ? b->next - 4 : 3);
		struct mailbox_view *v = b->exists ? fresh_view(m->s[0], b) : NULL;
		if (v)
			assert_int_equal(mailbox_view_expunge(v, &u, true, NULL), ERR_OK);
		remove_range(b, 3, b->next > 4 ? b->next - 4 : 3, b->n);
		mailbox_view_close(v);
		flush(m->s[0]);
		uidset_fini(&u);
	}
	close_stores(m);
	return m;
}

static void copy_home(const struct account *from, const struct account *to)
{
	char command[200];
	snprintf(command, sizeof command, "cp -a %s/. %s/", from->path, to->path);
	assert_int_equal(system(command), 0);
}

/* Lives this piece on an account that stands where the life's model does. True: it was killed. Then the account is as after the operations that were told,
 * or the one behind them, whole. */
static bool killed_at(const struct account *warm, const struct life *piece, unsigned long step, unsigned long *steps)
{
	void *state;
	account_new(&state);
	struct account *a = state;
	struct model *m = model_new(NULL, 0), *alone = model_new(NULL, 0);
	struct life l = { m, piece->from, piece->to, piece->done };
	struct store_options o = { .segment_size = 16384 };
	struct store *s;
	copy_home(warm, a);
	a->segment_size = warm->segment_size;
	a->deliveries = warm->deliveries;
	*alone = *m = *piece->m;
	m->a = a;
	alone->a = NULL;
	alone->s[0] = alone->s[1] = NULL;
	atomic_store(l.done, 0);
	bool killed = stepper_kill(live, &l, step, steps);
	unsigned at = l.from + atomic_load(l.done);
	for (unsigned i = l.from; i < at; i++)
		run_op(alone, i);
	assert_int_equal(store_open(NULL, a->fd, &o, &s), ERR_OK);
	const char *bad = differences(alone, s);
	if (bad && killed && at < l.to) {
		run_op(alone, at);
		bad = differences(alone, s);
	}
	if (bad)
		fail_msg("killed at step %lu, after operation %u, the store differs in %s", step, at, bad);
	store_close(s);
	free(m);
	free(alone);
	account_free(&state);
	return killed;
}

static void test_killed_at_every_step(void **state)
{
	struct account *a = *state;
	unsigned long stride = faults_wanted() ? 1 : 101, all = 0, kills = 0;
	struct progress told = { .what = "operations, each killed at every step", .total = STEPS };
	atomic_uint *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(done != MAP_FAILED);
	if (!stepper_works()) {
		print_message("this process may not trace its children\n");
		skip();
	}
	a->segment_size = 16384;
	struct model *m = warm_up(a);
	assert_int_equal(faccessat(a->fd, "journal/0000000000000000", F_OK, 0), 0);
	assert_int_equal(faccessat(a->fd, "incoming/0000000000000000", F_OK, 0), 0);
	for (struct life l = { m, 0, PIECE, done }; l.from < STEPS; l.from += PIECE, l.to += PIECE) {
		unsigned long steps;
		for (unsigned long k = 1; killed_at(a, &l, k, &steps); k += stride)
			kills++;
		all += steps;
		live(&l);
		close_stores(m);
		progress_tell(&told, l.to);
	}
	print_message("%lu kills, %lu steps\n", kills, all);
	assert_true(kills > 10);
	/* What was there first was replaced, and released, and an index was written. */
	assert_int_not_equal(faccessat(a->fd, "journal/0000000000000000", F_OK, 0), 0);
	assert_int_not_equal(faccessat(a->fd, "incoming/0000000000000000", F_OK, 0), 0);
	assert_int_equal(faccessat(a->fd, COLUMNS_NAME, F_OK, 0), 0);
	free(m);
	(void)munmap(done, sizeof *done);
}

/* Two processes at once, each appending and flagging: nothing is lost, no UID is given twice. */
static void hammer(struct account *a, int who)
{
	struct store_options o = { .segment_size = 16384, .tidy_least = 8192 };
	struct store *s;
	char text[32];
	bool more;
	if (store_open(NULL, a->fd, &o, &s) != ERR_OK)
		_exit(1);
	for (int i = 0; i < 150; i++) {
		snprintf(text, sizeof text, "%d-%d", who, i);
		append_text(s, "INBOX", text, 0);
		if (i % 20 == 0 && store_tidy(s, &more) != ERR_OK)
			_exit(2);
	}
	store_close(s);
	_exit(0);
}

static void test_two_processes(void **state)
{
	struct account *a = *state;
	pid_t pids[2];
	int status, seen[2] = { 0, 0 }, who, k;
	account_open(a);
	account_close(a);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			hammer(a, i);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	struct store *s = account_open(a);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct message_info info;
	struct view content;
	assert_int_equal(mailbox_view_count(v), 300);
	for (uint32_t i = 1; i <= 300; i++) {
		assert_int_equal(mailbox_view_uid(v, i), i);
		assert_int_equal(mailbox_view_info(v, i, &info), ERR_OK);
		assert_int_equal(store_read(s, &info, &content), ERR_OK);
		char text[32];
		snprintf(text, sizeof text, "%.*s", (int)content.n, content.p);
		assert_int_equal(sscanf(text, "%d-%d", &who, &k), 2);
		assert_int_equal(seen[who]++, k);
	}
	mailbox_view_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(test_model),
		cmocka_unit_test(test_killed),
		account_test(test_killed_at_every_step),
		account_test(test_two_processes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
