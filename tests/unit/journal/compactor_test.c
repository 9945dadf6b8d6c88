/* SPDX-License-Identifier: ISC */
/*
 * A compactor in a thread beside an owner that appends, flushes, rolls and reads: nothing that lives is ever missed, before or after the owner looks
 * again. And a compaction that is cut at each of its system calls. (What a power cut makes of one: power_test.)
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/journal.h"
#include "tests/unit/journal/help.h"
#include "tests/unit/sys/stepper.h"

enum { KEPT = 1, DEAD = 2, DEAD_LATER = 3, N = 1000, SLICE = 16384 };

struct beside {
	struct home *h;
	atomic_bool end;
	atomic_uint compactions;
	int err;
};

static bool is_kept(void *arg, const struct journal_record *r)
{
	(void)arg;
	return r->kind == KEPT;
}

static void *compact_for_ever(void *arg)
{
	struct beside *b = arg;

	while (b->err == ERR_OK && !atomic_load(&b->end)) {
		struct journal_options o = { .role = JOURNAL_COMPACTOR };
		struct journal *j;
		bool more = true;

		b->err = journal_open(b->h->fd, &o, &j);
		while (b->err == ERR_OK && more)
			b->err = journal_compact(j, is_kept, NULL, SLICE, &more);
		if (b->err == ERR_OK)
			atomic_fetch_add(&b->compactions, 1);
		journal_close(j);
	}
	return NULL;
}

static uint64_t add(struct journal *j, uint16_t kind, unsigned i)
{
	char text[160];
	struct journal_frame f = { .kind = kind };

	(void)snprintf(text, sizeof(text), "%u %0100d", i, 0);
	f.parts[0] = view_of(text);
	assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
	return f.position;
}

static void is_there(struct journal *j, uint64_t position, unsigned i)
{
	char text[160];
	struct journal_record r;

	(void)snprintf(text, sizeof(text), "%u %0100d", i, 0);
	assert_int_equal(journal_read(j, position, &r), ERR_OK);
	assert_int_equal(r.kind, KEPT);
	assert_true(view_eq(r.payload, view_of(text)));
}

static void beside_an_owner(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	struct beside b = { .h = h };
	uint64_t *positions = calloc(N, sizeof(*positions));
	struct journal_info info;
	pthread_t thread;

	assert_non_null(positions);
	add_text(j, KEPT, "first");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(pthread_create(&thread, NULL, compact_for_ever, &b), 0);
	for (unsigned i = 0; i < N || (atomic_load(&b.compactions) < 20 && i < 100 * N); i++) {
		unsigned k = i % N;

		if (i < N)
			positions[k] = add(j, KEPT, k);
		(void)add(j, DEAD, i);
		if (i % 16 == 0)
			assert_int_equal(journal_flush(j), ERR_OK);
		if (i % 100 == 0)
			assert_int_equal(journal_refresh(j), ERR_OK);
		is_there(j, positions[k / 2], k / 2);
	}
	atomic_store(&b.end, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(b.err, ERR_OK);
	assert_true(atomic_load(&b.compactions) > 0);
	for (unsigned k = 0; k < N; k++)
		is_there(j, positions[k], k);
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_refresh(j), ERR_OK);
	journal_info(j, &info);
	assert_int_equal(info.end, journal_end(j));
	journal_close(j);
	j = home_open(h, JOURNAL_OWNER, 4096);
	for (unsigned k = 0; k < N; k++)
		is_there(j, positions[k], k);
	journal_close(j);
	free(positions);
}

/* ---- cut ---- */

enum { HALF = 40 };

struct cut {
	struct home *h;
	enum journal_role role;
	journal_live_fn *live;
};

static bool is_not_dead(void *arg, const struct journal_record *r)
{
	(void)arg;
	return r->kind != DEAD;
}

static void compact_all(void *arg)
{
	struct cut *c = arg;
	struct journal_options o = { .role = c->role, .segment_size = 4096 };
	struct journal *j;
	bool more = true;

	if (journal_open(c->h->fd, &o, &j) != ERR_OK)
		abort();
	while (more)
		if (journal_compact(j, c->live, NULL, 0, &more) != ERR_OK)
			abort();
	journal_close(j);
}

