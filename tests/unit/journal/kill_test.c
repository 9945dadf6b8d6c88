/* SPDX-License-Identifier: ISC */
/*
 * Processes that are killed: a scripted life is ended by SIGKILL before and after each of its system calls, beside a writer that lives on; and several
 * processes write, flush, fail to flush, compact and are killed at random moments while others read. Whatever was reported as
 * acknowledged is there, once; what was reported as lost is not.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/seam.h"
#include "tests/unit/faults.h"
#include "tests/unit/journal/help.h"

#define IDS (1u << 20)
#define WORKERS 4

/* In memory that all processes share. */
struct board {
	atomic_uint next_id, acknowledged_count, lost_count, reads;
	_Atomic unsigned char fate[IDS];
};
enum { FATE_NONE, FATE_ACKNOWLEDGED, FATE_LOST };

struct worker {
	struct home *home;
	struct board *board;
	struct journal *j;
	struct journal_seam seam;
	struct rnd rng;
	unsigned long calls, kill_at; /* 0: never */
	unsigned fail_permille;
	uint32_t mine[4096]; /* appended and not settled */
	uint64_t at[4096];
	size_t n;
};

static bool is_dead(uint32_t id) { return id % 5 == 0; }

static bool keep_living(void *arg, const struct journal_record *r)
{
	(void)arg;
	return !is_dead(le32_get(r->payload.p));
}

static void step(struct worker *w)
{
	if (w->kill_at != 0 && ++w->calls == w->kill_at)
		(void)kill(getpid(), SIGKILL);
}

static int worker_before(void *arg, struct seam_call *c)
{
	struct worker *w = arg;

	if (c->op == SEAM_READ)
		return 0;
	step(w);
	return c->op == SEAM_FLUSH && rnd_below(&w->rng, 1000) < w->fail_permille ? EIO : 0;
}

static void worker_after(void *arg, const struct seam_call *c, long result)
{
	(void)result;
	if (c->op != SEAM_READ)
		step(arg);
}

static int worker_open(struct worker *w, enum journal_role role)
{
	struct journal_options o = { .role = role, .segment_size = 4096, .frame_max = 65536, .create = true, .seam = &w->seam };

	w->seam = (struct journal_seam){ w, worker_before, worker_after };
	return journal_open(w->home->fd, &o, &w->j);
}

static void worker_append(struct worker *w)
{
	char room[3][400] = { { 0 } };
	struct journal_frame f[3] = { { .kind = 4 }, { .kind = 4 }, { .kind = 4 } };
	size_t n = 1 + rnd_below(&w->rng, 3);
	uint32_t ids[3];
	int r;

	if (w->n + n > 4096)
		return;
	for (size_t i = 0; i < n; i++) {
		ids[i] = atomic_fetch_add(&w->board->next_id, 1);
		INVARIANT(ids[i] < IDS);
		le32_put(room[i], ids[i]);
		f[i].parts[0] = view_make(room[i], 4 + rnd_below(&w->rng, sizeof(room[i]) - 4));
	}
	for (int i = 0; i < 100; i++) {
		r = journal_append(w->j, journal_end(w->j), f, n);
		if (r != ERR_CONFLICT)
			break;
	}
	for (size_t i = 0; r == ERR_OK && i < n; i++) {
		w->mine[w->n] = ids[i];
		w->at[w->n++] = f[i].position;
	}
}

/* Tells the board what became of ours. */
static void worker_settle(struct worker *w, bool good, uint64_t lost_from, uint64_t lost_to)
{
	size_t left = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->at[i] >= lost_from && w->at[i] < lost_to) {
			atomic_store(&w->board->fate[w->mine[i]], FATE_LOST);
			atomic_fetch_add(&w->board->lost_count, 1);
		} else if (good && w->at[i] < journal_durable(w->j)) {
			atomic_store(&w->board->fate[w->mine[i]], FATE_ACKNOWLEDGED);
			atomic_fetch_add(&w->board->acknowledged_count, 1);
		} else {
			w->mine[left] = w->mine[i];
			w->at[left++] = w->at[i];
		}
	}
	w->n = left;
}

