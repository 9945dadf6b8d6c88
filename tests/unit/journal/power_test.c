/* SPDX-License-Identifier: ISC */
/*
 * Power cuts: a random life of a stream (appends, flushes that may fail, zeros written ahead, full disks, short writes, rolls, compactions, drops, reopenings); before and
 * after each of its system calls the disk is left in some of the states that a power cut could leave, recovered, and compared
 * with what had been acknowledged: all of that is there, nothing is that was never appended, nothing that was given up comes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/faults.h"
#include "tests/unit/journal/disk.h"
#include "tests/unit/journal/help.h"

#define FRAMES_MAX 20000u
#define SEGMENT 4096u

/*
 * GONE: its append or its flush failed. UNKNOWN: the same, and the process ended before a roll could be written that says so: the next one
 * may take it for one that nobody was told of.
 */
enum fate { APPENDED, ACKNOWLEDGED, GONE, UNKNOWN };

struct frame {
	uint64_t position;
	uint32_t id, size;
	enum fate fate;
	bool dead;  /* compaction may take it */
};

struct life {
	struct rnd rng;
	struct home home, left;
	struct disk *disk;
	struct journal_seam seam;
	struct journal *j;
	struct frame *frames;
	size_t n;
	uint64_t dropped;
	unsigned fail_percent; /* of calls */
	unsigned cuts_percent; /* of calls at which power cuts are tried */
	unsigned long points, failures, zeroed;
	struct journal_ahead *ahead; /* begun, not run */
	bool watching;
	bool marked; /* what the power cut left has a published mark */
	size_t flight; /* frames from here on are being appended: where they will stand is not known yet */
};

static void payload_of(const struct frame *f, char *p)
{
	struct rnd r = { f->id };

	for (uint32_t i = 0; i < f->size; i++)
		p[i] = (char)(rnd_next(&r) >> 24);
}

struct check {
	struct life *l;
	size_t at; /* in l->frames */
	size_t last; /* index behind the last one present */
	bool *present;
	size_t n, extra;
	uint64_t hash;
};

static size_t index_of(const struct life *l, uint64_t position, uint32_t size, const char *p)
{
	static char expected[65536];

	for (size_t i = l->n; i-- > 0;) {
		const struct frame *f = &l->frames[i];

		if ((f->position != position && i < l->flight) || f->size != size)
			continue;
		payload_of(f, expected);
		if (memcmp(expected, p, size) == 0)
			return i;
	}
	return SIZE_MAX;
}

static int check_frame(void *arg, const struct journal_record *r)
{
	struct check *c = arg;
	size_t i;

	c->hash = c->hash * 31 + r->position;
	if (getenv("POSTRIDER_TRACE") != NULL)
		print_message("%llu ", (unsigned long long)r->position);
	c->n++;
	if (r->kind == 99) {
		c->extra++;
		return ERR_OK;
	}
	i = index_of(c->l, r->position, (uint32_t)r->payload.n, r->payload.p);
	if (i == SIZE_MAX)
		fail_msg("invented: a frame at %llu", (unsigned long long)r->position);
	c->present[i] = true;
	if (i + 1 > c->last)
		c->last = i + 1;
	return ERR_OK;
}

static void no_damage(void *arg, uint64_t from, uint64_t to)
{
	const struct life *l = arg;

	/* Without a published mark, what was never acknowledged may look like damage (S10). */
	if (l->watching || l->marked)
		fail_msg("damage reported: %llu to %llu", (unsigned long long)from, (unsigned long long)to);
}

static bool has_mark(const struct home *h)
{
	int fd = openat(h->fd, "lock", O_RDONLY | O_CLOEXEC);
	uint64_t mark = 0;

	if (fd >= 0 && pread(fd, &mark, sizeof(mark), 0) < 0)
		mark = 0;
	if (fd >= 0)
		(void)close(fd);
	return mark != 0;
}

static void check_scan(struct check *c, struct journal *j)
{
	uint64_t next;

	journal_on_damage(j, no_damage, c->l);
	assert_int_equal(journal_scan(j, 0, check_frame, c, &next), ERR_OK);
}

