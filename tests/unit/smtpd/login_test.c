/* SPDX-License-Identifier: ISC */
/* AUTH and STARTTLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/channel.h"
#include "rig.h"

static void talk(const char *name, bool tls, struct view in, const char *codes)
{
	struct rig r;

	rig_init(&r, "submission");
	rig_connect(&r, "submission", tls);
	rig_send(&r, in, SIZE_MAX);
	if (strcmp(buf_str(&r.codes), codes) != 0)
		fail_msg("%s: expected %s, got %s", name, codes, buf_str(&r.codes));
	rig_fini(&r);
}
#define TALK(name, tls, lit, codes) talk(name, tls, VIEW(lit), codes)
#define PLAIN "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"

static void exchanges(void **state)
{
	(void)state;
	TALK("initial response", true, "EHLO x\r\n" PLAIN, "250 235");
	TALK("challenge", true, "EHLO x\r\nAUTH plain\r\nAGFsaWNlAHNlY3JldA==\r\n", "250 334 235");
	TALK("LOGIN", true, "EHLO x\r\nAUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n", "250 334 334 235");
	TALK("final challenge", true, "EHLO x\r\nAUTH SCRAM-SHA-256\r\nc2NyYW0=\r\n\r\nNOOP\r\n", "250 334 334 235 250");
	TALK("wrong", true, "EHLO x\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\nNOOP\r\n", "250 535 250");
	TALK("S32", true, "EHLO x\r\nAUTH LOGIN\r\n*\r\nAUTH FOO bar\r\n", "250 334 501 504");
	TALK("A01", false, "EHLO x\r\n" PLAIN, "250 538");
	TALK("A02 no base64", true, "EHLO x\r\nAUTH PLAIN AGFs@@\r\nAUTH PLAIN A=GFs\r\nAUTH PLAIN AGFs AGFs\r\n", "250 501 501 501");
	TALK("A02 in a step", true, "EHLO x\r\nAUTH LOGIN\r\nYWx pY2U=\r\nNOOP\r\n", "250 334 501 250");
	TALK("S53", true, "EHLO x\r\n" PLAIN "AUTH PLAIN\r\nMAIL FROM:<alice@example.test>\r\n" PLAIN, "250 235 503 250 503");
	TALK("before EHLO", true, PLAIN, "503");
	TALK("after HELO", true, "HELO x\r\n" PLAIN, "250 503");
}

static void not_on_other_listeners(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	rig_connect(&r, "smtp", true);
	RIG_SEND(&r, "EHLO x\r\n" PLAIN);
	RIG_CODES(&r, "250 500");
	rig_fini(&r);
}

/* S31, A10: one refusal, whatever the length, and nothing of it is kept. */
static void base64_without_end(void **state)
{
	static char text[40000] = "AUTH PLAIN ";
	struct rig r;

	(void)state;
	memset(text + 11, '=', 20000);
	memcpy(text + 20011, "\r\nNOOP\r\n", 8);
	rig_init(&r, "submission");
	rig_connect(&r, "submission", true);
	RIG_SEND(&r, "EHLO x\r\n");
	rig_send(&r, view_make(text, 20019), 1460);
	RIG_CODES(&r, "250 500 250");
	RIG_SEND(&r, "AUTH LOGIN\r\n");
	rig_send(&r, view_make(text, 20019), 1460);
	RIG_CODES(&r, "334 500 250");
	assert_true(r.aborted);
	rig_fini(&r);
}

static void offered_only_with_tls(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "submission");
	RIG_SEND(&r, "EHLO x\r\n");
	assert_false(rig_said(&r, "AUTH"));
	rig_connect(&r, "submission", true);
	RIG_SEND(&r, "EHLO x\r\n");
	assert_true(rig_said(&r, "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"));
	rig_fini(&r);
}

static void guessing_is_slow(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "submission");
	rig_connect(&r, "submission", true);
	RIG_SEND(&r, "EHLO x\r\n");
	for (int i = 0; i < 3; i++)
		RIG_SEND(&r, "AUTH PLAIN AGFsaWNlAHdyb25n\r\n");
	assert_int_equal(r.waited, 3000);
	rig_fini(&r);
}

static void tls(void **state)
{
	static const struct session_tls info = { "TLSv1.3", "TLS_AES_128_GCM_SHA256", 128 };
	struct rig r;

	(void)state;
	rig_init(&r, "submission");
	RIG_SEND(&r, "EHLO x\r\n");
	RIG_SEND(&r, "STARTTLS\r\n");
	RIG_CODES(&r, "250 220");
	assert_int_equal(session_state(r.s), SESSION_STARTTLS);
	assert_int_equal(session_input(r.s, VIEW("NOOP\r\n")), 0);
	session_secured(r.s, &info);
	/* T04: nothing is remembered. */
	RIG_SEND(&r, PLAIN "EHLO x\r\nSTARTTLS\r\n");
	RIG_CODES(&r, "503 250 503"); /* T05 */
	/* T01 */
	rig_connect(&r, "submission", false);
	RIG_SEND(&r, "EHLO x\r\nSTARTTLS\r\nEHLO evil\r\nNOOP\r\n");
	RIG_CODES(&r, "250 554");
	assert_true(rig_ended(&r));
	rig_fini(&r);
}

static void auth_is_lost(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "submission");
	rig_connect(&r, "submission", true);
	r.hold = true;
	RIG_SEND(&r, "EHLO x\r\n" PLAIN);
	RIG_CODES(&r, "250");
	r.nheld = 0;
	session_lost(r.s);
	rig_answer(&r);
	RIG_CODES(&r, "454"); /* A07 */
	rig_fini(&r);
}

/* A log-in counts for a bounded time, and that is said at MAIL, not when the message has been sent. */
static void a_login_grows_old(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "submission");
	rig_connect(&r, "submission", true);
	RIG_SEND(&r, "EHLO x\r\n" PLAIN);
	r.later = 1799;
	RIG_SEND(&r, "MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\n");
	r.later = 3000; /* one that has begun goes on */
	RIG_SEND(&r, "DATA\r\nFrom: <alice@example.test>\r\n\r\n.\r\nNOOP\r\n");
	RIG_CODES(&r, "250 235 250 250 354 250 250");
	assert_int_equal(r.commits, 1);
	assert_false(rig_ended(&r));
	RIG_SEND(&r, "MAIL FROM:<alice@example.test>\r\n");
	RIG_CODES(&r, "421");
	assert_true(rig_ended(&r));
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchanges),
		cmocka_unit_test(not_on_other_listeners),
		cmocka_unit_test(base64_without_end),
		cmocka_unit_test(offered_only_with_tls),
		cmocka_unit_test(guessing_is_slow),
		cmocka_unit_test(tls),
		cmocka_unit_test(auth_is_lost),
		cmocka_unit_test(a_login_grows_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
