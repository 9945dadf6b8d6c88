/* SPDX-License-Identifier: ISC */
#include "qmgr/lanes.h"
#include "qmgr/floor.h"
#include "tests/unit/qmgr/help.h"

static void keeps_the_order_within_a_lane(void **state)
{
	struct lanes *l = lanes_new();
	uint64_t n;
	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		lanes_add(l, 1, 1, i);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(lanes_take(l, &n));
		assert_int_equal(n, i);
	}
	assert_false(lanes_take(l, &n));
	assert_int_equal(lanes_lanes(l), 0);
	lanes_free(l);
}

/* How many are taken before the number comes. */
static unsigned turns_until(struct lanes *l, uint64_t number)
{
	uint64_t n;
	for (unsigned i = 0; lanes_take(l, &n); i++)
		if (n == number)
			return i;
	fail_msg("it never came");
	return 0;
}

static void a_flood_does_not_delay_another(void **state)
{
	struct lanes *l = lanes_new();
	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		lanes_add(l, 1, 1, i);
	lanes_add(l, 2, 1, 777777);
	assert_true(turns_until(l, 777777) <= 2);
	/* The same with a flood to many destinations: its tenant has one turn like everybody. */
	for (uint64_t i = 0; i < 50000; i++)
		lanes_add(l, 3, (uint32_t)i, i);
	lanes_add(l, 4, 1, 888888);
	assert_true(turns_until(l, 888888) <= 3);
	/* And within a tenant one destination's flood leaves the other its turn. */
	lanes_add(l, 1, 9, 999999);
	assert_true(turns_until(l, 999999) <= 6);
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
		cmocka_unit_test(the_floor_is_the_oldest_that_is_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