/* Everything acknowledged is there; of the rest no frame without those appended before it; nothing that was given up before the last acknowledged. */
static void check_present(const struct check *c)
{
	const struct life *l = c->l;
	size_t acknowledged = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->frames[i].fate == ACKNOWLEDGED)
			acknowledged = i + 1;
	for (size_t i = 0; i < l->n; i++) {
		const struct frame *f = &l->frames[i];
		bool may_lack = f->dead || (i < l->flight && f->position < l->dropped);

		if (f->fate == ACKNOWLEDGED && !c->present[i] && !may_lack)
			fail_msg("lost: frame %zu at %llu of %zu", i, (unsigned long long)f->position, l->n);
		if (f->fate == APPENDED && !c->present[i] && !may_lack && i < c->last && l->frames[c->last - 1].fate < GONE)
			fail_msg("a hole: frame %zu at %llu", i, (unsigned long long)f->position);
		if (f->fate == GONE && c->present[i] && i < acknowledged)
			fail_msg("came back: frame %zu at %llu", i, (unsigned long long)f->position);
	}
}

/* Opens what is left, checks it, writes on, and sees that recovery stays with what it decided. */
static void check_left(struct life *l)
{
	struct check c = { .l = l, .present = mem_array(l->n + 1, sizeof(bool)) }, again = c;
	struct journal_options o = { .role = JOURNAL_OWNER, .segment_size = SEGMENT, .frame_max = 65536, .create = true };
	struct journal_frame f = { .kind = 99, .parts = { VIEW("written after the power came back") } };
	struct journal *j;

	l->marked = has_mark(&l->left);
	assert_int_equal(journal_open(l->left.fd, &o, &j), ERR_OK);
	check_scan(&c, j);
	if (getenv("POSTRIDER_TRACE") != NULL)
		print_message("| end %llu |", (unsigned long long)journal_end(j));
	check_present(&c);
	assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
	assert_int_equal(journal_flush(j), ERR_OK);
	journal_close(j);
	o.role = JOURNAL_READER;
	assert_int_equal(journal_open(l->left.fd, &o, &j), ERR_OK);
	check_scan(&again, j);
	if (getenv("POSTRIDER_TRACE") != NULL)
		print_message("\n");
	assert_int_equal(again.n, c.n + 1);
	assert_int_equal(again.extra, 1);
	assert_int_equal(again.hash, c.hash * 31 + f.position);
	journal_close(j);
	free(c.present);
}

static void cut_power(struct life *l)
{
	static const unsigned keeps[] = { 0, 100, 50, 15, 85 };

	if (!l->watching || rnd_below(&l->rng, 100) >= l->cuts_percent)
		return;
	l->watching = false;
	home_empty(&l->left);
	disk_leave(l->disk, &l->rng, keeps[rnd_below(&l->rng, 5)], l->left.fd, NULL, NULL);
	check_left(l);
	l->points++;
	l->watching = true;
}

static int life_before(void *arg, struct seam_call *c)
{
	struct life *l = arg;

	unsigned told; /* its only description is not used after a failure */

	if (c->op == SEAM_READ)
		return 0;
	cut_power(l);
	if (rnd_below(&l->rng, 100) >= l->fail_percent)
		return 0;
	l->failures++;
	if (c->op == SEAM_FLUSH && disk_find(disk_root(l->disk), c->name) != NULL)
		disk_flush_failed(l->disk, disk_find(disk_root(l->disk), c->name), &told);
	if (c->op == SEAM_WRITE && c->n > 1 && rnd_below(&l->rng, 2)) {
		c->n = 1 + rnd_below(&l->rng, c->n - 1);
		return 0; /* a short write; what follows may go well or not */
	}
	return c->op == SEAM_FLUSH || c->op == SEAM_FLUSH_DIR || rnd_below(&l->rng, 2) ? EIO : ENOSPC;
}

