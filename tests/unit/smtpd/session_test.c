/* SPDX-License-Identifier: ISC */
/* Commands, envelopes and their order, by hostile cases: the numbers S… are those of the list of cases that the suite is measured with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/channel.h"
#include "rig.h"

#define HELLO "EHLO client.test\r\n"
#define MAIL "MAIL FROM:<a@x.test>\r\n"
#define RCPT "RCPT TO:<alice@example.test>\r\n"
#define BODY "From: a@x.test\r\n\r\nhello\r\n.\r\n"

/* One conversation on a fresh session: what is sent, the codes, whether it ends. */
static void talk_as(const char *listener, const char *name, struct view in, const char *codes, bool ends)
{
	struct rig r;

	rig_init(&r, listener);
	rig_send(&r, in, SIZE_MAX);
	if (strcmp(buf_str(&r.codes), codes) != 0 || rig_ended(&r) != ends)
		fail_msg("%s: expected %s, got %s%s", name, codes, buf_str(&r.codes), rig_ended(&r) ? " and the end" : "");
	rig_fini(&r);
}
#define TALK(name, in, codes, ends) talk_as("smtp", name, VIEW(in), codes, ends)

static void a_message(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, HELLO MAIL RCPT "DATA\r\n" BODY "QUIT\r\n");
	RIG_CODES(&r, "250 250 250 354 250 221");
	assert_true(rig_said(&r, "220 mx.example.test ESMTP"));
	assert_true(rig_said(&r, "250 2.0.0 Ok: queued as Q1\r\n"));
	assert_true(view_eq(buf_view(&r.content), VIEW("From: a@x.test\r\n\r\nhello\r\n")));
	assert_string_equal(buf_str(&r.rcpts), "alice@example.test,;");
	assert_string_equal(r.sender, "a@x.test");
	assert_string_equal(buf_str(&r.headers),
		"Received: from client.test ([192.0.2.1])\r\n\tby mx.example.test (Postrider) with ESMTP id 0123456789abcdef\r\n"
		"\tfor <alice@example.test>;\r\n\tSun, 22 Nov 2026 02:12:44 +0000\r\n");
	assert_int_equal(session_messages(r.s), 1);
	rig_fini(&r);
}

static void extensions(void **state)
{
	static const char *const words[] = { "250-LIMITS RCPTMAX=100\r\n", "250-SIZE 1000000\r\n", "250-STARTTLS\r\n", "250-PIPELINING\r\n",
		"250-8BITMIME\r\n", "250-SMTPUTF8\r\n", "250-CHUNKING\r\n", "250-BINARYMIME\r\n", "250-DSN\r\n", "250 ENHANCEDSTATUSCODES\r\n" };
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, HELLO);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		assert_true(rig_said(&r, words[i]));
	assert_false(rig_said(&r, "AUTH"));
	rig_fini(&r);
}

static void line_ends_and_lengths(void **state)
{
	char text[100100];
	struct rig r;

	(void)state;
	TALK("S11", "EHLO x\nMAIL FROM:<a@x>\n", "500", true);
	TALK("S38 NUL behind", HELLO "MAIL FROM:<a@x.test>\0\r\n", "250 501", false);
	TALK("S38 NUL inside", HELLO MAIL "RCPT TO:<a\0b@example.test>\r\n", "250 250 501", false);
	TALK("S38 CR inside", HELLO "MAIL FROM:<a\r@x.test>\r\n", "250 501", false);
	TALK("S61", HELLO "MAIL FROM:<\"a\\\r\nBcc: x\"@x.test>\r\n", "250 501 500", false);
	memset(text, 'X', sizeof text);
	rig_init(&r, "smtp");
	memcpy(text + 600, "\r\nNOOP\r\n", 8);
	rig_send(&r, view_make(text, 608), SIZE_MAX);
	RIG_CODES(&r, "500 250"); /* S13 */
	memset(text, 'X', sizeof text);
	memcpy(text + 100000, "\r\nNOOP\r\n", 8);
	for (size_t piece = 100; piece < 70000; piece *= 7) {
		rig_send(&r, view_make(text, 100008), piece);
		RIG_CODES(&r, "500 250"); /* S14 */
	}
	rig_fini(&r);
}