/* A file of the first generation, and segments behind it. */
static void write_halves(struct home *h, uint64_t *positions)
{
	struct journal *j;

	for (unsigned half = 0; half < 2; half++) {
		if (half > 0)
			compact_all(&(struct cut){ h, JOURNAL_OWNER, is_not_dead });
		j = home_open(h, JOURNAL_OWNER, 4096);
		for (unsigned i = half * HALF; i < (half + 1) * HALF; i++) {
			positions[i] = add(j, KEPT, i);
			(void)add(j, i % 2 ? DEAD : DEAD_LATER, i);
		}
		assert_int_equal(journal_flush(j), ERR_OK);
		journal_close(j);
	}
	assert_string_not_equal(home_first_name(h, ".1"), "");
}

static int none_twice(void *arg, const struct journal_record *r)
{
	uint64_t *last = arg;

	assert_true(r->position > *last || *last == UINT64_MAX);
	*last = r->position;
	return 0;
}

static void no_damage(void *arg, uint64_t from, uint64_t to)
{
	(void)arg;
	fail_msg("damage: %llu to %llu", (unsigned long long)from, (unsigned long long)to);
}

static void all_there(struct home *h, enum journal_role role, const uint64_t *positions)
{
	struct journal *j = home_open(h, role, 4096);
	uint64_t last = UINT64_MAX, next;

	journal_on_damage(j, no_damage, NULL);
	for (unsigned i = 0; i < 2 * HALF; i++)
		is_there(j, positions[i], i);
	assert_int_equal(journal_scan(j, 0, none_twice, &last, &next), ERR_OK);
	journal_close(j);
}

/* S14, S15: whoever opens the stream then finds all that lives, once, where it was; and the next compaction leaves nothing of the one that was cut. */
static void cut_at_each_step(struct home *h, enum journal_role role)
{
	uint64_t positions[2 * HALF];
	unsigned long k = 1, steps;
	bool cut = true, files[3] = { false };

	if (!stepper_works()) {
		print_message("this process may not trace its children\n");
		skip();
	}
	write_halves(h, positions);
	for (; cut; k++) {
		struct home left = home_make();

		home_copy(h, &left);
		cut = stepper_kill(compact_all, &(struct cut){ &left, role, is_kept }, k, &steps);
		files[0] = files[0] || *home_first_name(&left, "new.");
		files[1] = files[1] || (*home_first_name(&left, ".1") && *home_first_name(&left, ".2"));
		files[2] = files[2] || (!*home_first_name(&left, ".1") && *home_first_name(&left, ".2"));
		all_there(&left, JOURNAL_READER, positions);
		all_there(&left, JOURNAL_OWNER, positions);
		compact_all(&(struct cut){ &left, role, is_kept });
		all_there(&left, JOURNAL_READER, positions);
		assert_string_equal(home_first_name(&left, "new."), "");
		home_remove(&left);
	}
	assert_true(k > 50);
	/* Cut before the rename, between that and the last unlinking, and behind it. */
	assert_true(files[0] && files[1] && files[2]);
}

static void a_compaction_cut_at_each_step(void **state) { cut_at_each_step(*state, JOURNAL_OWNER); }
static void a_compactor_cut_at_each_step(void **state) { cut_at_each_step(*state, JOURNAL_COMPACTOR); }

static void appends_nothing(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096), *c;
	struct journal_options o = { .role = JOURNAL_COMPACTOR, .create = true };
	struct journal_frame f = { .kind = 1, .parts = { VIEW("no") } };
	struct home none = home_make();

	add_text(j, 1, "one");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_open(h->fd, &o, &c), ERR_OK);
	assert_int_equal(journal_append(c, journal_end(c), &f, 1), ERR_DENIED);
	assert_int_equal(journal_roll(c), ERR_DENIED);
	add_text(j, 1, "two");
	assert_int_equal(journal_refresh(c), ERR_OK);
	assert_texts(c, "one|two");
	journal_close(c);
	assert_int_equal(journal_open(none.fd, &o, &c), ERR_NOT_FOUND);
	journal_close(j);
	home_remove(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(beside_an_owner),
		home_test(a_compaction_cut_at_each_step),
		home_test(a_compactor_cut_at_each_step),
		home_test(appends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
