/* SPDX-License-Identifier: ISC */
/* What becomes of content: line ends, bounds, big messages, chunks, headers; and whose From it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/channel.h"
#include "rig.h"

#define START "EHLO client.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<alice@example.test>\r\n"

static void one(const char *name, struct view content, const char *codes, bool ends, unsigned commits)
{
	struct rig r;

	rig_init(&r, "smtp");
	RIG_SEND(&r, START "DATA\r\n");
	RIG_CODES(&r, "250 250 250 354");
	rig_send(&r, content, SIZE_MAX);
	if (strcmp(buf_str(&r.codes), codes) != 0 || rig_ended(&r) != ends || r.commits != commits)
		fail_msg("%s: expected %s, got %s, %u messages", name, codes, buf_str(&r.codes), r.commits);
	rig_fini(&r);
}
#define ONE(name, lit, codes, ends, commits) one(name, VIEW(lit), codes, ends, commits)

#define EVIL "MAIL FROM:<evil@x.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nevil\r\n.\r\n"

static void smuggling(void **state)
{
	(void)state;
	ONE("S01", "a\r\n\n.\n" EVIL, "550", true, 0);
	ONE("S02", "a\r\n\n.\r\n" EVIL, "550", true, 0);
	ONE("S04", "a\r\n\r.\r" EVIL, "550", true, 0);
	ONE("S05", "a\r\n.\r" EVIL, "550", true, 0);
	ONE("S07", "a\r\n\0.\r\n" "b\r\n.\r\n", "550", false, 0);
	ONE("S08", "bare\nlf\r\n.\r\n", "550", true, 0);
	ONE("S10", "nul \0 byte\r\n.\r\n", "550", false, 0);
}

static void normalized(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	r.settings.normalize = true;
	RIG_SEND(&r, START "DATA\r\na\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n");
	RIG_CODES(&r, "250 250 250 354 250");
	assert_int_equal(r.commits, 1);
	assert_true(view_eq(buf_view(&r.content), VIEW("a\r\n.\r\nMAIL FROM:<evil@x.test>\r\n")));
	rig_fini(&r);
}

static char *filled(size_t n, const char *pattern)
{
	char *p = mem_new(n);
	size_t k = strlen(pattern);

	for (size_t i = 0; i < n; i++)
		p[i] = pattern[i % k];
	return p;
}

static void sizes(void **state)
{
	struct rig r;
	char *big = filled(1000100, "0123456789abcdef0123456789abcd\r\n");

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, "EHLO x\r\nMAIL FROM:<a@x.test> SIZE=1000001\r\n");
	RIG_CODES(&r, "250 552"); /* S47 */
	RIG_SEND(&r, START "DATA\r\n");
	rig_send(&r, view_make(big, 1000032), 50000);
	RIG_SEND(&r, ".\r\nNOOP\r\n");
	RIG_CODES(&r, "250 250 250 354 552 250");
	assert_int_equal(r.files, 1);
	assert_int_equal(r.drops, 1);
	assert_int_equal(r.commits, 0);
	/* Exactly the limit. */
	RIG_SEND(&r, START "DATA\r\n");
	rig_send(&r, view_make(big, 1000000), 65536);
	RIG_SEND(&r, ".\r\n");
	RIG_CODES(&r, "250 250 250 354 250");
	assert_int_equal(r.commits, 1);
	assert_int_equal(r.drops, 1);
	assert_true(view_eq(buf_view(&r.content), view_make(big, 1000000)));
	assert_int_equal(r.last.size, 1000000);
	free(big);
	rig_fini(&r);
}

static void big_content_that_cannot_be_stored(void **state)
{
	struct rig r;
	char *big = filled(600000 & ~31u, "0123456789abcdef0123456789abcd\r\n");

	(void)state;
	rig_init(&r, "smtp");
	r.no_file = true;
	RIG_SEND(&r, START "DATA\r\n");
	rig_send(&r, view_make(big, 600000 & ~31u), 65536);
	RIG_SEND(&r, ".\r\n");
	RIG_CODES(&r, "250 250 250 354 452");
	r.no_file = false;
	r.no_space = true;
	RIG_SEND(&r, START "DATA\r\n");
	rig_send(&r, view_make(big, 600000 & ~31u), 65536);
	RIG_SEND(&r, ".\r\n");
	RIG_CODES(&r, "250 250 250 354 452");
	assert_int_equal(r.drops, 1);
	r.no_space = false;
	r.commit_outcome = IPC_LATER;
	RIG_SEND(&r, START "DATA\r\nsmall\r\n.\r\n");
	RIG_CODES(&r, "250 250 250 354 452");
	r.commit_outcome = IPC_DONE;
	RIG_SEND(&r, START "DATA\r\nsmall\r\n.\r\n");
	RIG_CODES(&r, "250 250 250 354 250");
	free(big);
	rig_fini(&r);
}