static void addresses(void **state)
{
	(void)state;
	TALK("S17", HELLO MAIL "RCPT TO:<|/bin/sh -c id>\r\nRCPT TO:</etc/passwd>\r\nRCPT TO:<:include:/etc/passwd>\r\nRCPT TO:<\"|/bin/id\"@localhost>\r\n",
		"250 250 501 501 501 550", false);
	TALK("S19", HELLO "MAIL FROM:<;sleep 66;>\r\nRCPT TO:<root>\r\n", "250 501 503", false);
	TALK("S20", HELLO MAIL "RCPT TO:<\"a b\"@example.test>\r\nRCPT TO:<u@evil@here.test>\r\nRCPT TO:<u%evil@here.test>\r\n"
			       "RCPT TO:<evil!u@here.test>\r\nRCPT TO:<@a.test,@b.test:u@evil.test>\r\n",
		"250 250 550 501 550 550 550", false);
	TALK("S22", HELLO "MAIL FROM:<a@x.test> SIZE=99999999999999999999\r\nMAIL FROM:<a@x.test> SIZE=-1\r\n"
			  "MAIL FROM:<a@x.test> BODY=FOO\r\nMAIL FROM:<a@x.test> NOSUCH=1\r\n",
		"250 552 501 501 555", false);
	TALK("S40", HELLO "XCLIENT NAME=a\r\nXFORWARD NAME=a\r\nMAIL FROM:<a@x.test> AUTH=<>\r\n", "250 500 500 250", false);
	TALK("S56", HELLO MAIL "RCPT TO:<alice@example.test> NOTIFY=SUCCESS,NEVER\r\nRCPT TO:<alice@example.test> ORCPT=rfc822;+ZZ\r\n", "250 250 501 501",
		false);
	TALK("S65", HELLO MAIL "RCPT TO:<nobody@example.test>\r\nDATA\r\n", "250 250 550 554", false);
	TALK("relay", HELLO MAIL "RCPT TO:<a@other.test>\r\n", "250 250 550", false);
	TALK("postmaster", HELLO MAIL "RCPT TO:<Postmaster>\r\n", "250 250 250", false);
}

static void order(void **state)
{
	(void)state;
	TALK("S25 RCPT", HELLO RCPT, "250 503", false);
	TALK("S25 DATA", HELLO MAIL "DATA\r\n", "250 250 503", false);
	TALK("S25 MAIL", MAIL, "503", false);
	TALK("nested", HELLO MAIL MAIL, "250 250 503", false);
	TALK("RSET", HELLO MAIL RCPT "RSET\r\nDATA\r\n", "250 250 250 250 503", false);
	TALK("EHLO resets", HELLO MAIL RCPT HELLO "DATA\r\n", "250 250 250 250 503", false);
	TALK("S37", "HELO \r\nEHLO\r\nEHLO [127.0.0.1\r\nEHLO a\001b\r\n", "501 501 501 501", false);
	TALK("others", "VRFY a\r\nHELP\r\nNOOP x\r\nEXPN a\r\nLHLO a\r\n", "252 214 250 502 500", false);
}

static void other_protocols(void **state)
{
	(void)state;
	TALK("S23", "POST / HTTP/1.1\r\nHost: x\r\n\r\n" HELLO MAIL, "554", true);
	TALK("TLS", "\026\003\001\002\000\001\000\001\374\003\003", "554", true);
	TALK("S58", "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n" HELLO, "554", true);
}

