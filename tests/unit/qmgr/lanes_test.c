/* SPDX-License-Identifier: ISC */
#include "qmgr/lanes.h"

#include <stdlib.h>

#include "qmgr/floor.h"
#include "tests/unit/qmgr/help.h"

static void add(struct lanes *l, uint32_t tenant, uint32_t dest, uint64_t number)
{
	lanes_add(l, lanes_lanes(l), tenant, dest, (struct ready){number, (uint32_t)number, (uint32_t)number + 1});
}

static bool take(struct lanes *l, struct ready *r)
{
	uint32_t dest;
	return lanes_take(l, NULL, NULL, r, &dest);
}

static void keeps_the_order_within_a_lane(void **state)
{
	struct lanes *l = lanes_new();
	struct ready r;
	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		add(l, 1, 1, i);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(take(l, &r));
		assert_int_equal(r.number, i);
		assert_int_equal(r.from, i);
		assert_int_equal(r.to, i + 1);
	}
	assert_false(take(l, &r));
	assert_int_equal(lanes_lanes(l), 0);
	lanes_free(l);
}

/* How many are taken before the number comes. */
static unsigned turns_until(struct lanes *l, uint64_t number)
{
	struct ready r;
	for (unsigned i = 0; take(l, &r); i++)
		if (r.number == number)
			return i;
	fail_msg("it never came");
	return 0;
}

static void a_flood_does_not_delay_another(void **state)
{
	struct lanes *l = lanes_new();
	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		add(l, 1, 1, i);
	add(l, 2, 1, 777777);
	assert_true(turns_until(l, 777777) <= 3);
	/* The same with a flood to many destinations: its tenant has one turn like everybody. */
	for (uint64_t i = 0; i < 50000; i++)
		add(l, 3, (uint32_t)i, i);
	add(l, 4, 1, 888888);
	assert_true(turns_until(l, 888888) <= 6);
	/* And within a tenant one destination's flood leaves the other its turn. */
	add(l, 1, 9, 999999);
	assert_true(turns_until(l, 999999) <= 12);
	lanes_free(l);
}

static void a_flood_of_many_senders_to_one_does_not_delay_another(void **state)
{
	struct lanes *l = lanes_new();
	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		add(l, 10 + i, 1, i);
	add(l, 2, 2, 777777);
	assert_true(turns_until(l, 777777) <= 3);
	/* Nor does it delay those of its senders who write to another as well. */
	add(l, 50000, 3, 888888);
	assert_true(turns_until(l, 888888) <= 3);
	lanes_free(l);
}

/* Where the flood has many senders and many destinations, a single message to or from none of them waits for one turn of each: of the fewer. */
static void a_flood_of_many_senders_to_many_delays_by_a_turn_of_each(void **state)
{
	enum { MANY = 300, FEW = 50, DEEP = 4 };
	(void)state;
	for (unsigned turned = 0; turned < 2; turned++) {
		struct lanes *l = lanes_new();
		for (uint32_t i = 0; i < MANY * FEW * DEEP; i++)
			add(l, turned ? 10 + i % FEW : 10 + i / DEEP / FEW, turned ? 10 + i / DEEP / FEW : 10 + i % FEW, i);
		assert_true(lanes_lanes(l) >= MANY);
		add(l, 5, 5, 777777);
		assert_true(turns_until(l, 777777) <= 2 * (FEW + 1));
		lanes_free(l);
	}
}

/* A flood of one, to very many or from very many, takes few lanes, and none that another would share, though their numbers have the same remainder. */
static void one_flood_takes_no_lane_of_others(void **state)
{
	enum { N = 250000 };
	(void)state;
	for (unsigned turned = 0; turned < 2; turned++) {
		struct lanes *l = lanes_new();
		for (uint32_t i = 0; i < N; i++)
			add(l, turned ? 1000 + i : 7, turned ? 7 : 1000 + i, i);
		assert_in_range(lanes_lanes(l), LANES_OF_ONE, LANES_OF_ONE + LANES_SHARED);
		add(l, 7 + LANES_SHARED, 1000 + LANES_SHARED, 777777);
		assert_true(turns_until(l, 777777) <= 3);
		add(l, 1000 + N, 1000 + N, 888888);
		assert_true(turns_until(l, 888888) <= 3);
		lanes_free(l);
	}
}

