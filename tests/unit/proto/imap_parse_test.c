/* SPDX-License-Identifier: ISC */
/* Commands, literals, sets, names, patterns (I01, I05, I07, I08, I10, I11 of the hostile cases). */
#include "tests/unit/proto/proto_test.h"

#include "proto/imap_name.h"
#include "proto/imap_parse.h"
#include "proto/imap_put.h"
#include "proto/imap_read.h"
#include "proto/imap_set.h"

/* Feeds all of text, a piece of `step` octets at a time, accepting literals: the last event that was not IMAP_MORE. */
static enum imap_event feed(struct imap_reader *r, const char *text, size_t step)
{
	struct view all = view_of(text), data;
	enum imap_event last = IMAP_MORE;
	while (all.n > 0) {
		struct view piece = view_head(all, step);
		all = view_skip(all, step);
		while (piece.n > 0 && last != IMAP_COMMAND && last != IMAP_TOO_LONG) {
			enum imap_event e = imap_feed(r, &piece, &data);
			last = e == IMAP_MORE ? last : e;
			if (e == IMAP_LITERAL)
				imap_accept(r);
		}
	}
	return last;
}

static void gathers_commands(void **state)
{
	(void)state;
	for (size_t step = 1; step < 40; step++) {
		struct imap_reader r;
		imap_reader_init(&r, 100, 1000);
		assert_int_equal(feed(&r, "a LOGIN {3}\r\nb\r\n {2+}\r\ncd\r\n", step), IMAP_COMMAND);
		assert_view(buf_view(&r.command), "a LOGIN {3}\r\nb\r\n {2+}\r\ncd");
		imap_next(&r);
		assert_int_equal(feed(&r, "b NOOP\n", step), IMAP_COMMAND);
		assert_view(buf_view(&r.command), "b NOOP");
		imap_reader_fini(&r);
	}
}

static void bounds_commands(void **state)
{
	(void)state;
	struct imap_reader r;
	struct view in = VIEW("a X {50000}\r\nb NOOP\r\n"), data;
	imap_reader_init(&r, 50, 100);
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_LITERAL);
	assert_false(imap_accept(&r));
	/* The client waits for our "+" and did not get it: a new command follows. */
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_COMMAND);
	assert_view(buf_view(&r.command), "b NOOP");
	imap_next(&r);
	in = VIEW("a X {10+}\r\n0123456789 tail\r\nb NOOP\r\n");
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_LITERAL);
	assert_false(imap_refuse(&r));
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_TOO_LONG);
	imap_next(&r);
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_COMMAND);
	assert_view(buf_view(&r.command), "b NOOP");
	imap_next(&r);
	/* A line past its bound, which ends in a literal that comes unasked. */
	in = VIEW("a 0123456789012345678901234567890123456789012345678901234567890123456789 {6+}\r\nb EVIL\r\nc NOOP\r\n");
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_TOO_LONG);
	imap_next(&r);
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_COMMAND);
	assert_view(buf_view(&r.command), "c NOOP");
	imap_reader_fini(&r);
}

static void refuses_bad_sizes(void **state)
{
	(void)state;
	static const char *const rows[] = { "a LOGIN {-1}\r\n", "a LOGIN {99999999999999999999}\r\n", "a LOGIN {}\r\n", "a LOGIN {1 }\r\n", "a LOGIN {0x1}\r\n" };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_reader r;
		struct view in = view_of(rows[i]), data;
		imap_reader_init(&r, 100, 100);
		assert_int_equal(imap_feed(&r, &in, &data), IMAP_COMMAND);
		imap_reader_fini(&r);
	}
}

static void streams_literals(void **state)
{
	(void)state;
	struct imap_reader r;
	struct view in = VIEW("a APPEND x {5}\r\nhello)\r\n"), data;
	imap_reader_init(&r, 100, 100);
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_LITERAL);
	assert_true(r.sync);
	imap_stream(&r);
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_DATA);
	assert_view(data, "hello");
	assert_int_equal(imap_feed(&r, &in, &data), IMAP_COMMAND);
	assert_view(buf_view(&r.command), "a APPEND x {5}\r\n)");
	imap_reader_fini(&r);
}

static void parses_strings(void **state)
{
	(void)state;
	static const struct {
		struct view in;
		const char *out; /* NULL: refused */
	} rows[] = {
		{ VIEW("atom"), "atom" },
		{ VIEW("\"a \\\"b\\\\\""), "a \"b\\" },
		{ VIEW("{3}\r\na\"b"), "a\"b" },
		{ VIEW("{3+}\r\nabc"), "abc" },
		{ VIEW("{4}\r\nabc"), NULL },
		{ VIEW("\"unbalanced"), NULL },
		{ VIEW("\"bad \\x escape\""), NULL },
		{ VIEW("\"nul \0 in\""), NULL },
		{ VIEW("{3}\r\na\0b"), NULL },
		{ VIEW("\"line\r\nend\""), NULL },
		{ VIEW(""), NULL },
		{ VIEW("a{b"), "a" },
	};
	struct arena *a = arena_new();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_text t = { .in = rows[i].in, .arena = a };
		struct view v;
		assert_int_equal(imap_astring(&t, &v), rows[i].out != NULL);
		if (rows[i].out)
			assert_view(v, rows[i].out);
	}
	arena_free(a);
}

