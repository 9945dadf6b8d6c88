/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proto/smtp_command.h"
#include "proto/xtext.h"

struct code_case {
	const char *arg;
	unsigned code; /* 0: taken */
};

static void mail(void **state)
{
	static const struct code_case cases[] = {
		{ "FROM:<a@x.test>", 0 },
		{ "from: <a@x.test>  SIZE=10", 0 },
		{ "FROM:<>", 0 },
		{ "FROM:<a@x.test> SIZE=99999999999999999999", 0 },
		{ "FROM:<a@x.test> SIZE=-1", 501 },
		{ "FROM:<a@x.test> SIZE=", 501 },
		{ "FROM:<a@x.test> SIZE", 501 },
		{ "FROM:<a@x.test> SIZE=1 SIZE=1", 501 },
		{ "FROM:<a@x.test> BODY=FOO", 501 },
		{ "FROM:<a@x.test> NOSUCH=1", 555 },
		{ "FROM:<a@x.test> BODY=8BITMIME RET=HDRS ENVID=QQ+2B", 0 },
		{ "FROM:<a@x.test> RET=X", 501 },
		{ "FROM:<a@x.test> ENVID=+0D+0ABcc:x", 501 },
		{ "FROM:<a@x.test> ENVID=+ZZ", 501 },
		{ "FROM:<a@x.test> AUTH=<>", 0 },
		{ "FROM:<a@x.test> AUTH=e+40x.test", 0 },
		{ "FROM:<a@x.test> SMTPUTF8", 0 },
		{ "FROM:<a@x.test> SMTPUTF8=1", 501 },
		{ "FROM:<\303\274@x.test> SMTPUTF8", 0 },
		{ "FROM:<\303\274@x.test>", 553 },
		{ "FROM:<a@x.test>junk", 501 },
		{ "FROM:a@x.test", 501 },
		{ "FROM:<;sleep 66;>", 501 },
		{ "TO:<a@x.test>", 501 },
		{ "", 501 },
	};
	struct smtp_mail m;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct smtp_reply *r = smtp_mail_read(view_of(cases[i].arg), 0, &m);
		if ((r ? r->code : 0) != cases[i].code)
			fail_msg("%s gave %u", cases[i].arg, r ? r->code : 0);
	}
	assert_null(smtp_mail_read(VIEW("FROM:<a@x.test> SIZE=99999999999999999999 ENVID=a+20b RET=FULL"), 0, &m));
	assert_true(m.size == UINT64_MAX);
	assert_int_equal(m.ret, SMTP_RET_FULL);
	assert_true(view_eqs(view_make(m.envid, m.envid_n), "a b"));
}

static void envid_bound(void **state)
{
	char text[200] = "FROM:<a@x.test> ENVID=";
	size_t n = strlen(text);
	struct smtp_mail m;

	(void)state;
	memset(text + n, 'e', 101);
	assert_null(smtp_mail_read(view_make(text, n + 100), 0, &m));
	assert_int_equal(smtp_mail_read(view_make(text, n + 101), 0, &m)->code, 501);
}

static void rcpt(void **state)
{
	static const struct code_case cases[] = {
		{ "TO:<a@x.test>", 0 },
		{ "TO:<postmaster>", 0 },
		{ "TO:<>", 501 },
		{ "TO:<root>", 501 },
		{ "TO:<a@x.test> NOTIFY=NEVER", 0 },
		{ "TO:<a@x.test> NOTIFY=SUCCESS,DELAY", 0 },
		{ "TO:<a@x.test> NOTIFY=SUCCESS,NEVER", 501 },
		{ "TO:<a@x.test> NOTIFY=", 501 },
		{ "TO:<a@x.test> NOTIFY=SUCCESS,SUCCESS", 501 },
		{ "TO:<a@x.test> ORCPT=rfc822;b+40y.test", 0 },
		{ "TO:<a@x.test> ORCPT=rfc822;+ZZ", 501 },
		{ "TO:<a@x.test> ORCPT=rfc822;a+0D+0Ab", 501 },
		{ "TO:<a@x.test> ORCPT=noaddress", 501 },
		{ "TO:<a@x.test> SIZE=1", 555 },
		{ "TO:<\303\274@x.test>", 553 },
	};
	struct smtp_rcpt r;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct smtp_reply *bad = smtp_rcpt_read(view_of(cases[i].arg), 0, &r);
		if ((bad ? bad->code : 0) != cases[i].code)
			fail_msg("%s gave %u", cases[i].arg, bad ? bad->code : 0);
	}
	assert_null(smtp_rcpt_read(VIEW("TO:<a@x.test> ORCPT=rfc822;b+40y.test NOTIFY=DELAY,FAILURE"), 0, &r));
	assert_true(view_eqs(view_make(r.orcpt, r.orcpt_n), "rfc822;b@y.test"));
	assert_int_equal(r.notify, SMTP_NOTIFY_DELAY | SMTP_NOTIFY_FAILURE);
}

static void chunks(void **state)
{
	static const struct code_case cases[] = {
		{ "5", 0 }, { "0 LAST", 0 }, { "5 last", 0 }, { "", 501 }, { "-1", 501 }, { "5 FIRST", 501 },
		{ "5 LAST LAST", 501 }, { "99999999999999999999 LAST", 501 }, { "9223372036854775808", 501 }, { "0x10", 501 },
	};
	struct smtp_chunk c;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct smtp_reply *bad = smtp_chunk_read(view_of(cases[i].arg), &c);
		if ((bad ? bad->code : 0) != cases[i].code)
			fail_msg("%s", cases[i].arg);
	}
}

static void lines(void **state)
{
	(void)state;
	struct smtp_line l = smtp_line_split(VIEW("MAIL FROM:<a@x>  "));
	assert_true(view_eqs(l.verb, "MAIL"));
	assert_true(view_eqs(l.arg, "FROM:<a@x>"));
	assert_true(smtp_line_has_control(VIEW("MAIL FROM:<a@x>\0")));
	assert_true(smtp_line_has_control(VIEW("RCPT TO:<a\r@x>")));
	assert_false(smtp_line_has_control(VIEW("NOOP \303\274")));
	assert_true(smtp_line_is_foreign(VIEW("POST / HTTP/1.1")));
	assert_true(smtp_line_is_foreign(VIEW("\026\003\001\002\000")));
	assert_true(smtp_line_is_foreign(VIEW("PROXY TCP4 192.0.2.1 192.0.2.2 1 25")));
	assert_false(smtp_line_is_foreign(VIEW("HELP")));
}

static void xtext_both_ways(void **state)
{
	struct buf a, b;
	char all[256];

	(void)state;
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	buf_init(&a, 2000);
	buf_init(&b, 2000);
	xtext_put(&a, view_make(all, sizeof all));
	assert_true(xtext_get(&b, buf_view(&a)));
	assert_true(view_eq(buf_view(&b), view_make(all, sizeof all)));
	assert_false(xtext_get(&b, VIEW("+4")));
	assert_false(xtext_get(&b, VIEW("+4a")));
	assert_false(xtext_get(&b, VIEW("a=b")));
	assert_int_equal(buf_len(&b), 256);
	buf_fini(&a);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail),	  cmocka_unit_test(envid_bound), cmocka_unit_test(rcpt),
		cmocka_unit_test(chunks), cmocka_unit_test(lines),	 cmocka_unit_test(xtext_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