/* Beyond LANES_MAX, which takes many senders with many destinations each, lanes are shared: their number is bounded, and each message comes once. */
static void very_many_share_lanes(void **state)
{
	enum { SIDE = 500, N = SIDE * SIDE };
	struct lanes *l = lanes_new();
	bool *seen = calloc(N, sizeof *seen);
	struct ready r;
	(void)state;
	assert_non_null(seen);
	for (uint32_t i = 0; i < N; i++)
		add(l, 1000 + i / SIDE, 1000 + i % SIDE, i);
	assert_in_range(lanes_lanes(l), LANES_MAX, LANES_MAX + LANES_SHARED * LANES_SHARED + 2 * SIDE);
	assert_int_equal(lanes_count(l), N);
	while (take(l, &r)) {
		assert_false(seen[r.number]);
		seen[r.number] = true;
	}
	for (unsigned i = 0; i < N; i++)
		assert_true(seen[i]);
	assert_int_equal(lanes_lanes(l), 0);
	free(seen);
	lanes_free(l);
}

/* However many lanes there are: who has nothing ready comes after a turn of each other tenant, or of each other destination, and never after all of them. */
static void a_newcomer_has_a_lane_of_its_own(void **state)
{
	enum { SIDE = 600, N = SIDE * SIDE, TENANT = 1000, DEST = 5000, ALIKE = 100 * LANES_SHARED };
	static const struct {
		uint32_t tenant, dest;
	} newcomers[] = {
		{ 7, 9 },                                   /* neither has anything */
		{ TENANT + ALIKE, DEST + ALIKE }, /* the same, with the remainders of others */
		{ TENANT + 5, 11 },                         /* one of the flood's senders, to another destination */
		{ 13, DEST + 5 },                           /* another sender, to one of the flood's destinations */
	};
	(void)state;
	for (size_t k = 0; k < sizeof newcomers / sizeof *newcomers; k++) {
		struct lanes *l = lanes_new();
		for (uint32_t i = 0; i < N; i++)
			add(l, TENANT + i / SIDE, DEST + i % SIDE, i);
		assert_true(lanes_lanes(l) >= LANES_MAX);
		size_t lanes = lanes_lanes(l);
		add(l, newcomers[k].tenant, newcomers[k].dest, 777777);
		assert_int_equal(lanes_lanes(l), lanes + 1);
		assert_true(turns_until(l, 777777) <= 2 * (SIDE + LANES_SHARED + 1));
		lanes_free(l);
	}
}

/* ---- destinations to which no more may be begun ---- */

enum { DESTS = 5, TENANTS = 7 };

/* So many are out to each, of so many that may be. */
struct bounds {
	unsigned out[DESTS], most[DESTS];
};

static bool goes(void *arg, uint32_t dest)
{
	const struct bounds *b = arg;
	return b->out[dest] < b->most[dest];
}

static bool begin(struct lanes *l, struct bounds *b, struct ready *r, uint32_t *dest)
{
	if (!lanes_take(l, goes, b, r, dest))
		return false;
	assert_true(b->out[*dest] < b->most[*dest]);
	b->out[*dest]++;
	return true;
}

static void end(struct lanes *l, struct bounds *b, uint32_t dest)
{
	b->out[dest]--;
	lanes_go_on(l, goes, b);
}

/* One takes nothing any more: the others go on, of the same senders too, in the order in which they came; when it does again, nothing is lacking. */
static void one_that_is_stopped_stops_no_other(void **state)
{
	enum { N = 1000 };
	struct bounds b = { .most = { [1] = 2, [2] = 1 } };
	struct lanes *l = lanes_new();
	struct ready r;
	uint32_t dest;
	(void)state;
	for (uint32_t i = 0; i < N; i++)
		add(l, i % 100, 1, i);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(begin(l, &b, &r, &dest));
		assert_int_equal(dest, 1);
	}
	assert_false(begin(l, &b, &r, &dest));
	assert_false(begin(l, &b, &r, &dest));
	for (uint32_t i = 0; i < 100; i++) {
		add(l, i, 2, N + i);
		add(l, 1000 + i, 1, 2 * N + i);
		assert_true(begin(l, &b, &r, &dest));
		assert_int_equal(r.number, N + i);
		assert_false(begin(l, &b, &r, &dest));
		end(l, &b, 2);
	}
	assert_int_equal(lanes_count(l), N + 100 - 2);
	for (unsigned i = 0; i < N + 100 - 2; i++) {
		end(l, &b, 1);
		assert_true(begin(l, &b, &r, &dest));
		assert_false(begin(l, &b, &r, &dest));
	}
	assert_int_equal(lanes_count(l), 0);
	assert_int_equal(lanes_lanes(l), 0);
	lanes_free(l);
}

