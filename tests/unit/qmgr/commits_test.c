/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "qmgr/commits.h"

/* The id of the n-th commit: far apart or close together, as the low bits decide. */
static struct view id_of(uint64_t n, char id[COMMIT_ID])
{
	memset(id, 'x', COMMIT_ID);
	le64_put(id, n);
	return view_make(id, COMMIT_ID);
}

static void is_known(const struct commits *c, uint64_t n, bool known)
{
	char id[COMMIT_ID];
	assert_int_equal(commits_find(c, id_of(n, id)), known ? n + 1000 : 0);
}

static void finds_what_was_added(void **state)
{
	struct commits *c = commits_new();
	char id[COMMIT_ID];
	(void)state;
	is_known(c, 1, false);
	for (uint64_t n = 1; n <= 5000; n++)
		commits_add(c, id_of(n, id), n + 1000, n);
	for (uint64_t n = 1; n <= 5000; n++)
		is_known(c, n, true);
	is_known(c, 5001, false);
	assert_int_equal(commits_find(c, VIEW("short")), 0);
	commits_add(c, id_of(7, id), 1, 9999); /* the first stays */
	is_known(c, 7, true);
	assert_int_equal(commits_count(c), 5000);
	commits_free(c);
}

/* Additions and removals in turns, round and round the ring. */
static void forgets_in_order(void **state)
{
	struct commits *c = commits_new();
	char id[COMMIT_ID];
	uint64_t oldest = 1, newest = 0;
	(void)state;
	for (unsigned turn = 0; turn < 400; turn++) {
		for (unsigned k = 0; k < 37 + turn % 50; k++) {
			newest++;
			commits_add(c, id_of(newest, id), newest + 1000, newest);
		}
		uint64_t kept = newest / 5 % 300;
		oldest = newest - kept > oldest ? newest - kept : oldest;
		commits_forget(c, oldest);
		assert_int_equal(commits_at(c, 0)->at, oldest);
		assert_int_equal(commits_count(c), newest - oldest + 1);
		for (uint64_t n = oldest; n <= newest; n++)
			is_known(c, n, true);
		for (uint64_t n = oldest > 100 ? oldest - 100 : 1; n < oldest; n++)
			is_known(c, n, false);
	}
	commits_free(c);
}

static void is_bounded(void **state)
{
	struct commits *c = commits_new();
	char id[COMMIT_ID];
	(void)state;
	for (uint64_t n = 1; n <= COMMITS_MAX + 500; n++)
		commits_add(c, id_of(n, id), n + 1000, n);
	assert_int_equal(commits_count(c), COMMITS_MAX);
	is_known(c, 500, false);
	is_known(c, 501, true);
	is_known(c, COMMITS_MAX + 500, true);
	commits_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added),
		cmocka_unit_test(forgets_in_order),
		cmocka_unit_test(is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