static void memory_is_shared(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	r.budget.max = 1000;
	r.budget.held = 1001; /* by others */
	RIG_SEND(&r, START "DATA\r\nBDAT 2\r\nab");
	RIG_CODES(&r, "250 250 250 452 452");
	r.budget.held = 900;
	RIG_SEND(&r, "DATA\r\n");
	RIG_SEND(&r, "a line of some length\r\n");
	assert_true(r.budget.held > 900);
	RIG_SEND(&r, ".\r\n");
	RIG_CODES(&r, "354 250");
	assert_int_equal(r.budget.held, 900);
	rig_fini(&r);
}

static void chunks(void **state)
{
	struct rig r;
	char *big = filled(300000, "0123456789abcdef0123456789abcd\r\n");

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, START "BDAT 5\r\nab\r\n.BDAT 0 LAST\r\n"); /* S29 */
	RIG_CODES(&r, "250 250 250 250 250");
	assert_true(view_eq(buf_view(&r.content), VIEW("ab\r\n.")));
	RIG_SEND(&r, START "BDAT 4 LAST\r\nab\r\nNOOP\r\nBDAT 6\r\nNOOP\r\nNOOP\r\n");
	RIG_CODES(&r, "250 250 250 250 250 503 250");
	RIG_SEND(&r, START "BDAT 4\r\nab\r\nDATA\r\nMAIL FROM:<b@x.test>\r\nRSET\r\n");
	RIG_CODES(&r, "250 250 250 250 503 503 250");
	RIG_SEND(&r, START "BDAT 3 LAST\r\na\nb");
	RIG_CODES(&r, "250 250 250 550");
	assert_true(rig_ended(&r));
	rig_connect(&r, "smtp", false);
	/* The sum passes the limit. */
	RIG_SEND(&r, START "BDAT 300000\r\n");
	rig_send(&r, view_make(big, 300000), 70000);
	RIG_SEND(&r, "BDAT 800000 LAST\r\n");
	for (int i = 0; i < 2; i++)
		rig_send(&r, view_make(big, 300000), 70000);
	rig_send(&r, view_make(big, 200000), 70000);
	RIG_SEND(&r, "NOOP\r\n");
	RIG_CODES(&r, "250 250 250 250 552 250");
	assert_int_equal(r.drops, 1);
	RIG_SEND(&r, "BDAT 99999999999999999999 LAST\r\n"); /* S28 */
	RIG_CODES(&r, "501");
	assert_true(rig_ended(&r));
	free(big);
	rig_fini(&r);
}

/* A chunk that is through before its file is there: its end waits for it. */
static void last_chunk_waits_for_the_file(void **state)
{
	struct rig r;
	char *big = filled(300000, "0123456789abcdef0123456789abcd\r\n");

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, START);
	r.hold = true;
	RIG_SEND(&r, "BDAT 300000 LAST\r\n");
	rig_send(&r, view_make(big, 300000), SIZE_MAX);
	rig_send(&r, view_make(big + 131070 * 3 % 300000, 0), SIZE_MAX);
	assert_int_equal(session_state(r.s), SESSION_WAITING);
	RIG_CODES(&r, "250 250 250");
	rig_answer(&r);
	r.hold = false;
	rig_answer(&r);
	RIG_CODES(&r, "250");
	assert_int_equal(r.commits, 1);
	assert_true(view_eq(buf_view(&r.content), view_make(big, 300000)));
	free(big);
	rig_fini(&r);
}

static void binary(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	RIG_SEND(&r, "EHLO x\r\nMAIL FROM:<a@x.test> BODY=BINARYMIME\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nBDAT 6 LAST\r\na\0\n\rb\r");
	RIG_CODES(&r, "250 250 250 503 250");
	assert_true(view_eq(buf_view(&r.content), VIEW("a\0\n\rb\r")));
	assert_int_equal(r.last.flags & 4, 4);
	rig_fini(&r);
}

static void send_many(struct rig *r, const char *line, unsigned times)
{
	struct buf b;

	buf_init(&b, 16 * 1024 * 1024);
	buf_adds(&b, START "DATA\r\n");
	for (unsigned i = 0; i < times; i++)
		buf_adds(&b, line);
	buf_adds(&b, "\r\nbody\r\n.\r\n");
	rig_send(r, buf_view(&b), 65536);
	buf_fini(&b);
}

