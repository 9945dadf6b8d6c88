/* SPDX-License-Identifier: ISC */
/* The scanner of DATA and BDAT: hostile line ends, every cut of the input, and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proto/smtp_scan.h"

struct scan_case {
	const char *name;
	struct view in;
	struct view out;     /* content, when it is not refused */
	unsigned flags;
	size_t left;         /* octets behind the end */
	bool ends;
};

static const struct scan_case data_cases[] = {
	{ "plain", VIEW("a\r\nbc\r\n.\r\n"), VIEW("a\r\nbc\r\n"), 0, 0, true },
	{ "empty", VIEW(".\r\n"), VIEW(""), 0, 0, true },
	{ "stuffed", VIEW("..\r\n..a\r\n.b\r\n.\r\n"), VIEW(".\r\n.a\r\nb\r\n"), 0, 0, true },
	{ "behind the end", VIEW("a\r\n.\r\nQUIT\r\n"), VIEW("a\r\n"), 0, 6, true },
	{ "no end", VIEW("a\r\nb"), VIEW("a\r\nb"), 0, 0, false },
	{ "S01", VIEW("a\r\n\n.\nMAIL FROM:<e@x>\r\n.\r\n"), VIEW(""), SCAN_BARE_LF, 0, true },
	{ "S02", VIEW("a\r\nb\n.\r\nMAIL\r\n.\r\n"), VIEW(""), SCAN_BARE_LF, 0, true },
	{ "S04", VIEW("a\r\nb\r.\rMAIL\r\n.\r\n"), VIEW(""), SCAN_BARE_CR, 0, true },
	{ "S05", VIEW("a\r\n.\rMAIL\r\n.\r\n"), VIEW(""), SCAN_BARE_CR, 0, true },
	{ "CR LF dot CR CR LF", VIEW("a\r\n.\r\r\nM\r\n.\r\n"), VIEW(""), SCAN_BARE_CR, 0, true },
	{ "dot LF", VIEW("a\r\n.\nM\r\n.\r\n"), VIEW(""), SCAN_BARE_LF, 0, true },
	{ "S07", VIEW("a\r\n\0.\r\nM\r\n.\r\n"), VIEW(""), SCAN_NUL, 0, true },
	{ "S08", VIEW("bare\nlf\r\n.\r\n"), VIEW(""), SCAN_BARE_LF, 0, true },
	{ "S10", VIEW("nul \0 byte\r\n.\r\n"), VIEW(""), SCAN_NUL, 0, true },
	{ "CR CR LF", VIEW("a\r\r\n.\r\n"), VIEW(""), SCAN_BARE_CR, 0, true },
};

/* The same in pieces of `piece` octets; where = what was taken in all. */
static size_t run(struct smtp_scan *s, struct view in, size_t piece, struct buf *out)
{
	size_t at = 0;

	while (at < in.n && s->state != SCAN_END)
		at += smtp_scan(s, view_head(view_skip(in, at), piece), out);
	return at;
}

static void data_in_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof data_cases / sizeof *data_cases; i++) {
		const struct scan_case *c = &data_cases[i];
		for (size_t piece = 1; piece <= c->in.n; piece++) {
			struct smtp_scan s;
			struct buf out;
			buf_init(&out, 1000);
			smtp_scan_init(&s, true, false, false, 998, 1000);
			size_t at = run(&s, c->in, piece, &out);
			if (s.flags != c->flags || (s.state == SCAN_END) != c->ends || at != c->in.n - c->left)
				fail_msg("%s in pieces of %zu: flags %u, taken %zu", c->name, piece, s.flags, at);
			assert_int_equal(smtp_scan_refused(&s), c->flags != 0);
			if (!c->flags && !view_eq(buf_view(&out), c->out))
				fail_msg("%s in pieces of %zu gave other content", c->name, piece);
			buf_fini(&out);
		}
	}
}

static void normalized(void **state)
{
	static const struct scan_case cases[] = {
		{ "LF", VIEW("a\nb\r\n.\r\n"), VIEW("a\r\nb\r\n"), SCAN_BARE_LF, 0, true },
		{ "CR", VIEW("a\rb\r\n.\r\n"), VIEW("a\r\nb\r\n"), SCAN_BARE_CR, 0, true },
		{ "LF dot LF ends nothing", VIEW("a\n.\nMAIL\r\n.\r\n"), VIEW("a\r\n.\r\nMAIL\r\n"), SCAN_BARE_LF, 0, true },
		{ "LF dot CRLF ends nothing", VIEW("a\n.\r\nMAIL\r\n.\r\n"), VIEW("a\r\n.\r\nMAIL\r\n"), SCAN_BARE_LF, 0, true },
		{ "CRLF dot CR ends nothing", VIEW("a\r\n.\rMAIL\r\n.\r\n"), VIEW("a\r\n\r\nMAIL\r\n"), SCAN_BARE_CR, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t piece = 1; piece <= cases[i].in.n; piece++) {
			struct smtp_scan s;
			struct buf out;
			buf_init(&out, 1000);
			smtp_scan_init(&s, true, false, true, 998, 1000);
			assert_int_equal(run(&s, cases[i].in, piece, &out), cases[i].in.n);
			assert_int_equal(s.flags, cases[i].flags);
			assert_false(smtp_scan_refused(&s));
			if (!view_eq(buf_view(&out), cases[i].out))
				fail_msg("%s in pieces of %zu", cases[i].name, piece);
			buf_fini(&out);
		}
}

static void counted(void **state)
{
	struct smtp_scan s;
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	smtp_scan_init(&s, false, false, false, 998, 1000);
	assert_int_equal(run(&s, VIEW("ab\r\n.\r\n..\r"), 1, &out), 10);
	assert_int_equal(s.flags, 0);
	smtp_scan_last(&s, &out);
	assert_int_equal(s.flags, SCAN_BARE_CR);
	buf_reset(&out);
	smtp_scan_init(&s, false, true, false, 998, 1000);
	assert_int_equal(run(&s, VIEW("a\0\n\rb\r"), 3, &out), 6);
	smtp_scan_last(&s, &out);
	assert_false(smtp_scan_refused(&s));
	assert_true(view_eq(buf_view(&out), VIEW("a\0\n\rb\r")));
	buf_fini(&out);
}

static void bounds(void **state)
{
	struct smtp_scan s;
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	/* Lines of exactly the bound, CRLF counted, and one octet more. */
	for (size_t piece = 1; piece < 20; piece++) {
		smtp_scan_init(&s, true, false, false, 6, 1000);
		run(&s, VIEW("abcd\r\nabcd\r\n.\r\n"), piece, &out);
		assert_int_equal(s.flags, 0);
		smtp_scan_init(&s, true, false, false, 6, 1000);
		run(&s, VIEW("abcd\r\nabcde\r\n.\r\n"), piece, &out);
		assert_int_equal(s.flags, SCAN_LONG_LINE);
		smtp_scan_init(&s, true, false, false, 998, 12);
		run(&s, VIEW("abcd\r\nabcd\r\n.\r\n"), piece, &out);
		assert_int_equal(s.flags, 0);
		assert_int_equal(s.size, 12);
		smtp_scan_init(&s, true, false, false, 998, 11);
		run(&s, VIEW("abcd\r\nabcd\r\n.\r\n"), piece, &out);
		assert_int_equal(s.flags, SCAN_TOO_BIG);
		assert_int_equal(s.state, SCAN_END);
		buf_reset(&out);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_in_every_cut),
		cmocka_unit_test(normalized),
		cmocka_unit_test(counted),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
