/* SPDX-License-Identifier: ISC */
/* The POP3 engine over a real store: commands in, answers out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop3d/engine.h"
#include "tests/unit/mailbox/help.h"

struct rig {
	struct account *a;
	struct pop3 *p;
	struct buf seen;
};

static void wake(void *arg) { (void)arg; }

/* Runs the loop's pending work once through: flushes end in it. */
static void spin_once(void *arg) { loop_stop(arg); }
static void spin(struct account *a)
{
	for (int i = 0; i < 3; i++) {
		struct timer *t = timer_new(a->loop, spin_once, a->loop);
		timer_set(t, 1);
		loop_run(a->loop);
		timer_free(t);
	}
}

static void take_output(struct rig *r)
{
	for (;;) {
		pop3_run(r->p);
		struct buf *out = pop3_output(r->p);
		assert_true(buf_len(out) <= POP3_OUTPUT_HIGH * 2);
		if (buf_len(out) == 0)
			return;
		buf_addv(&r->seen, buf_view(out));
		buf_consume(out, buf_len(out));
	}
}

static const char *say(struct rig *r, const char *commands)
{
	struct view rest = view_of(commands);
	buf_reset(&r->seen);
	do {
		struct view part = view_head(rest, pop3_room(r->p));
		assert_true(pop3_input(r->p, part));
		rest = view_skip(rest, part.n);
		take_output(r);
		spin(r->a);
		take_output(r);
	} while (rest.n && !pop3_over(r->p));
	return buf_str(&r->seen);
}

static struct rig *begin(struct account *a)
{
	struct rig *r = calloc(1, sizeof *r);
	assert_non_null(r);
	r->a = a;
	buf_init(&r->seen, 1 << 24);
	if (!a->store)
		account_open(a);
	r->p = pop3_new(a->store, wake, NULL);
	pop3_begin(r->p);
	return r;
}

static void end(struct rig *r)
{
	pop3_free(r->p);
	buf_fini(&r->seen);
	free(r);
}

static struct rig *login(struct account *a, unsigned messages)
{
	struct rig *r = begin(a);
	char expected[64];
	snprintf(expected, sizeof expected, "+OK logged in, %u messages\r\n", messages);
	assert_string_equal(say(r, ""), expected);
	return r;
}

static void three(struct account *a)
{
	deliver(a, "Subject: one\r\n\r\nfirst\r\n", NULL);
	deliver(a, "Subject: two\r\n\r\n.dot\r\n..\r\nend\r\n", NULL);
	deliver(a, "Subject: three\r\n\r\nno line end", NULL);
}

static void test_transaction(void **state)
{
	struct rig *r;
	three(*state);
	r = login(*state, 3);
	assert_string_equal(say(r, "STAT\r\n"), "+OK 3 83\r\n");
	assert_string_equal(say(r, "list\r\n"), "+OK 3 messages\r\n1 23\r\n2 31\r\n3 29\r\n.\r\n");
	assert_string_equal(say(r, "LIST 2\r\n"), "+OK 2 31\r\n");
	assert_string_equal(say(r, "RETR 1\r\n"), "+OK 23 octets\r\nSubject: one\r\n\r\nfirst\r\n.\r\n");
	assert_string_equal(say(r, "RETR 2\r\n"), "+OK 31 octets\r\nSubject: two\r\n\r\n..dot\r\n...\r\nend\r\n.\r\n");
	assert_string_equal(say(r, "RETR 3\r\n"), "+OK 29 octets\r\nSubject: three\r\n\r\nno line end\r\n.\r\n");
	assert_string_equal(say(r, "TOP 2 0\r\n"), "+OK 31 octets\r\nSubject: two\r\n\r\n.\r\n");
	assert_string_equal(say(r, "TOP 2 1\r\n"), "+OK 31 octets\r\nSubject: two\r\n\r\n..dot\r\n.\r\n");
	assert_string_equal(say(r, "TOP 1 99999999999999999999999\r\n"), "+OK 23 octets\r\nSubject: one\r\n\r\nfirst\r\n.\r\n");
	assert_string_equal(say(r, "NOOP\r\nUSER x\r\nLAST\r\n"), "+OK nothing done\r\n-ERR already logged in\r\n-ERR unknown command\r\n");
	assert_non_null(strstr(say(r, "CAPA\r\n"), "\r\nPIPELINING\r\n"));
	end(r);
}

