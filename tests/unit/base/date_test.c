/* SPDX-License-Identifier: ISC */
#include "base/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../base/random.h"

static const int64_t LAST = INT64_C(253402300799);

/* The C library's own calendar is the measure. */
static void calendar(void **state)
{
	struct rnd r = rnd_new(6);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t t = (int64_t)rnd_below(&r, (size_t)(i % 2 ? LAST : INT32_MAX));
		struct date d;
		struct tm tm;
		time_t tt = t;
		date_of(t, &d);
		assert_non_null(gmtime_r(&tt, &tm));
		assert_int_equal(d.year, tm.tm_year + 1900);
		assert_int_equal(d.month, tm.tm_mon + 1);
		assert_int_equal(d.day, tm.tm_mday);
		assert_int_equal(d.hour, tm.tm_hour);
		assert_int_equal(d.minute, tm.tm_min);
		assert_int_equal(d.second, tm.tm_sec);
		assert_int_equal(date_seconds(&d), t);
	}
}

static void clamps(void **state)
{
	struct date d;

	(void)state;
	date_of(INT64_MIN, &d);
	assert_int_equal(date_seconds(&d), 0);
	date_of(INT64_MAX, &d);
	assert_int_equal(date_seconds(&d), LAST);
}

static const char *put(struct buf *b, void (*fn)(struct buf *, int64_t), int64_t t)
{
	buf_reset(b);
	fn(b, t);
	return buf_str(b);
}

static void writes(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_string_equal(put(&b, date_put_rfc5322, 1795313564), "Sun, 22 Nov 2026 02:12:44 +0000");
	assert_string_equal(put(&b, date_put_rfc5322, 0), "Thu, 1 Jan 1970 00:00:00 +0000");
	assert_string_equal(put(&b, date_put_imap, 1795313564), "22-Nov-2026 02:12:44 +0000");
	assert_string_equal(put(&b, date_put_imap, 0), " 1-Jan-1970 00:00:00 +0000");
	buf_reset(&b);
	date_put_iso(&b, 1795313564, 123999999);
	assert_string_equal(buf_str(&b), "2026-11-22T02:12:44.123Z");
	buf_fini(&b);
}

struct row {
	const char *text;
	int64_t t; /* -1: cannot be read */
};

static void check(const struct row *rows, size_t n, bool (*get)(struct view, struct date *))
{
	for (size_t i = 0; i < n; i++) {
		struct date d = { .year = 42 };
		bool ok = get(view_of(rows[i].text), &d);
		if (ok != (rows[i].t >= 0) || (ok && date_seconds(&d) != rows[i].t))
			fail_msg("\"%s\": %s", rows[i].text, ok ? "read, but otherwise" : "not read as wished");
		if (!ok)
			assert_int_equal(d.year, 42);
	}
}
#define CHECK(rows, get) check(rows, sizeof rows / sizeof rows[0], get)