static void worker_flush(struct worker *w)
{
	struct journal_flush *f = journal_flush_begin(w->j);
	uint64_t from = 0, to = 0;
	int r = ERR_OK;

	if (f != NULL) {
		journal_flush_run(f);
		r = journal_flush_end(w->j, f, &from, &to);
	}
	worker_settle(w, r == ERR_OK, from, to);
}

static int worker_reopen(struct worker *w, enum journal_role role)
{
	journal_close(w->j);
	w->j = NULL;
	w->n = 0;
	return worker_open(w, role);
}

static void script(struct worker *w, enum journal_role role)
{
	bool more;
	int r = worker_open(w, role);

	if (r != ERR_OK)
		_exit(10 + r);
	worker_append(w);
	worker_flush(w);
	for (int i = 0; i < 12; i++) {
		worker_append(w);
		worker_append(w);
		if (i % 3 == 2)
			worker_flush(w);
	}
	r = journal_roll(w->j);
	worker_flush(w);
	if (r == ERR_OK)
		r = journal_compact(w->j, keep_living, NULL, 0, &more);
	worker_append(w);
	worker_flush(w);
	if (r != ERR_OK)
		_exit(40 + r);
	_exit(0);
}

struct look {
	struct board *board;
	unsigned char *seen;
	unsigned n;
};

static int look_frame(void *arg, const struct journal_record *r)
{
	struct look *l = arg;
	uint32_t id = le32_get(r->payload.p);

	if (id >= atomic_load(&l->board->next_id))
		fail_msg("invented: %u", id);
	if (l->seen[id]++)
		fail_msg("twice: %u at %llu", id, (unsigned long long)r->position);
	l->n++;
	return ERR_OK;
}

static void look_damage(void *arg, uint64_t from, uint64_t to)
{
	(void)arg;
	fail_msg("damage: %llu to %llu", (unsigned long long)from, (unsigned long long)to);
}

/* Everything that is acknowledged now is there, once, and nothing that is lost. */
static void look_at(struct journal *j, struct board *b)
{
	unsigned char *known = mem_new(IDS);
	struct look l = { b, mem_new(IDS), 0 };
	unsigned n = atomic_load(&b->next_id);
	uint64_t next;
	int r;

	for (unsigned i = 0; i < n; i++)
		known[i] = atomic_load(&b->fate[i]);
	r = journal_refresh(j);
	if (r != ERR_OK)
		fail_msg("refresh: %s", err_name(r));
	journal_on_damage(j, look_damage, NULL);
	assert_int_equal(journal_scan(j, 0, look_frame, &l, &next), ERR_OK);
	for (unsigned i = 0; i < n; i++) {
		if (known[i] == FATE_ACKNOWLEDGED && !l.seen[i] && !is_dead(i))
			fail_msg("lost: %u of %u", i, n);
		if (known[i] == FATE_LOST && l.seen[i])
			fail_msg("came back: %u", i);
	}
	free(l.seen);
	free(known);
}

static struct board *board_new(void)
{
	void *p = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static pid_t spawn(void (*fn)(struct worker *w, enum journal_role role), struct worker *w, enum journal_role role)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	fn(w, role);
	_exit(99);
}

static void killed_at_every_step(void **state, enum journal_role role)
{
	struct home *h = *state;
	struct board *b = board_new();
	struct worker *w = mem_new(sizeof(*w)), *mine = mem_new(sizeof(*mine));
	struct journal_options look = { .role = JOURNAL_READER };
	unsigned long stride = faults_wanted() ? 1 : 3;
	struct journal *r;
	int status = 0;

	*mine = (struct worker){ .home = h, .board = b, .rng = { 7 } };
	for (unsigned long k = 1; k < 3000 && !(WIFEXITED(status) && k > 1); k += stride) {
		pid_t pid;

		if (mine->j == NULL && role == JOURNAL_SHARED_WRITER)
			assert_int_equal(worker_open(mine, role), ERR_OK);
		*w = (struct worker){ .home = h, .board = b, .rng = { 3 }, .kill_at = k };
		pid = spawn(script, w, role);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
			fail_msg("step %lu: the script ended with %d", k, WEXITSTATUS(status));
		if (mine->j != NULL) {
			worker_append(mine);
			worker_flush(mine);
			assert_int_equal(mine->n, 0);
		}
		/* Before the first append there may be no stream. */
		if (journal_open(h->fd, &look, &r) != ERR_OK) {
			assert_int_equal(atomic_load(&b->acknowledged_count), 0);
			continue;
		}
		look_at(r, b);
		journal_close(r);
	}
	assert_true(WIFEXITED(status));
	assert_true(atomic_load(&b->acknowledged_count) > 100);
	journal_close(mine->j);
	free(mine);
	free(w);
	(void)munmap(b, sizeof(*b));
}

