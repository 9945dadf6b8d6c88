/* SPDX-License-Identifier: ISC */
/* The protocol with the next host, against scripts: good hosts, poor ones, and evil ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp-client/session.h"

struct fixture {
	struct session s;
	struct buf in, out;
	struct mail m;
	struct mail_rcpt rcpts[3];
};

static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof f);
	session_init(&f.s, VIEW("mail.example.test"), true);
	buf_init(&f.in, 1 << 20);
	buf_init(&f.out, 1 << 20);
	f.m = (struct mail){ .sender = VIEW("a@example.test"), .headers = VIEW("Received: x\r\n"), .content = VIEW("Subject: y\r\n\r\n.dot\r\n"), .rcpts = f.rcpts,
		.n = 2 };
	f.rcpts[0] = (struct mail_rcpt){ .index = 4, .address = VIEW("b@far.example"), .outcome = MAIL_OPEN };
	f.rcpts[1] = (struct mail_rcpt){ .index = 7, .address = VIEW("c@far.example"), .notify = 6, .orcpt = VIEW("rfc822;c+d@far.example"), .outcome = MAIL_OPEN };
	f.rcpts[2] = (struct mail_rcpt){ .index = 9, .address = VIEW("d@far.example"), .outcome = MAIL_OPEN };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	buf_fini(&f->in);
	buf_fini(&f->out);
	return 0;
}

static enum session_event say(struct fixture *f, const char *text)
{
	buf_adds(&f->in, text);
	return session_feed(&f->s, &f->in, &f->out);
}

static void expect(struct fixture *f, const char *text)
{
	assert_string_equal(buf_str(&f->out), text);
	buf_reset(&f->out);
}

/* Up to an idle session with these extensions. */
static void greet(struct fixture *f, const char *extensions)
{
	assert_int_equal(say(f, "220 far ESMTP\r\n"), SESSION_MORE);
	expect(f, "EHLO mail.example.test\r\n");
	assert_int_equal(say(f, extensions), SESSION_IDLE);
}

static void take_body(struct fixture *f)
{
	while (session_body(&f->s, &f->out))
		;
	expect(f, "Received: x\r\nSubject: y\r\n\r\n..dot\r\n.\r\n");
}

static void pipelines_and_judges_each_recipient(void **state)
{
	struct fixture *f = *state;
	greet(f, "250-far\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n");
	f->m.envid = VIEW("id+1");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	expect(f, "MAIL FROM:<a@example.test> SIZE=33 ENVID=id+2B1\r\nRCPT TO:<b@far.example>\r\n"
		  "RCPT TO:<c@far.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c+2Bd@far.example\r\nDATA\r\n");
	assert_int_equal(say(f, "250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 no such user\r\n354 go\r\n"), SESSION_BODY);
	take_body(f);
	assert_int_equal(say(f, "250 2.0.0 taken\r\n"), SESSION_IDLE);
	assert_int_equal(f->rcpts[0].outcome, MAIL_DONE);
	assert_int_equal(f->rcpts[1].outcome, MAIL_NEVER);
	assert_string_equal(f->rcpts[1].status, "5.1.1");
	assert_string_equal(f->rcpts[1].text, "550 5.1.1 no such user");
	assert_true(f->m.noted);
}

