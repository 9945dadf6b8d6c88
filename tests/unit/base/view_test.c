/* SPDX-License-Identifier: ISC */
#include "base/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void compares(void **state)
{
	(void)state;
	assert_true(view_eq(VIEW("abc"), VIEW("abc")));
	assert_false(view_eq(VIEW("abc"), VIEW("abC")));
	assert_true(view_ieq(VIEW("aBc"), VIEW("AbC")));
	assert_true(view_eq(VIEW_NONE, VIEW("")));
	assert_false(view_ieq(VIEW("a"), VIEW("ab")));
	/* Only ASCII letters fold: '[' and '{' differ by the same bit. */
	assert_false(view_ieq(VIEW("["), VIEW("{")));
	assert_false(view_ieq(VIEW("\xc4"), VIEW("\xe4")));
	assert_true(view_cmp(VIEW("a"), VIEW("b")) < 0);
	assert_true(view_cmp(VIEW("a"), VIEW("ab")) < 0);
	assert_true(view_cmp(VIEW("\xff"), VIEW("a")) > 0);
	assert_int_equal(view_cmp(VIEW_NONE, VIEW("")), 0);
	assert_true(view_icmp(VIEW("B"), VIEW("a")) > 0);
	assert_int_equal(view_icmp(VIEW("xY"), VIEW("Xy")), 0);
	assert_true(view_icmp(VIEW("\xff"), VIEW("A")) > 0);
	assert_true(view_eqs(VIEW("x"), "x"));
	assert_true(view_ieqs(VIEW("X"), "x"));
	assert_true(view_eqs(VIEW_NONE, NULL));
	assert_false(view_eq(view_make("a\0b", 3), view_make("a\0c", 3)));
}

static void begins_and_ends(void **state)
{
	(void)state;
	assert_true(view_starts(VIEW("abcd"), VIEW("ab")));
	assert_false(view_starts(VIEW("a"), VIEW("ab")));
	assert_true(view_starts(VIEW("a"), VIEW_NONE));
	assert_true(view_istarts(VIEW("RCPT TO:"), VIEW("rcpt to:")));
	assert_true(view_ends(VIEW("abcd"), VIEW("cd")));
	assert_false(view_ends(VIEW("d"), VIEW("cd")));
	assert_true(view_iends(VIEW("abCD"), VIEW("cd")));
	assert_false(view_iends(VIEW_NONE, VIEW("x")));
}

static void finds(void **state)
{
	(void)state;
	assert_int_equal(view_find(VIEW("a.b.c"), '.'), 1);
	assert_int_equal(view_rfind(VIEW("a.b.c"), '.'), 3);
	assert_true(view_find(VIEW("abc"), '.') == SIZE_MAX);
	assert_true(view_rfind(VIEW_NONE, '.') == SIZE_MAX);
	assert_int_equal(view_search(VIEW("aaab"), VIEW("ab")), 2);
	assert_true(view_search(VIEW("ab"), VIEW("abc")) == SIZE_MAX);
	assert_int_equal(view_search(VIEW("ab"), VIEW_NONE), 0);
	assert_int_equal(view_search(VIEW_NONE, VIEW_NONE), 0);
	assert_int_equal(view_isearch(VIEW("xxAbC"), VIEW("aBc")), 2);
	assert_true(view_isearch(VIEW("xxAbD"), VIEW("aBc")) == SIZE_MAX);
	assert_true(view_isearch(VIEW_NONE, VIEW("a")) == SIZE_MAX);
}

static void cuts(void **state)
{
	struct view rest = VIEW("a,,b,"), head;

	(void)state;
	assert_true(view_cut(&rest, ',', &head) && view_eqs(head, "a"));
	assert_true(view_cut(&rest, ',', &head) && head.n == 0);
	assert_true(view_cut(&rest, ',', &head) && view_eqs(head, "b"));
	/* After the last separator stands an empty one, then nothing. */
	assert_true(view_cut(&rest, ',', &head) && head.n == 0);
	assert_null(rest.p);
	assert_false(view_cut(&rest, ',', &head));
	rest = VIEW("  one \ttwo  ");
	assert_true(view_word(&rest, &head) && view_eqs(head, "one"));
	assert_true(view_word(&rest, &head) && view_eqs(head, "two"));
	assert_false(view_word(&rest, &head));
	rest = VIEW_NONE;
	assert_false(view_word(&rest, &head));
}

static void clamps(void **state)
{
	(void)state;
	assert_true(view_eqs(view_head(VIEW("abc"), 2), "ab"));
	assert_true(view_eqs(view_head(VIEW("abc"), SIZE_MAX), "abc"));
	assert_true(view_eqs(view_skip(VIEW("abc"), 2), "c"));
	assert_int_equal(view_skip(VIEW("abc"), SIZE_MAX).n, 0);
	assert_int_equal(view_skip(VIEW_NONE, 5).n, 0);
	assert_true(view_eqs(view_trim(VIEW(" \r\n a b\t ")), "a b"));
	assert_int_equal(view_trim(VIEW(" \t\r\n")).n, 0);
	assert_int_equal(view_trim(VIEW_NONE).n, 0);
}

/* The classes against a plain statement of each, for every octet. */
static void classes(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		char c = (char)i;
		bool in = i > 0 && i < 128;
		assert_int_equal(ascii_isdigit(c), in && strchr("0123456789", c) != NULL);
		assert_int_equal(ascii_isspace(c), in && strchr(" \t\r\n\v\f", c) != NULL);
		assert_int_equal(ascii_isprint(c), i >= 0x20 && i <= 0x7e);
		assert_int_equal(ascii_isalpha(c), ascii_lower(c) != ascii_upper(c));
		assert_int_equal(ascii_isalnum(c), ascii_isalpha(c) || ascii_isdigit(c));
		if (i >= 128)
			assert_true(ascii_lower(c) == c && ascii_upper(c) == c);
	}
	assert_int_equal(ascii_lower('Q'), 'q');
	assert_int_equal(ascii_upper('q'), 'Q');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(begins_and_ends),
		cmocka_unit_test(finds),
		cmocka_unit_test(cuts),
		cmocka_unit_test(clamps),
		cmocka_unit_test(classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