static void life_after(void *arg, const struct seam_call *c, long result)
{
	struct life *l = arg;

	if (c->op == SEAM_READ)
		return;
	/* Zeros may still go to a segment that was dropped meanwhile, as it has no name any more they leave nothing. */
	if (c->op != SEAM_WRITE || faccessat(l->home.fd, c->name, F_OK, 0) == 0)
		disk_follow(l->disk, c, result);
	cut_power(l);
}

static void life_open(struct life *l)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .segment_size = SEGMENT, .frame_max = 65536, .create = true, .ahead = 4088, .seam = &l->seam };
	int r = ERR_AGAIN;

	for (int i = 0; i < 100 && r != ERR_OK; i++)
		r = journal_open(l->home.fd, &o, &l->j);
	assert_int_equal(r, ERR_OK);
}

static void frame_add(struct life *l, const struct journal_frame *f, uint32_t id, uint32_t size)
{
	assert_true(l->n < FRAMES_MAX);
	l->frames[l->n++] = (struct frame){ .position = f->position, .id = id, .size = size, .fate = APPENDED };
}

/* At any time after it was begun, or never. */
static void ahead_ends(struct life *l, bool run)
{
	struct journal_ahead *a = l->ahead;

	if (a == NULL)
		return;
	l->ahead = NULL;
	if (run)
		journal_ahead_run(a);
	l->zeroed += run;
	journal_ahead_end(run ? l->j : NULL, a);
	cut_power(l);
}

static void reopen(struct life *l)
{
	ahead_ends(l, false);
	journal_close(l->j);
	for (size_t i = l->n; i-- > 0 && l->frames[i].fate == GONE;)
		l->frames[i].fate = UNKNOWN;
	life_open(l);
}

static void do_append(struct life *l)
{
	static char room[5][4096];
	struct journal_frame f[5];
	size_t n = 1 + rnd_below(&l->rng, 5), first = l->n;
	int r;

	memset(f, 0, sizeof(f));
	for (size_t i = 0; i < n; i++) {
		struct frame m = { .id = (uint32_t)rnd_next(&l->rng), .size = 8 + (uint32_t)rnd_below(&l->rng, rnd_below(&l->rng, 8) ? 300 : 3000) };

		payload_of(&m, room[i]);
		f[i].kind = 5;
		f[i].parts[0] = view_make(room[i], m.size / 2);
		f[i].parts[2] = view_make(room[i] + m.size / 2, m.size - m.size / 2);
		frame_add(l, &f[i], m.id, m.size);
	}
	l->flight = first;
	r = journal_append(l->j, journal_end(l->j), f, n);
	for (size_t i = 0; i < n; i++) {
		l->frames[first + i].position = f[i].position;
		l->frames[first + i].fate = r == ERR_OK ? APPENDED : GONE;
	}
	l->flight = SIZE_MAX;
	cut_power(l);
}

static void lose(struct life *l, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->frames[i].position >= from && l->frames[i].position < to && l->frames[i].fate < GONE) {
			assert_int_not_equal(l->frames[i].fate, ACKNOWLEDGED);
			l->frames[i].fate = GONE;
		}
}

static void settle(struct life *l, struct journal_flush *f)
{
	uint64_t from, to;
	int r;

	if (f == NULL)
		return;
	r = journal_flush_end(l->j, f, &from, &to);
	if (r != ERR_OK)
		lose(l, from, to);
	for (size_t i = 0; i < l->n; i++)
		if (l->frames[i].fate == APPENDED && l->frames[i].position < journal_durable(l->j))
			l->frames[i].fate = ACKNOWLEDGED;
	cut_power(l);
}

static void do_flush(struct life *l)
{
	struct journal_flush *f = journal_flush_begin(l->j), *g = NULL;

	if (f == NULL)
		return;
	if (l->ahead == NULL)
		l->ahead = journal_ahead_begin(l->j);
	if (rnd_below(&l->rng, 3) == 0)
		do_append(l);
	if (rnd_below(&l->rng, 3) == 0)
		g = journal_flush_begin(l->j);
	bool first = rnd_below(&l->rng, 2);

	journal_flush_run(f);
	if (g != NULL && first)
		journal_flush_run(g);
	settle(l, f);
	if (g != NULL && !first)
		journal_flush_run(g);
	settle(l, g);
	if (rnd_below(&l->rng, 2))
		ahead_ends(l, true);
}