/* Adds, begins and ends in any order, while bounds change: what may go is found whenever there is any, and all comes, once. */
static void all_comes_whatever_is_stopped(void **state)
{
	enum { N = 50000 };
	struct bounds b = { { 0 }, { 1, 2, 3, 4, 0 } };
	struct lanes *l = lanes_new();
	bool *seen = calloc(N, sizeof *seen);
	uint32_t waiting[DESTS] = { 0 }, dest;
	uint64_t x = 7, put = 0, got = 0;
	struct ready r;
	(void)state;
	assert_non_null(seen);
	while (got < N) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		unsigned what = (unsigned)(x >> 61), d = (unsigned)(x >> 40) % DESTS;
		bool any = false;
		if (what < 3 && put < N) {
			waiting[d]++;
			add(l, (uint32_t)(x >> 50) % TENANTS, d, put++);
		} else if (what < 5 && b.out[d]) {
			end(l, &b, d);
		} else if (what == 5 && x >> 20 & 1) {
			b.most[d] = (unsigned)(x >> 30) % 4;
			lanes_go_on(l, goes, &b);
		} else {
			for (unsigned i = 0; i < DESTS; i++)
				any = any || (waiting[i] && goes(&b, i));
			assert_int_equal(begin(l, &b, &r, &dest), any);
			if (!any)
				continue;
			assert_false(seen[r.number]);
			seen[r.number] = true;
			waiting[dest]--;
			got++;
		}
		assert_int_equal(lanes_count(l), put - got);
	}
	assert_int_equal(lanes_lanes(l), 0);
	free(seen);
	lanes_free(l);
}

static void what_is_stopped_is_freed(void **state)
{
	struct bounds b = { { 0 }, { 0 } };
	struct lanes *l = lanes_new();
	struct ready r;
	uint32_t dest;
	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		add(l, i % 10, i % DESTS, i);
	assert_false(begin(l, &b, &r, &dest));
	lanes_free(l);
}

/* A lane is in both rounds: it comes and goes with what it holds, whichever way its turn came. */
static void each_is_taken_once(void **state)
{
	enum { N = 20000 };
	struct lanes *l = lanes_new();
	bool *seen = calloc(N, sizeof *seen);
	uint64_t x = 1, put = 0, got = 0;
	struct ready r;
	(void)state;
	assert_non_null(seen);
	while (got < N) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		if (put < N && x >> 62 != 0) {
			add(l, (uint32_t)(x >> 40) % 7, (uint32_t)(x >> 50) % 5, put++);
		} else if (take(l, &r)) {
			assert_false(seen[r.number]);
			seen[r.number] = true;
			got++;
		}
		assert_int_equal(lanes_count(l), put - got);
		assert_true(lanes_lanes(l) <= 35);
	}
	assert_int_equal(lanes_lanes(l), 0);
	free(seen);
	lanes_free(l);
}

static void the_floor_is_the_oldest_that_is_out(void **state)
{
	struct state *s = state_new();
	struct floor *f = floor_new(s);
	struct buf b;
	(void)state;
	buf_init(&b, SIZE_MAX);
	for (uint64_t i = 10; i < 15; i++) {
		help_message(&b, 1000, "a@example.test", 1, "");
		help_apply(s, i, SPOOL_MESSAGE, &b);
	}
	assert_int_equal(floor_get(f), UINT64_MAX);
	floor_out(f, state_message(s, state_find(s, 13)));
	floor_out(f, state_message(s, state_find(s, 11)));
	floor_out(f, state_message(s, state_find(s, 11)));
	assert_int_equal(floor_get(f), 11);
	floor_in(state_message(s, state_find(s, 11)));
	assert_int_equal(floor_get(f), 13);
	floor_out(f, state_message(s, state_find(s, 10))); /* an older one is tried again */
	assert_int_equal(floor_get(f), 10);
	state_remove(s, state_find(s, 10));
	assert_int_equal(floor_get(f), 13);
	buf_fini(&b);
	floor_free(f);
	state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_order_within_a_lane),
		cmocka_unit_test(a_flood_does_not_delay_another),
		cmocka_unit_test(a_flood_of_many_senders_to_one_does_not_delay_another),
		cmocka_unit_test(a_flood_of_many_senders_to_many_delays_by_a_turn_of_each),
		cmocka_unit_test(one_flood_takes_no_lane_of_others),
		cmocka_unit_test(very_many_share_lanes),
		cmocka_unit_test(a_newcomer_has_a_lane_of_its_own),
		cmocka_unit_test(one_that_is_stopped_stops_no_other),
		cmocka_unit_test(all_comes_whatever_is_stopped),
		cmocka_unit_test(what_is_stopped_is_freed),
		cmocka_unit_test(each_is_taken_once),
		cmocka_unit_test(the_floor_is_the_oldest_that_is_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
