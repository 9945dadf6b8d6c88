/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "mailbox/uidset.h"
#include "mailbox/varint.h"
#include "tests/unit/mailbox/help.h"

static void assert_text(const struct uidset *s, const char *expected)
{
	struct buf b;
	buf_init(&b, 4096);
	uidset_put_text(&b, s);
	assert_string_equal(buf_str(&b), expected);
	buf_fini(&b);
}

static void test_ranges_join(void **state)
{
	struct uidset s = { 0 };
	(void)state;
	uidset_add(&s, 5);
	uidset_add(&s, 6);
	uidset_add(&s, 9);
	assert_text(&s, "5:6,9");
	uidset_add_range(&s, 1, 3);
	assert_text(&s, "1:3,5:6,9");
	uidset_add(&s, 4);
	assert_text(&s, "1:6,9");
	uidset_add_range(&s, 2, 20);
	assert_text(&s, "1:20");
	uidset_add_range(&s, UINT32_MAX - 1, UINT32_MAX);
	assert_int_equal(uidset_count(&s), 22);
	uidset_fini(&s);
}

/* Against a plain array of booleans. */
static void test_random_sets(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 300; round++) {
		struct uidset s = { 0 }, back;
		bool in[65] = { false };
		struct buf b;
		for (int k = 0; k < 20; k++) {
			uint32_t first = 1 + (uint32_t)rand() % 60, last = first + (uint32_t)rand() % 4;
			uidset_add_range(&s, first, last);
			for (uint32_t u = first; u <= last; u++)
				in[u] = true;
		}
		for (uint32_t u = 1; u < 65; u++)
			assert_int_equal(uidset_has(&s, u), in[u]);
		for (size_t i = 1; i < s.n; i++)
			assert_true(s.ranges[i].first > s.ranges[i - 1].last + 1);
		buf_init(&b, 4096);
		uidset_put(&b, &s);
		assert_true(uidset_get(buf_view(&b), &back));
		assert_int_equal(back.n, s.n);
		assert_memory_equal(back.ranges, s.ranges, s.n * sizeof *s.ranges);
		buf_fini(&b);
		uidset_fini(&back);
		uidset_fini(&s);
	}
}

static void test_all_is_small(void **state)
{
	struct uidset s = { 0 };
	struct buf b;
	(void)state;
	buf_init(&b, 64);
	uidset_add_range(&s, 1, 100000);
	uidset_put(&b, &s);
	assert_true(buf_len(&b) <= 4);
	buf_fini(&b);
	uidset_fini(&s);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
		{ "\0\1", 2 },                         /* the UID 0 */
		{ "\1", 1 },                           /* half a pair */
		{ "\xff\xff\xff\xff\x1f\0", 6 },       /* over 32 bits */
		{ "\xff\xff\xff\xff\x0f\1", 6 },       /* the end is over 32 bits */
		{ "\1\1\x80", 3 },                     /* cut off */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\1", 11 },
	};
	struct uidset s;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(uidset_get(view_make(bad[i].p, bad[i].n), &s));
}

static void test_varints(void **state)
{
	static const int64_t values[] = { 0, 1, -1, 63, -64, 64, INT64_MAX, INT64_MIN, 1234567890123 };
	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct buf b;
		int64_t got;
		uint64_t u;
		buf_init(&b, 32);
		varint_put_signed(&b, values[i]);
		varint_put(&b, (uint64_t)values[i]);
		struct view v = buf_view(&b);
		assert_true(varint_get_signed(&v, &got));
		assert_true(got == values[i]);
		assert_true(varint_get(&v, &u));
		assert_true(u == (uint64_t)values[i]);
		assert_int_equal(v.n, 0);
		buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges_join),
		cmocka_unit_test(test_random_sets),
		cmocka_unit_test(test_all_is_small),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_varints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