static void an_owner_killed_at_every_step(void **state) { killed_at_every_step(state, JOURNAL_OWNER); }
static void a_shared_writer_killed_at_every_step(void **state) { killed_at_every_step(state, JOURNAL_SHARED_WRITER); }

static void work(struct worker *w, enum journal_role role)
{
	bool more;

	if (worker_open(w, role) != ERR_OK)
		_exit(50);
	for (;;) {
		size_t what = rnd_below(&w->rng, 100);
		int r = ERR_OK;

		if (what < 60)
			worker_append(w);
		else if (what < 92)
			worker_flush(w);
		else if (what < 95)
			r = journal_compact(w->j, keep_living, NULL, 20000, &more);
		else if (what < 98)
			r = journal_refresh(w->j);
		else
			r = worker_reopen(w, role);
		/* A compaction's flush may be one of those that are made to fail. */
		if (r != ERR_OK && (what < 92 || what >= 95 || (r != ERR_BUSY && r != ERR_IO)))
			_exit(60 + r);
	}
}

static void read_on(struct worker *w, enum journal_role role)
{
	struct journal *r;

	(void)role;
	for (r = home_open(w->home, JOURNAL_READER, 4096);;) {
		look_at(r, w->board);
		atomic_fetch_add(&w->board->reads, 1);
		if (rnd_below(&w->rng, 4) == 0) {
			journal_close(r);
			r = home_open(w->home, JOURNAL_READER, 4096);
		}
	}
}

static void end_process(pid_t pid)
{
	int status;

	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		fail_msg("a process ended by itself with %d", WEXITSTATUS(status));
}

static void many_writers_killed_at_random(void **state)
{
	struct home *h = *state;
	struct board *b = board_new();
	struct worker *w = mem_new(sizeof(*w));
	struct rnd rng = { (uint64_t)time(NULL) };
	unsigned rounds = faults_wanted() ? 1500 : 80;
	struct progress told = { .what = "writers killed at random", .total = rounds };
	pid_t pids[WORKERS], reader;
	struct journal *j = home_open(h, JOURNAL_SHARED_WRITER, 4096);

	*w = (struct worker){ .home = h, .board = b, .rng = { rnd_next(&rng) } };
	reader = spawn(read_on, w, JOURNAL_READER);
	for (int i = 0; i < WORKERS; i++)
		pids[i] = 0;
	for (unsigned k = 0; k < rounds; k++) {
		size_t i = rnd_below(&rng, WORKERS);
		struct timespec t = { 0, (long)rnd_below(&rng, 20) * 1000000 };

		if (pids[i] != 0)
			end_process(pids[i]);
		*w = (struct worker){ .home = h, .board = b, .rng = { rnd_next(&rng) }, .fail_permille = 5 };
		pids[i] = spawn(work, w, JOURNAL_SHARED_WRITER);
		(void)nanosleep(&t, NULL);
		progress_tell(&told, k + 1);
	}
	for (int i = 0; i < WORKERS; i++)
		if (pids[i] != 0)
			end_process(pids[i]);
	end_process(reader);
	look_at(j, b);
	print_message("%u acknowledged, %u lost and said so, %u readings\n", atomic_load(&b->acknowledged_count),
		atomic_load(&b->lost_count), atomic_load(&b->reads));
	assert_true(atomic_load(&b->acknowledged_count) > 100);
	journal_close(j);
	free(w);
	(void)munmap(b, sizeof(*b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(an_owner_killed_at_every_step),
		home_test(a_shared_writer_killed_at_every_step),
		home_test(many_writers_killed_at_random),
	};

	cmocka_set_test_filter(getenv("POSTRIDER_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
