/* SPDX-License-Identifier: ISC */
/* A compactor in a thread beside an owner that appends, flushes, rolls and reads: nothing that lives is ever missed, before or after the owner looks again. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/journal.h"
#include "tests/unit/journal/help.h"

enum { KEPT = 1, DEAD = 2, N = 1000, SLICE = 16384 };

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
		home_test(appends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