static void parses_sets(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "0", "1:0", "4294967296", "1,", ",1", "1:", "a", "1:2:3", "-1", "**" };
	struct arena *a = arena_new();
	struct imap_set s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (imap_set_parse(a, view_of(bad[i]), &s))
			fail_msg("taken: %s", bad[i]);
	assert_true(imap_set_parse(a, VIEW("5:3,4:8,10,*:12,1:4294967295"), &s));
	s.n--;
	imap_set_resolve(&s, 20);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.range[0].lo, 3);
	assert_int_equal(s.range[0].hi, 8);
	assert_true(imap_set_has(&s, 10));
	assert_false(imap_set_has(&s, 11));
	assert_true(imap_set_has(&s, 20));
	assert_int_equal(imap_set_count(&s), 6 + 1 + 9);
	assert_true(imap_set_parse(a, VIEW("1:4294967295,4294967295,*"), &s));
	imap_set_resolve(&s, 7);
	assert_int_equal(s.n, 1);
	arena_free(a);
}

static void codes_names(void **state)
{
	(void)state;
	static const struct {
		const char *wire, *name; /* NULL: refused */
	} rows[] = {
		{ "inbox", "INBOX" },
		{ "Inbox/sub/", "INBOX/sub" },
		{ "inboxes", "inboxes" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "a&-b", "a&b" },
		{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
		{ "&AGE-", NULL },     /* ASCII, which must stand for itself */
		{ "&2D0-", NULL },     /* half a surrogate pair */
		{ "a&U,BTFw", NULL },  /* not ended */
		{ "&AAA-", NULL },     /* NUL */
		{ "&!!!!-", NULL },
		{ "\xc3\xbc", NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b, back;
		buf_init(&b, 1000);
		buf_init(&back, 1000);
		assert_int_equal(imap_name_read(&b, view_of(rows[i].wire)), rows[i].name != NULL);
		if (rows[i].name)
			assert_view(buf_view(&b), rows[i].name);
		if (rows[i].name && strchr(rows[i].wire, '&')) {
			imap_name_encode(&back, buf_view(&b));
			assert_view(buf_view(&back), rows[i].wire);
		}
		buf_fini(&b);
		buf_fini(&back);
	}
}

static void checks_names(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "../../etc", "/etc/passwd", "~root", ".", "..", "a/../b", "a//b", "a/", "INBOX/../x", ".hidden", "a/.b",
		"a\nb", "a\x01", "a\x7f", "\xff", "a*", "a%" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (imap_name_ok(view_of(bad[i])))
			fail_msg("taken: %s", bad[i]);
	assert_true(imap_name_ok(VIEW("a/b c/d&e")));
	struct buf b;
	buf_init(&b, 100000);
	for (int i = 0; i < 10000; i++)
		buf_adds(&b, "a/");
	buf_adds(&b, "a");
	assert_false(imap_name_ok(buf_view(&b)));
	assert_false(imap_name_ok(view_head(buf_view(&b), 999)));
	buf_fini(&b);
}

static bool matches(const char *pattern, const char *name)
{
	struct imap_pattern p;
	return imap_pattern_make(&p, VIEW_NONE, view_of(pattern)) && imap_pattern_match(&p, view_of(name));
}

static void matches_patterns(void **state)
{
	(void)state;
	assert_true(matches("*", "a/b/c"));
	assert_true(matches("%", "a"));
	assert_false(matches("%", "a/b"));
	assert_true(matches("%/%", "a/b"));
	assert_true(matches("a%c", "abc"));
	assert_true(matches("a*c", "a/b/c"));
	assert_false(matches("a*d", "a/b/c"));
	assert_true(matches("inbox", "INBOX"));
	assert_true(matches("InBox/%", "INBOX/a"));
	assert_false(matches("Inboxes", "INBOXES"));
	assert_true(matches("%*%*x", "ab/cx"));
	assert_false(matches("", "a"));
}

/* I10: no pattern makes it slow. */
static void patterns_are_linear(void **state)
{
	(void)state;
	struct buf b, name;
	struct imap_pattern p;
	buf_init(&b, 1000);
	buf_init(&name, 1000);
	for (int i = 0; i < 250; i++)
		buf_adds(&b, "*a%a");
	for (int i = 0; i < 100; i++)
		buf_adds(&name, "aaaaa");
	assert_true(imap_pattern_make(&p, VIEW_NONE, buf_view(&b)));
	clock_t begin = clock();
	for (int i = 0; i < 200; i++)
		imap_pattern_match(&p, buf_view(&name));
	assert_true(clock() - begin < 4 * CLOCKS_PER_SEC);
	buf_adds(&b, "*");
	assert_false(imap_pattern_make(&p, VIEW("x"), buf_view(&b)));
	buf_fini(&b);
	buf_fini(&name);
}

static void puts_strings(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	imap_put_string(&b, VIEW("a\"\\"));
	imap_put_string(&b, VIEW("a\r\nb"));
	imap_put_string(&b, VIEW("a\0b"));
	imap_put_nstring(&b, VIEW_NONE);
	imap_put_mailbox(&b, VIEW("\xc3\xbc/\"x"));
	assert_view(buf_view(&b), "\"a\\\"\\\\\"{4}\r\na\r\nb{2}\r\nabNIL\"&APw-/\\\"x\"");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gathers_commands),
		cmocka_unit_test(bounds_commands),
		cmocka_unit_test(refuses_bad_sizes),
		cmocka_unit_test(streams_literals),
		cmocka_unit_test(parses_strings),
		cmocka_unit_test(parses_sets),
		cmocka_unit_test(codes_names),
		cmocka_unit_test(checks_names),
		cmocka_unit_test(matches_patterns),
		cmocka_unit_test(patterns_are_linear),
		cmocka_unit_test(puts_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