static void errors_are_counted(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	for (int i = 0; i < 10; i++)
		RIG_SEND(&r, "JUNK\r\n");
	assert_int_equal(r.waited, 0);
	RIG_SEND(&r, "JUNK\r\n");
	assert_int_not_equal(r.waited, 0);
	for (int i = 0; i < 14 && !rig_ended(&r); i++)
		RIG_SEND(&r, "JUNK\r\n");
	assert_true(rig_ended(&r)); /* S26 */
	assert_true(rig_said(&r, "421 4.7.0"));
	assert_int_equal(session_errors(r.s), 20);
	/* S46: unknown users count as errors; a client that is no stranger may have many of them. */
	rig_connect(&r, "smtp", false);
	RIG_SEND(&r, HELLO MAIL);
	for (int i = 0; i < 50 && !rig_ended(&r); i++)
		RIG_SEND(&r, "RCPT TO:<guess@example.test>\r\n");
	assert_true(rig_ended(&r));
	rig_connect(&r, "lmtp", false);
	RIG_SEND(&r, "LHLO x\r\n" MAIL);
	for (int i = 0; i < 50; i++)
		RIG_SEND(&r, "RCPT TO:<guess@example.test>\r\n");
	assert_false(rig_ended(&r));
	rig_fini(&r);
}

/* S52: the same replies, however the octets are cut. */
static void any_cut(void **state)
{
	static const char all[] = HELLO MAIL RCPT "RCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n" BODY MAIL RCPT
					   "BDAT 5\r\nab\r\n.BDAT 0 LAST\r\nNOOP\r\nQUIT\r\n";
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	for (size_t piece = 1; piece <= sizeof all; piece++) {
		rig_connect(&r, "smtp", false);
		rig_send(&r, view_of(all), piece);
		RIG_CODES(&r, "250 250 250 550 250 354 250 250 250 250 250 250 221");
	}
	assert_int_equal(r.commits, 2 * sizeof all);
	rig_fini(&r);
}

/* Recipients of a pipelined group are asked about together, and answered in order, whatever comes first. */
static void pipelined_recipients(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	r.hold = true;
	RIG_SEND(&r, HELLO MAIL RCPT "RCPT TO:<bad>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\n");
	assert_int_equal(r.nheld, 3);
	assert_int_equal(session_state(r.s), SESSION_WAITING);
	RIG_CODES(&r, "250 250");
	/* DATA waits. */
	assert_int_equal(session_input(r.s, VIEW("DATA\r\n")), 0);
	/* The last is answered first. */
	struct answer *a = answer_new(VIEW("route"));
	session_recipient(r.s, r.held[2].index, IPC_DONE, a);
	assert_int_equal(buf_len(session_out(r.s)), 0);
	session_recipient(r.s, r.held[0].index, IPC_DONE, a);
	session_recipient(r.s, r.held[1].index, IPC_LATER, NULL);
	answer_unref(a);
	r.nheld = 0;
	rig_answer(&r);
	RIG_CODES(&r, "250 501 451 250");
	r.hold = false;
	RIG_SEND(&r, "DATA\r\n" BODY);
	RIG_CODES(&r, "354 250");
	assert_string_equal(buf_str(&r.rcpts), "alice@example.test,bob@example.test,;");
	rig_fini(&r);
}

/* The client goes while some of a group are settled, one of them refused, and others are asked about: each route is released once. */
static void gone_amid_recipients(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	r.hold = true;
	RIG_SEND(&r, HELLO MAIL "RCPT TO:<nobody@example.test>\r\n" RCPT "RCPT TO:<bob@example.test>\r\n" RCPT);
	struct answer *a = answer_new(VIEW("route"));
	session_recipient(r.s, r.held[0].index, IPC_NEVER, NULL);
	session_recipient(r.s, r.held[1].index, IPC_DONE, a);
	session_recipient(r.s, r.held[3].index, IPC_DONE, a);
	assert_int_equal(a->refs, 3);
	session_free(r.s);
	r.s = NULL;
	assert_int_equal(a->refs, 1);
	answer_unref(a);
	rig_fini(&r);
}

static void without_credit(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	r.dry = true;
	RIG_SEND(&r, HELLO MAIL RCPT);
	RIG_CODES(&r, "250 250");
	assert_int_equal(session_state(r.s), SESSION_WAITING);
	r.dry = false;
	session_retry(r.s);
	rig_answer(&r);
	RIG_CODES(&r, "250");
	RIG_SEND(&r, "DATA\r\n");
	r.dry = true;
	RIG_SEND(&r, BODY);
	RIG_CODES(&r, "354");
	r.dry = false;
	session_retry(r.s);
	session_retry(r.s);
	rig_answer(&r);
	RIG_CODES(&r, "250");
	assert_int_equal(r.commits, 1);
	rig_fini(&r);
}