static void goes_step_by_step_where_it_must(void **state)
{
	struct fixture *f = *state;
	greet(f, "250 far\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	expect(f, "MAIL FROM:<a@example.test>\r\n");
	assert_int_equal(say(f, "250 ok\r\n"), SESSION_MORE);
	expect(f, "RCPT TO:<b@far.example>\r\n");
	assert_int_equal(say(f, "452 4.2.2 full\r\n"), SESSION_MORE);
	expect(f, "RCPT TO:<c@far.example>\r\n");
	assert_int_equal(say(f, "250 ok\r\n"), SESSION_MORE);
	expect(f, "DATA\r\n");
	assert_int_equal(say(f, "354 go\r\n"), SESSION_BODY);
	take_body(f);
	assert_int_equal(say(f, "250 ok\r\n"), SESSION_IDLE);
	assert_int_equal(f->rcpts[0].outcome, MAIL_LATER);
	assert_int_equal(f->rcpts[1].outcome, MAIL_DONE);
}

static void sends_no_body_without_354(void **state)
{
	struct fixture *f = *state;
	greet(f, "250-far\r\n250 PIPELINING\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	buf_reset(&f->out);
	assert_int_equal(say(f, "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n"), SESSION_FAILED);
	expect(f, "");
	assert_int_equal(f->rcpts[0].outcome, MAIL_LATER);
	assert_string_equal(f->rcpts[0].status, "4.5.0");
}

static void ends_an_empty_transaction_with_nothing_but_a_dot(void **state)
{
	struct fixture *f = *state;
	greet(f, "250-far\r\n250 PIPELINING\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	buf_reset(&f->out);
	/* 5xx to MAIL, and yet the rest is accepted. */
	assert_int_equal(say(f, "550 5.7.1 no\r\n250 ok\r\n250 ok\r\n354 go\r\n"), SESSION_MORE);
	expect(f, ".\r\n");
	assert_int_equal(say(f, "250 queued nothing\r\n"), SESSION_IDLE);
	assert_int_equal(f->rcpts[0].outcome, MAIL_NEVER);
	assert_int_equal(f->rcpts[1].outcome, MAIL_NEVER);
}

static void resets_when_nobody_was_accepted(void **state)
{
	struct fixture *f = *state;
	greet(f, "250 far\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	buf_reset(&f->out);
	assert_int_equal(say(f, "250 ok\r\n"), SESSION_MORE);
	assert_int_equal(say(f, "550 no\r\n"), SESSION_MORE);
	buf_reset(&f->out);
	assert_int_equal(say(f, "550 no\r\n"), SESSION_MORE);
	expect(f, "RSET\r\n");
	assert_int_equal(say(f, "250 ok\r\n"), SESSION_IDLE);
	assert_int_equal(f->rcpts[1].outcome, MAIL_NEVER);
	assert_string_equal(f->rcpts[1].status, "5.0.0");
}

static void takes_tls_where_it_is_offered(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(say(f, "220 far\r\n"), SESSION_MORE);
	buf_reset(&f->out);
	assert_int_equal(say(f, "250-far\r\n250-STARTTLS\r\n250 PIPELINING\r\n"), SESSION_MORE);
	expect(f, "STARTTLS\r\n");
	assert_int_equal(say(f, "220 go\r\n"), SESSION_STARTTLS);
	assert_int_equal(session_secure(&f->s, &f->out), SESSION_MORE);
	expect(f, "EHLO mail.example.test\r\n");
	assert_int_equal(say(f, "250-far\r\n250-STARTTLS\r\n250 far\r\n"), SESSION_IDLE);
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	expect(f, "MAIL FROM:<a@example.test>\r\n"); /* what was said before TLS is forgotten */
}

static void goes_on_in_the_clear_when_tls_is_taken_back(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(say(f, "220 far\r\n"), SESSION_MORE);
	assert_int_equal(say(f, "250-far\r\n250 STARTTLS\r\n"), SESSION_MORE);
	assert_int_equal(say(f, "454 not now\r\n"), SESSION_IDLE);
}

static void falls_back_to_helo(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(say(f, "220 old\r\n"), SESSION_MORE);
	buf_reset(&f->out);
	assert_int_equal(say(f, "502 what?\r\n"), SESSION_MORE);
	expect(f, "HELO mail.example.test\r\n");
	assert_int_equal(say(f, "250 old\r\n"), SESSION_IDLE);
}

static void returns_what_the_host_cannot_take(void **state)
{
	struct fixture *f = *state;
	greet(f, "250-far\r\n250-SIZE 1\r\n250 PIPELINING\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_IDLE);
	assert_int_equal(f->rcpts[0].outcome, MAIL_NEVER);
	assert_string_equal(f->rcpts[0].status, "5.3.4");
	f->rcpts[0].outcome = f->rcpts[1].outcome = MAIL_OPEN;
	f->s.size_max = 0;
	f->m.flags = 2;
	f->m.sender = VIEW("\xc3\xa4@example.test");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_IDLE);
	assert_string_equal(f->rcpts[0].status, "5.6.7");
}

static void ignores_a_size_that_is_none(void **state)
{
	struct fixture *f = *state;
	greet(f, "250-far\r\n250 SIZE abc\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
}

static void gives_up_on_a_host_that_talks_without_end(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < REPLY_LINES_MAX; i++)
		assert_int_equal(say(f, "220-more\r\n"), SESSION_MORE);
	assert_int_equal(say(f, "220-more\r\n"), SESSION_FAILED);
	session_init(&f->s, VIEW("x"), true);
	buf_reset(&f->in);
	buf_adds(&f->in, "220 ");
	for (int i = 0; i < REPLY_LINE_MAX; i++)
		buf_addc(&f->in, 'x');
	assert_int_equal(say(f, "y"), SESSION_FAILED);
	session_init(&f->s, VIEW("x"), true);
	buf_reset(&f->in);
	assert_int_equal(say(f, "HTTP/1.1 400 Bad Request\r\n"), SESSION_FAILED);
}

static void keeps_replies_printable(void **state)
{
	struct fixture *f = *state;
	greet(f, "250 far\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	assert_int_equal(say(f, "550-5.7.1 \x1b[2Jno\r\n250 5.7.2 nor \xff this\r\n"), SESSION_MORE); /* the first code rules */
	assert_int_equal(f->rcpts[0].outcome, MAIL_NEVER);
	assert_string_equal(f->rcpts[0].text, "550 5.7.1 ?[2Jno 5.7.2 nor ? this");
	assert_string_equal(f->rcpts[0].status, "5.7.1");
}

static void what_was_taken_is_done_whatever_comes_after(void **state)
{
	struct fixture *f = *state;
	greet(f, "250-far\r\n250 PIPELINING\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	assert_int_equal(say(f, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), SESSION_BODY);
	buf_reset(&f->out);
	take_body(f);
	assert_int_equal(say(f, "250 ok\r\n"), SESSION_IDLE);
	session_lost(&f->s, "4.4.2", "reset");
	assert_int_equal(f->rcpts[0].outcome, MAIL_DONE);
}

static void a_421_ends_it(void **state)
{
	struct fixture *f = *state;
	greet(f, "250 far\r\n");
	assert_int_equal(session_mail(&f->s, &f->m, &f->out), SESSION_MORE);
	assert_int_equal(say(f, "421 4.3.2 going down\r\n"), SESSION_FAILED);
	assert_int_equal(f->rcpts[0].outcome, MAIL_LATER);
}

/* Whatever the octets and however they are cut: CRLF lines, dots doubled, no bare CR or LF. */
static void codes_any_body(void **state)
{
	static const char letters[] = "a.\r\n\r\n.";
	struct buf out;
	(void)state;
	buf_init(&out, 1 << 20);
	srandom(3);
	for (int round = 0; round < 3000; round++) {
		char text[40];
		size_t n = (size_t)random() % sizeof text;
		for (size_t i = 0; i < n; i++)
			text[i] = letters[random() % 7];
		struct body b;
		buf_reset(&out);
		body_begin(&b, view_make(text, n / 3), view_make(text + n / 3, n - n / 3));
		while (body_next(&b, &out, 1 + (size_t)random() % 7))
			;
		struct view v = buf_view(&out);
		assert_true(view_ends(v, VIEW("\r\n.\r\n")) || view_eq(v, VIEW(".\r\n")));
		for (size_t i = 0; i < v.n; i++) {
			if (v.p[i] == '\n')
				assert_true(i > 0 && v.p[i - 1] == '\r');
			if (v.p[i] == '\r')
				assert_true(i + 1 < v.n && v.p[i + 1] == '\n');
			if (v.p[i] == '.' && (i == 0 || v.p[i - 1] == '\n') && i + 3 < v.n)
				assert_int_equal(v.p[i + 1], '.');
		}
	}
	buf_fini(&out);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pipelines_and_judges_each_recipient),
		T(goes_step_by_step_where_it_must),
		T(sends_no_body_without_354),
		T(ends_an_empty_transaction_with_nothing_but_a_dot),
		T(resets_when_nobody_was_accepted),
		T(takes_tls_where_it_is_offered),
		T(goes_on_in_the_clear_when_tls_is_taken_back),
		T(falls_back_to_helo),
		T(returns_what_the_host_cannot_take),
		T(ignores_a_size_that_is_none),
		T(gives_up_on_a_host_that_talks_without_end),
		T(keeps_replies_printable),
		T(what_was_taken_is_done_whatever_comes_after),
		T(a_421_ends_it),
		cmocka_unit_test(codes_any_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