static bool is_live(void *arg, const struct journal_record *r)
{
	struct life *l = arg;
	size_t i = index_of(l, r->position, (uint32_t)r->payload.n, r->payload.p);

	return i == SIZE_MAX || !l->frames[i].dead;
}

static void do_compact(struct life *l)
{
	bool more;

	for (size_t i = 0; i < l->n; i++)
		if (rnd_below(&l->rng, 6) == 0)
			l->frames[i].dead = true;
	if (journal_compact(l->j, is_live, l, rnd_below(&l->rng, 3) ? 0 : 4096, &more) != ERR_OK)
		l->failures++;
}

static void do_drop(struct life *l)
{
	uint64_t start = journal_start(l->j), at = start + (journal_durable(l->j) - start) / 4;

	l->dropped = at > l->dropped ? at : l->dropped;
	if (journal_drop(l->j, at) != ERR_OK)
		l->failures++;
}

static void one_step(struct life *l)
{
	size_t what = rnd_below(&l->rng, 100);

	if (what < 55)
		do_append(l);
	else if (what < 80)
		do_flush(l);
	else if (what < 84) {
		if (journal_roll(l->j) != ERR_OK)
			l->failures++;
	} else if (what < 90)
		do_compact(l);
	else if (what < 93)
		do_drop(l);
	else if (what < 98)
		reopen(l);
}

/* What is there now, without any power cut. */
static void check_now(struct life *l)
{
	struct check c = { .l = l, .present = mem_array(l->n + 1, sizeof(bool)) };

	check_scan(&c, l->j);
	for (size_t i = 0; i < l->n; i++) {
		const struct frame *f = &l->frames[i];

		if (f->fate < GONE && !c.present[i] && !f->dead && f->position >= l->dropped)
			fail_msg("lost in life: frame %zu at %llu", i, (unsigned long long)f->position);
	}
	free(c.present);
}

static unsigned long live(uint64_t seed, unsigned steps, unsigned fail_percent, unsigned cuts_percent, unsigned long *zeroed)
{
	struct life l = { .rng = { seed }, .home = home_make(), .left = home_make(), .disk = disk_new(), .fail_percent = fail_percent,
		.cuts_percent = cuts_percent, .watching = true, .flight = SIZE_MAX };

	l.seam = (struct journal_seam){ &l, life_before, life_after };
	l.frames = mem_array(FRAMES_MAX, sizeof(struct frame));
	life_open(&l);
	for (unsigned i = 0; i < steps; i++) {
		one_step(&l);
		if (i % 16 == 0)
			check_now(&l);
	}
	l.watching = false;
	*zeroed += l.zeroed;
	ahead_ends(&l, false);
	journal_close(l.j);
	home_remove(&l.home);
	home_remove(&l.left);
	disk_free(l.disk);
	free(l.frames);
	return l.points;
}

static void lives(unsigned fail_percent)
{
	const char *seed = getenv("POSTRIDER_SEED");
	unsigned long points = 0, zeroed = 0, want = faults_wanted() ? 20000 : 800;
	uint64_t s = seed != NULL ? strtoull(seed, NULL, 10) : faults_wanted() ? (uint64_t)random() : 1;
	struct progress told = { .what = "power cuts", .total = want };

	for (; points < want; s++) {
		print_message("seed %llu\n", (unsigned long long)s);
		points += live(s, 150, fail_percent, 35, &zeroed);
		progress_tell(&told, points);
	}
	print_message("%lu power cuts, zeros written ahead %lu times\n", points, zeroed);
	assert_true(zeroed > 0);
}

static void power_cuts(void **state)
{
	(void)state;
	lives(0);
}

static void power_cuts_and_failures(void **state)
{
	(void)state;
	lives(6);
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