static void headers(void **state)
{
	struct rig r;
	struct buf to;

	(void)state;
	rig_init(&r, "smtp");
	r.settings.size_max = 4 * 1024 * 1024;
	send_many(&r, "X: y\r\n", 1000);
	RIG_CODES(&r, "250 250 250 354 250");
	send_many(&r, "X: y\r\n", 1001);
	RIG_CODES(&r, "250 250 250 354 552");
	send_many(&r, "X: y\r\n", 30000); /* S35 */
	RIG_CODES(&r, "250 250 250 354 552");
	send_many(&r, "Received: from a by b; date\r\n", 100);
	RIG_CODES(&r, "250 250 250 354 250");
	send_many(&r, "Received: from a by b; date\r\n", 101);
	RIG_CODES(&r, "250 250 250 354 554");
	/* S34, folded, and in one line. */
	buf_init(&to, 1024 * 1024);
	buf_adds(&to, "To: ");
	for (unsigned i = 0; i < 20000; i++)
		buf_adds(&to, "u@example.test,\r\n ");
	buf_adds(&to, "u@example.test\r\n");
	send_many(&r, buf_str(&to), 1);
	RIG_CODES(&r, "250 250 250 354 552");
	buf_reset(&to);
	for (unsigned i = 0; i < 7000; i++)
		buf_adds(&to, "u@example.test,");
	buf_adds(&to, "\r\n");
	send_many(&r, buf_str(&to), 1);
	RIG_CODES(&r, "250 250 250 354 552");
	buf_fini(&to);
	rig_fini(&r);
}

/* Our own fields must not swallow the first line of what has no header. */
static void without_a_header(void **state)
{
	static const char *const bodies[] = { "just text\r\n.\r\n", " folded?\r\n.\r\n" };
	struct rig r;

	(void)state;
	rig_init(&r, "smtp");
	for (size_t i = 0; i < 2; i++) {
		buf_reset(&r.headers);
		RIG_SEND(&r, START "DATA\r\n");
		rig_send(&r, view_of(bodies[i]), SIZE_MAX);
		RIG_CODES(&r, "250 250 250 354 250");
		assert_true(view_eqs(view_skip(buf_view(&r.headers), buf_len(&r.headers) - 4), "\r\n\r\n"));
	}
	rig_fini(&r);
}

/* ---- submission ---- */

#define LOGIN "EHLO x\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"
#define ENVELOPE "MAIL FROM:<alice@example.test>\r\nRCPT TO:<a@other.test>\r\nDATA\r\n"

static void from_must_be_owned(void **state)
{
	static const struct {
		const char *header, *code;
	} cases[] = {
		{ "From: Alice <ALICE@example.test>", "250" },
		{ "From: <bob@example.test>", "550" },
		{ "From: alice@example.test, bob@example.test", "550" },
		{ "From: alice@example.test\r\nFROM: bob@example.test", "550" },
		{ "From: \"alice@example.test\" <bob@example.test>", "550" },
		{ "From:\r\n bob@example.test", "550" },
		{ "From: garbage", "550" },
		{ "From:", "550" },
		{ "Subject: none", "250" },
	};
	struct rig r;

	(void)state;
	rig_init(&r, "submission");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		rig_connect(&r, "submission", true);
		RIG_SEND(&r, LOGIN ENVELOPE);
		RIG_CODES(&r, "250 235 250 250 354");
		rig_send(&r, view_of(cases[i].header), SIZE_MAX);
		RIG_SEND(&r, "\r\n\r\nhello\r\n.\r\n");
		RIG_CODES(&r, cases[i].code);
	}
	assert_int_equal(r.commits, 2);
	assert_true(buf_has(&r.headers, "with ESMTPSA id"));
	assert_true(buf_has(&r.headers, "using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits)"));
	assert_true(buf_has(&r.headers, "\r\nFrom: <alice@example.test>\r\nDate: Sun, 22 Nov 2026 02:12:44 +0000\r\nMessage-ID: <5a5a"));
	assert_int_equal(r.last.login.n, 6);
	rig_fini(&r);
}

static void sender_must_be_owned(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "submission");
	RIG_SEND(&r, "EHLO x\r\nMAIL FROM:<alice@example.test>\r\n");
	RIG_CODES(&r, "250 530");
	rig_connect(&r, "submission", true);
	RIG_SEND(&r, LOGIN "MAIL FROM:<bob@example.test>\r\nRCPT TO:<a@other.test>\r\nMAIL FROM:<alice@example.test>\r\n");
	RIG_CODES(&r, "250 235 553 503 250"); /* S55 */
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smuggling),
		cmocka_unit_test(normalized),
		cmocka_unit_test(sizes),
		cmocka_unit_test(big_content_that_cannot_be_stored),
		cmocka_unit_test(memory_is_shared),
		cmocka_unit_test(chunks),
		cmocka_unit_test(last_chunk_waits_for_the_file),
		cmocka_unit_test(binary),
		cmocka_unit_test(headers),
		cmocka_unit_test(without_a_header),
		cmocka_unit_test(from_must_be_owned),
		cmocka_unit_test(sender_must_be_owned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
