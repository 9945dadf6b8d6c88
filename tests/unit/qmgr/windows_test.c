/* SPDX-License-Identifier: ISC */
#include "qmgr/windows.h"

#include "conf/conf.h"
#include "qmgr/routes.h"
#include "tests/unit/qmgr/help.h"

enum { MOST = 20 };

/* Begins as many as may go to it, and says how many these are. */
static unsigned fill(struct windows *w, uint32_t dest)
{
	unsigned n = 0;
	for (; windows_go(w, MOST, dest); n++)
		windows_out(w, dest);
	return n;
}

static void end(struct windows *w, uint32_t dest, unsigned n, enum ipc_heard heard)
{
	while (n-- > 0)
		windows_in(w, MOST, dest, heard);
}

/* All of a next hop, to which one destination has shown that it is good. */
static struct windows *grown(uint32_t dest)
{
	struct windows *w = windows_new();
	for (unsigned i = 0; i < 100; i++) {
		assert_true(windows_go(w, MOST, dest));
		windows_out(w, dest);
		windows_out(w, dest);
		end(w, dest, 2, IPC_HEARD_ALL);
	}
	return w;
}

static void a_destination_begins_small_and_grows(void **state)
{
	struct windows *w = windows_new();
	(void)state;
	assert_int_equal(fill(w, 1), WINDOW_DEST);
	for (unsigned i = 0; i < 50; i++) {
		end(w, 1, 1, IPC_HEARD_ALL);
		(void)fill(w, 1);
	}
	assert_int_equal(windows_count(w), MOST / 2);
	end(w, 1, MOST / 2, IPC_HEARD_ALL);
	assert_int_equal(windows_count(w), 0);
	windows_free(w);
}

/* One that hangs leaves half, the next half of that: and there is room as long as not very many hang, of which each got its own one after the other. */
static void what_hangs_leaves_room(void **state)
{
	struct windows *w = grown(1);
	(void)state;
	assert_int_equal(fill(w, 1), WINDOW_DEST);
	assert_int_equal(fill(w, 2), WINDOW_DEST);
	assert_int_equal(fill(w, 3), WINDOW_DEST);
	assert_int_equal(fill(w, 4), 3);
	assert_true(windows_any(w, MOST));
	assert_true(windows_go(w, MOST, 5));
	assert_false(windows_go(w, 18, 5)); /* the next hop may have fewer meanwhile */
	windows_free(w);
}

static void one_that_was_good_and_hangs_leaves_half(void **state)
{
	struct windows *w = windows_new();
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		(void)fill(w, 1);
		end(w, 1, 1, IPC_HEARD_ALL);
	}
	(void)fill(w, 1);
	assert_int_equal(windows_count(w), MOST / 2);
	assert_int_equal(fill(w, 2), WINDOW_DEST);
	assert_true(windows_go(w, MOST, 3));
	windows_free(w);
}

/* It is tried one at a time when it stopped answering, also when nothing was out to it meanwhile; and grows again when it answers. */
static void one_that_stalled_is_tried_carefully(void **state)
{
	struct windows *w = grown(2);
	(void)state;
	assert_int_equal(fill(w, 1), WINDOW_DEST);
	end(w, 1, WINDOW_DEST, IPC_HEARD_STALL);
	assert_int_equal(fill(w, 1), 1);
	assert_int_equal(fill(w, 2), WINDOW_DEST); /* the others have not lost by it */
	end(w, 1, 1, IPC_HEARD_NOTHING);
	assert_int_equal(fill(w, 1), 1);
	for (unsigned i = 0; i < 8; i++) {
		end(w, 1, 1, IPC_HEARD_ALL);
		(void)fill(w, 1);
	}
	assert_true(windows_count(w) > WINDOW_DEST + 5);
	windows_free(w);
}

static void a_next_hop_that_is_not_there_is_tried_carefully(void **state)
{
	struct windows *w = grown(1);
	unsigned n = fill(w, 1);
	(void)state;
	end(w, 1, n, IPC_HEARD_NOBODY);
	for (uint32_t i = 2; i < 100; i++)
		(void)fill(w, i);
	assert_in_range(windows_count(w), 1, 5);
	windows_free(w);
}

/* Very many destinations that stalled are not all remembered. */
static void memory_is_bounded(void **state)
{
	struct windows *w = windows_new();
	(void)state;
	for (uint32_t i = 0; i < 3 * WINDOWS_KEPT; i++) {
		windows_out(w, i);
		windows_in(w, MOST, i, IPC_HEARD_STALL);
		assert_in_range(windows_known(w), 0, WINDOWS_KEPT);
	}
	windows_free(w);
}

static void domains_have_routes(void **state)
{
	struct conf *c = conf_new();
	struct buf why;
	(void)state;
	buf_init(&why, 10000);
	assert_int_equal(conf_set(c, PARAM_RELAY_HOST, VIEW("192.0.2.1:25"), &why), ERR_OK);
	struct routes *r = routes_new(c);
	assert_int_equal(routes_hops(r), 1);
	assert_int_equal(routes_hop(r, VIEW("a@one.test")), 0);
	routes_free(r);
	assert_int_equal(conf_set(c, PARAM_RELAY_ROUTES, VIEW("One.test=192.0.2.2:25, two.test=[2001:db8::1]:587 three.test=192.0.2.2:25 four.test"), &why),
		ERR_OK);
	r = routes_new(c);
	assert_int_equal(routes_hops(r), 3);
	unsigned one = routes_hop(r, VIEW("a@one.TEST")), two = routes_hop(r, VIEW("b@c@two.test"));
	assert_true(view_eqs(routes_host(r, c, one), "192.0.2.2:25"));
	assert_true(view_eqs(routes_host(r, c, two), "[2001:db8::1]:587"));
	assert_int_equal(routes_hop(r, VIEW("a@three.test")), one);
	assert_int_equal(routes_hop(r, VIEW("a@sub.one.test")), 0);
	assert_int_equal(routes_hop(r, VIEW("a@four.test")), 0);
	assert_int_equal(routes_hop(r, VIEW("a@")), 0);
	assert_true(routes_may_have(r, state_remote(VIEW("x@ONE.test"))));
	assert_false(routes_may_have(r, state_remote(VIEW("x@four.test"))));
	assert_int_equal(conf_set(c, PARAM_RELAY_HOST, VIEW("192.0.2.9:26"), &why), ERR_OK);
	assert_true(view_eqs(routes_host(r, c, 0), "192.0.2.9:26"));
	routes_free(r);
	buf_fini(&why);
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_destination_begins_small_and_grows),
		cmocka_unit_test(what_hangs_leaves_room),
		cmocka_unit_test(one_that_was_good_and_hangs_leaves_half),
		cmocka_unit_test(one_that_stalled_is_tried_carefully),
		cmocka_unit_test(a_next_hop_that_is_not_there_is_tried_carefully),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(domains_have_routes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