/* P01 */
static void test_numbers(void **state)
{
	static const char *const bad[] = { "RETR 0", "RETR -1", "RETR 4294967297", "RETR 1 1", "RETR 4", "RETR", "RETR +1", "RETR 1x", "DELE 0",
		"TOP 1 -1", "TOP 1", "TOP 0 0", "UIDL 9", "LIST 0" };
	three(*state);
	struct rig *r = login(*state, 3);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char line[64];
		snprintf(line, sizeof line, "%s\r\n", bad[i]);
		assert_memory_equal(say(r, line), "-ERR ", 5);
	}
	end(r);
}

static void test_line_ends(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	static const char text[] = "A: b\n\n\n.x\ny\r.z\r\n\r.\r\nend\r";
	append_text(s, "INBOX", text, 0);
	append_text(s, "INBOX", "\r\nbody", 0);
	struct rig *r = login(a, 2);
	assert_string_equal(say(r, "RETR 1\r\n"), "+OK 24 octets\r\nA: b\r\n\r\n\r\n..x\r\ny\r.z\r\n\r.\r\nend\r\n.\r\n");
	assert_string_equal(say(r, "TOP 1 1\r\n"), "+OK 24 octets\r\nA: b\r\n\r\n\r\n.\r\n");
	assert_string_equal(say(r, "TOP 2 0\r\n"), "+OK 6 octets\r\n\r\n.\r\n");
	end(r);
}

static void test_deletion(void **state)
{
	struct account *a = *state;
	three(a);
	struct rig *r = login(a, 3);
	assert_memory_equal(say(r, "DELE 2\r\n"), "+OK", 3);
	assert_memory_equal(say(r, "DELE 2\r\n"), "-ERR", 4);
	assert_memory_equal(say(r, "RETR 2\r\n"), "-ERR", 4);
	assert_string_equal(say(r, "STAT\r\n"), "+OK 2 52\r\n");
	assert_string_equal(say(r, "LIST\r\n"), "+OK 2 messages\r\n1 23\r\n3 29\r\n.\r\n");
	assert_memory_equal(say(r, "RSET\r\n"), "+OK", 3);
	assert_string_equal(say(r, "STAT\r\n"), "+OK 3 83\r\n");
	/* P02: the line is cut without QUIT. */
	assert_memory_equal(say(r, "DELE 1\r\n"), "+OK", 3);
	end(r);
	r = login(a, 3);
	assert_memory_equal(say(r, "DELE 1\r\n"), "+OK", 3);
	assert_string_equal(say(r, "QUIT\r\nNOOP\r\n"), "+OK bye\r\n");
	assert_true(pop3_over(r->p));
	end(r);
	account_open(a);
	r = login(a, 2);
	assert_string_equal(say(r, "TOP 1 0\r\n"), "+OK 31 octets\r\nSubject: two\r\n\r\n.\r\n");
	end(r);
}

/* QUIT's answer waits for the flush. */
static void test_quit_waits(void **state)
{
	struct account *a = *state;
	three(a);
	struct rig *r = login(a, 3);
	assert_memory_equal(say(r, "DELE 1\r\n"), "+OK", 3);
	buf_reset(&r->seen);
	assert_true(pop3_input(r->p, VIEW("QUIT\r\n")));
	take_output(r);
	assert_int_equal(buf_len(&r->seen), 0);
	assert_true(pop3_busy(r->p));
	spin(a);
	take_output(r);
	assert_string_equal(buf_str(&r->seen), "+OK bye\r\n");
	end(r);
}