static void too_many_recipients(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "relay");
	r.settings.rcpts_max = 3;
	RIG_SEND(&r, HELLO MAIL "RCPT TO:<a@y.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nRCPT TO:<d@y.test>\r\nDATA\r\n" BODY);
	RIG_CODES(&r, "250 250 250 250 250 452 354 250");
	assert_string_equal(buf_str(&r.rcpts), "a@y.test,b@y.test,c@y.test,;");
	rig_fini(&r);
}

static void lmtp(void **state)
{
	struct rig r;

	(void)state;
	talk_as("lmtp", "EHLO", VIEW("EHLO x\r\n"), "500", false);
	rig_init(&r, "lmtp");
	RIG_SEND(&r, "LHLO x\r\n" MAIL RCPT "RCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n" BODY);
	RIG_CODES(&r, "250 250 250 550 250 354 250 250"); /* S59 */
	RIG_SEND(&r, MAIL RCPT "RCPT TO:<bob@example.test>\r\nDATA\r\nbare\nlf\r\n.\r\n");
	RIG_CODES(&r, "250 250 250 354 550 550");
	assert_true(buf_has(&r.headers, " with LMTP "));
	rig_fini(&r);
}

static void the_kernel_names_the_sender(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "submit");
	RIG_SEND(&r, HELLO "MAIL FROM:<root@mx.example.test>\r\nMAIL FROM:<carol@other.test>\r\nMAIL FROM:<carol>\r\nRCPT TO:<dave>\r\n"
			   "RCPT TO:<a@other.test>\r\nDATA\r\nTo: x\r\n\r\nhello\r\n.\r\n");
	RIG_CODES(&r, "250 553 553 250 250 250 354 250");
	assert_string_equal(r.sender, "carol@mx.example.test");
	assert_string_equal(buf_str(&r.rcpts), "dave@mx.example.test,a@other.test,;");
	assert_true(buf_has(&r.headers, "Received: (from user id 1000)\r\n"));
	assert_true(buf_has(&r.headers, "\r\nFrom: <carol@mx.example.test>\r\nDate: "));
	assert_int_equal(r.last.flags & 32, 32);
	rig_fini(&r);
}

/* S62: what a client calls itself cannot end the comment or the field. */
static void hello_is_kept_safe(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, "EHLO x) by evil (y\r\n" MAIL RCPT "DATA\r\n" BODY);
	RIG_CODES(&r, "250 250 250 354 250");
	assert_true(buf_has(&r.headers, "Received: from x??by?evil??y ([192.0.2.1])\r\n"));
	rig_fini(&r);
}

static void ended_from_our_side(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, HELLO);
	session_shut(r.s, "4.3.2", "Going down", true);
	assert_true(rig_ended(&r));
	/* Not before the answer to a message. */
	rig_connect(&r, "smtp", false);
	r.hold = true;
	RIG_SEND(&r, HELLO MAIL RCPT);
	rig_answer(&r);
	RIG_SEND(&r, "DATA\r\n" BODY);
	session_shut(r.s, "4.3.2", "Going down", true);
	assert_false(rig_ended(&r));
	rig_answer(&r);
	assert_true(rig_ended(&r));
	RIG_CODES(&r, "250 250 250 354 250 421");
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message),
		cmocka_unit_test(extensions),
		cmocka_unit_test(line_ends_and_lengths),
		cmocka_unit_test(addresses),
		cmocka_unit_test(order),
		cmocka_unit_test(other_protocols),
		cmocka_unit_test(errors_are_counted),
		cmocka_unit_test(any_cut),
		cmocka_unit_test(pipelined_recipients),
		cmocka_unit_test(gone_amid_recipients),
		cmocka_unit_test(without_credit),
		cmocka_unit_test(too_many_recipients),
		cmocka_unit_test(lmtp),
		cmocka_unit_test(the_kernel_names_the_sender),
		cmocka_unit_test(hello_is_kept_safe),
		cmocka_unit_test(ended_from_our_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
