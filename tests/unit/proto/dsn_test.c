/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dsn.h"

static struct dsn basic(void)
{
	return (struct dsn){
		.host = VIEW("mail.example.test"),
		.sender = VIEW("a@example.test"),
		.queue_id = VIEW("0123456789ABC"),
		.token = VIEW("f00d"),
		.arrived = 1000000000,
		.now = 1000000060,
		.original = VIEW("Subject: x\r\n"),
	};
}

static void tells_a_failure(void **state)
{
	struct dsn d = basic();
	struct dsn_recipient r = { .action = DSN_FAILED, .address = VIEW("b@far.example"),
		.status = VIEW("5.1.1"), .remote = VIEW("mx.far.example"), .text = VIEW("550 5.1.1 no such user") };
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	d.envid = VIEW("my id");
	dsn_put(&b, &d, &r, 1);
	const char *s = buf_str(&b);
	assert_null(strstr(s, "Original-Recipient"));
	assert_non_null(strstr(s, "To: <a@example.test>\r\n"));
	assert_non_null(strstr(s, "Auto-Submitted: auto-replied\r\n"));
	assert_non_null(strstr(s, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"f00d\"\r\n"));
	assert_non_null(strstr(s, "Original-Envelope-Id: my id\r\nReporting-MTA: dns; mail.example.test\r\n"));
	assert_non_null(strstr(s, "\r\n\r\nFinal-Recipient: rfc822; b@far.example\r\n"
				  "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.far.example\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n"));
	assert_non_null(strstr(s, "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: x\r\n\r\n--f00d--\r\n"));
	buf_fini(&b);
}

static void nothing_from_outside_makes_a_line(void **state)
{
	struct dsn d = basic();
	struct dsn_recipient r = { .action = DSN_FAILED, .address = VIEW("b\r\nBcc: evil@far.example"), .orcpt = VIEW("rfc822;x\r\nX: y"),
		.status = VIEW("5.0.0\r\nX: y"), .remote = VIEW("mx\nX: y"), .text = VIEW("550 \x1b[2J\r\nX: y") };
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	d.envid = VIEW("id\r\nX: y");
	d.sender = VIEW("a\r\nX: y@example.test");
	dsn_put(&b, &d, &r, 1);
	const char *s = buf_str(&b);
	assert_null(strstr(s, "\nX: y"));
	assert_null(strstr(s, "\nBcc:"));
	assert_null(strchr(s, '\x1b'));
	buf_fini(&b);
}

static void lines_are_short_and_end_in_crlf(void **state)
{
	struct dsn d = basic();
	struct dsn_recipient r[50];
	char text[500];
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 9 == 8 ? ' ' : 'x';
	for (size_t i = 0; i < 50; i++)
		r[i] = (struct dsn_recipient){ .action = (enum dsn_action)(i % 4), .address = VIEW("b@far.example"), .text = view_make(text, sizeof text) };
	dsn_put(&b, &d, r, 50);
	struct view v = buf_view(&b), line;
	assert_true(buf_ok(&b));
	while (view_cut(&v, '\n', &line) && v.p) {
		assert_true(line.n > 0 && line.p[line.n - 1] == '\r');
		assert_true(line.n <= 100);
	}
	buf_fini(&b);
}

static void speaks_utf8_where_it_may(void **state)
{
	struct dsn d = basic();
	struct dsn_recipient r = { .action = DSN_DELAYED, .address = VIEW("\xc3\xa4@far.example"), .text = VIEW("wait") };
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	d.utf8 = true;
	d.until = 1000009999;
	dsn_put(&b, &d, &r, 1);
	const char *s = buf_str(&b);
	assert_non_null(strstr(s, "Content-Type: message/global-delivery-status\r\n"));
	assert_non_null(strstr(s, "Final-Recipient: utf-8; \xc3\xa4@far.example\r\nAction: delayed\r\nStatus: 4.0.0\r\n"));
	assert_non_null(strstr(s, "Will-Retry-Until: Sun, 9 Sep 2001 04:33:19 +0000\r\n"));
	buf_fini(&b);
}

static void heeds_notify(void **state)
{
	(void)state;
	assert_true(dsn_wanted(0, DSN_FAILED));
	assert_true(dsn_wanted(0, DSN_DELAYED));
	assert_false(dsn_wanted(0, DSN_DELIVERED));
	assert_false(dsn_wanted(DSN_NEVER, DSN_FAILED));
	assert_false(dsn_wanted(DSN_NEVER | DSN_FAILURE, DSN_FAILED));
	assert_false(dsn_wanted(DSN_SUCCESS, DSN_FAILED));
	assert_true(dsn_wanted(DSN_SUCCESS, DSN_RELAYED));
	assert_false(dsn_wanted(DSN_FAILURE, DSN_DELAYED));
	assert_true(dsn_wanted(DSN_DELAY, DSN_DELAYED));
}

/* RFC 3461 5.2.7.3 (c). */
static void an_alias_of_several_is_told_itself(void **state)
{
	static const struct {
		uint8_t notify, first, other;
	} cases[] = {
		{ 0, 0, 0 },
		{ DSN_NEVER, DSN_NEVER, DSN_NEVER },
		{ DSN_FAILURE | DSN_DELAY, DSN_FAILURE | DSN_DELAY, DSN_FAILURE | DSN_DELAY },
		{ DSN_SUCCESS, DSN_NEVER | DSN_EXPAND, DSN_NEVER },
		{ DSN_SUCCESS | DSN_FAILURE, DSN_FAILURE | DSN_EXPAND, DSN_FAILURE },
		{ DSN_SUCCESS | DSN_DELAY, DSN_DELAY | DSN_EXPAND, DSN_DELAY },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t first = dsn_of_alias(cases[i].notify, true), other = dsn_of_alias(cases[i].notify, false);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(other, cases[i].other);
		assert_int_equal(dsn_wanted(first, DSN_EXPANDED), (cases[i].notify & DSN_SUCCESS) != 0);
		assert_false(dsn_wanted(other, DSN_EXPANDED));
		assert_false(dsn_wanted(first, DSN_DELIVERED) || dsn_wanted(other, DSN_RELAYED));
		assert_int_equal(dsn_wanted(first, DSN_FAILED), dsn_wanted(cases[i].notify, DSN_FAILED));
		assert_int_equal(dsn_wanted(first, DSN_DELAYED), dsn_wanted(cases[i].notify, DSN_DELAYED));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_a_failure),
		cmocka_unit_test(nothing_from_outside_makes_a_line),
		cmocka_unit_test(lines_are_short_and_end_in_crlf),
		cmocka_unit_test(speaks_utf8_where_it_may),
		cmocka_unit_test(heeds_notify),
		cmocka_unit_test(an_alias_of_several_is_told_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