/* P05: two sessions see the same maildrop, each as it was; nothing is removed twice, and nothing but what was marked. */
static void test_two_sessions(void **state)
{
	struct account *a = *state;
	three(a);
	struct rig *one = login(a, 3), *two = login(a, 3);
	assert_memory_equal(say(one, "DELE 1\r\nQUIT\r\n"), "+OK", 3);
	deliver(a, "new\r\n", NULL);
	settle(a->store);
	assert_memory_equal(say(two, "RETR 1\r\n"), "-ERR", 4);
	assert_string_equal(say(two, "TOP 2 0\r\n"), "+OK 31 octets\r\nSubject: two\r\n\r\n.\r\n");
	assert_memory_equal(say(two, "DELE 1\r\nDELE 2\r\nQUIT\r\n"), "+OK", 3);
	end(one);
	end(two);
	one = login(a, 2);
	assert_string_equal(say(one, "RETR 2\r\n"), "+OK 5 octets\r\nnew\r\n.\r\n");
	end(one);
}

/* P04 */
static void test_unique_ids(void **state)
{
	struct account *a = *state;
	char first[256];
	deliver(a, "same", NULL);
	deliver(a, "same", NULL);
	struct rig *r = login(a, 2);
	snprintf(first, sizeof first, "%s", say(r, "UIDL\r\n"));
	unsigned v1, u1, v2, u2;
	assert_int_equal(sscanf(first, "+OK unique-id listing follows\r\n1 %u.%u\r\n2 %u.%u\r\n.", &v1, &u1, &v2, &u2), 4);
	assert_true(v1 == v2 && u1 != u2);
	end(r);
	account_open(a);
	r = login(a, 2);
	assert_string_equal(say(r, "UIDL\r\n"), first);
	assert_memory_equal(say(r, "UIDL 2\r\n"), "+OK 2 ", 6);
	end(r);
}

static void test_pipelining_and_bounds(void **state)
{
	struct account *a = *state;
	three(a);
	struct rig *r = login(a, 3);
	struct buf b;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 3000; i++)
		buf_adds(&b, "NOOP\r\n");
	assert_int_equal(strlen(say(r, buf_str(&b))), 3000 * strlen("+OK nothing done\r\n"));
	buf_reset(&b);
	for (int i = 0; i < 300; i++)
		buf_adds(&b, "aaaaaaaaaa");
	buf_adds(&b, "\r\nNOOP\r\n");
	assert_string_equal(say(r, buf_str(&b)), "-ERR line too long\r\n+OK nothing done\r\n");
	buf_reset(&b);
	for (int i = 0; i < 40; i++)
		buf_adds(&b, "NONSENSE\r\n");
	assert_non_null(strstr(say(r, buf_str(&b)), "too many bad commands"));
	assert_true(pop3_over(r->p));
	buf_fini(&b);
	end(r);
}

static void test_output_is_bounded(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	struct store_append *ap;
	struct store_append_result res;
	size_t n = 3 << 20;
	char *text = malloc(n);
	assert_non_null(text);
	memset(text, '\n', n); /* each becomes two octets */
	assert_int_equal(store_append_new(s, VIEW("INBOX"), &ap), ERR_OK);
	assert_int_equal(store_append_begin(ap, n, 0, (struct mail_flags){ 0 }), ERR_OK);
	assert_int_equal(store_append_write(ap, view_make(text, n)), ERR_OK);
	assert_int_equal(store_append_end(ap), ERR_OK);
	assert_int_equal(store_append_commit(ap, &res), ERR_OK);
	settle(s);
	struct rig *r = login(a, 1);
	assert_true(pop3_input(r->p, VIEW("RETR 1\r\nRETR 1\r\n")));
	pop3_run(r->p);
	pop3_run(r->p);
	assert_true(buf_len(pop3_output(r->p)) < POP3_OUTPUT_HIGH * 2);
	buf_reset(&r->seen);
	take_output(r);
	assert_int_equal(buf_len(&r->seen), 2 * (strlen("+OK 3145728 octets\r\n") + 2 * n + 3));
	free(text);
	end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(test_transaction),
		account_test(test_numbers),
		account_test(test_line_ends),
		account_test(test_deletion),
		account_test(test_quit_waits),
		account_test(test_two_sessions),
		account_test(test_unique_ids),
		account_test(test_pipelining_and_bounds),
		account_test(test_output_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