static void reads_rfc5322(void **state)
{
	static const struct row rows[] = {
		{ "Sun, 22 Nov 2026 02:12:44 +0000", 1795313564 },
		{ "22 Nov 2026 02:12:44 +0000", 1795313564 },
		{ "Sun, 22 Nov 2026 03:42:44 +0130", 1795313564 },
		{ "Sat, 21 Nov 2026 21:12:44 -0500", 1795313564 },
		{ "Sat, 21 Nov 2026 21:12:44 EST", 1795313564 },
		{ "sun, 22 nov 26 02:12:44 GMT", 1795313564 },
		{ "Sun, 22 Nov 126 02:12:44 Z", 1795313564 },
		{ "Sun(a(b\\)c)d) , 22(x)Nov\r\n 2026 02 : 12(y):44 (z)+0000 (UTC)", 1795313564 },
		{ "Sun, 22 Nov 2026 02:12:44", 1795313564 },
		{ "Sun, 22 Nov 2026 02:12 +0000", 1795313520 },
		{ "1 Jan 70 0:0:0 UT", 0 },
		{ "31 Dec 1998 23:59:60 +0000", 915148800 },
		{ "29 Feb 2024 00:00:00 +0000", 1709164800 },
		{ "29 Feb 2023 00:00:00 +0000", -1 },
		{ "31 Apr 2026 00:00:00 +0000", -1 },
		{ "0 Nov 2026 02:12:44 +0000", -1 },
		{ "22 Nov 2026 24:00:00 +0000", -1 },
		{ "22 Nov 2026 00:60:00 +0000", -1 },
		{ "22 Nov 2026 00:00:61 +0000", -1 },
		{ "22 Nov 2026 02:12:44 +00", -1 },
		{ "22 Nov 2026 02:12:44 +0060", -1 },
		{ "22 Nov 20266 02:12:44 +0000", -1 },
		{ "1 Jan 1969 00:00:00 +0000", -1 },
		{ "22 Nox 2026 02:12:44 +0000", -1 },
		{ "22 November 2026 02:12:44 +0000", -1 },
		{ "(open comment 22 Nov 2026 02:12:44 +0000", -1 },
		{ "22 Nov 2026", -1 },
		{ "", -1 },
	};

	(void)state;
	CHECK(rows, date_get_rfc5322);
}

static void reads_imap(void **state)
{
	static const struct row times[] = {
		{ "22-Nov-2026 02:12:44 +0000", 1795313564 },
		{ " 1-Jan-1970 00:00:00 +0000", 0 },
		{ "01-jan-1970 01:00:00 +0100", 0 },
		{ "1-Jan-1970 00:00:00 +0000", -1 },
		{ " 01-Jan-1970 00:00:00 +0000", -1 },
		{ "22-Nov-2026 02:12:44 +0000 ", -1 },
		{ "22-Nov-2026 2:12:44 +0000", -1 },
		{ "22-Nov-2026 02:12:44", -1 },
		{ "22-Nov-2026 02:12:44 GMT", -1 },
		{ "22-Nov-26 02:12:44 +0000", -1 },
		{ "30-Feb-2026 02:12:44 +0000", -1 },
	};
	static const struct row days[] = { { "22-Nov-2026", 1795305600 }, { "1-Jan-1970", 0 }, { "01-Jan-1970", 0 }, { " 1-Jan-1970", -1 },
		{ "22-Nov-2026 ", -1 }, { "22/Nov/2026", -1 }, { "32-Nov-2026", -1 }, { "", -1 } };

	(void)state;
	CHECK(times, date_get_imap);
	CHECK(days, date_get_imap_day);
}

/* What is written can be read; what is changed at random does no harm, and gives fields within their ranges. */
static void there_and_back(void **state)
{
	struct rnd r = rnd_new(7);
	struct buf b;
	struct date d;

	(void)state;
	buf_init(&b, 100);
	for (int i = 0; i < 20000; i++) {
		int64_t t = (int64_t)rnd_below(&r, (size_t)LAST);
		put(&b, date_put_rfc5322, t);
		assert_true(date_get_rfc5322(buf_view(&b), &d) && date_seconds(&d) == t);
		b.mem[b.off + rnd_below(&r, b.n)] = (char)rnd_next(&r);
		buf_cut(&b, rnd_below(&r, 60));
		if (date_get_rfc5322(buf_view(&b), &d))
			assert_true(d.year >= 1970 && d.year <= 9999 && d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= 31);
		put(&b, date_put_imap, t);
		assert_true(date_get_imap(buf_view(&b), &d) && date_seconds(&d) == t);
		b.mem[b.off + rnd_below(&r, b.n)] = (char)rnd_next(&r);
		buf_cut(&b, rnd_below(&r, 60));
		(void)date_get_imap(buf_view(&b), &d);
		(void)date_get_imap_day(buf_view(&b), &d);
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calendar),
		cmocka_unit_test(clamps),
		cmocka_unit_test(writes),
		cmocka_unit_test(reads_rfc5322),
		cmocka_unit_test(reads_imap),
		cmocka_unit_test(there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
