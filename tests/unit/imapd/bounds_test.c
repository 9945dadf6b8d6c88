/* SPDX-License-Identifier: ISC */
/* Clients that ask for too much, stop reading, or talk nonsense (I01 to I22 of the hostile cases). */
#include "tests/unit/imapd/imapd_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "imapd/session.h"

static char *big_message(size_t n)
{
	char *m = malloc(n + 1);
	static const char head[] = "Subject: big\r\n\r\n";
	assert_non_null(m);
	memset(m, 'x', n);
	for (size_t i = 0; i + 80 < n; i += 80)
		memcpy(m + i, "\r\n", 2);
	memcpy(m, head, sizeof(head) - 1);
	m[n] = '\0';
	return m;
}

static struct session *only_session(struct fixture *f)
{
	return LIST_OF(list_first(&f->imapd.sessions), struct session, node);
}

/* I13: 20 messages of 500,000 octets are asked for many times and not read: others are served, and memory stays. */
static void stops_reading(void **state)
{
	struct fixture *f = *state;
	struct client *c = client_new(f), *d;
	char *m = big_message(500000);
	for (int i = 0; i < 20; i++)
		append(c, "INBOX", "", m);
	command(c, "SELECT INBOX", "OK");
	buf_reset(&c->got);
	io_want(c->io, 0);
	for (int i = 0; i < 20; i++)
		client_send(c, "f FETCH 1:* BODY.PEEK[]\r\n", 25);
	run_for(f, 300);
	struct session *s = only_session(f);
	assert_true(buf_len(&s->out) <= SESSION_OUTPUT_SOFT + 2 * 65536);
	assert_true(buf_len(&s->in) <= SESSION_INPUT_MAX);
	d = client_new(f);
	command(d, "SELECT INBOX", "OK");
	client_free(d);
	/* It was only slow: everything comes, and whole. */
	const char *got = client_read(c, "f OK");
	assert_has(got, "* 20 FETCH (BODY[] {500000}\r\nSubject: big\r\n");
	assert_true(buf_len(&c->got) > 20 * 500000);
	free(m);
	client_free(c);
}

/* A client that goes away in the midst leaves nothing. */
static void goes_away(void **state)
{
	struct fixture *f = *state;
	struct client *c = client_new(f);
	char *m = big_message(900000);
	append(c, "INBOX", "", m);
	command(c, "SELECT INBOX", "OK");
	client_send(c, "f FETCH 1 BODY[]\r\n", 18);
	run_for(f, 50);
	client_free(c);
	c = client_new(f);
	client_send(c, "a APPEND INBOX {500000}\r\n", 25);
	run_for(f, 50);
	client_send(c, m, 400000);
	client_free(c);
	run_for(f, 100);
	assert_int_equal(f->imapd.count, 0);
	c = client_new(f);
	assert_has(command(c, "STATUS INBOX (MESSAGES)", "OK"), "MESSAGES 1)");
	client_free(c);
	free(m);
}

static void repeated(struct client *c, const char *begin, const char *piece, int times, const char *end, const char *answer)
{
	struct buf b;
	buf_init(&b, 1 << 25);
	buf_adds(&b, begin);
	for (int i = 0; i < times; i++)
		buf_adds(&b, piece);
	buf_adds(&b, end);
	buf_reset(&c->got);
	client_send(c, buf_view(&b).p, buf_len(&b));
	assert_has(client_read(c, "x "), answer);
	buf_fini(&b);
}

static void commands_too_long(void **state)
{
	struct client *c = client_new(*state);
	command(c, "SELECT INBOX", "OK");
	repeated(c, "x NOOP ", "aaaaaaaaaa", 100000, "\r\n", "x BAD");
	repeated(c, "x SEARCH ", "(", 60000, "ALL\r\n", "x BAD");
	repeated(c, "x SEARCH ", "NOT ", 15000, "ALL\r\n", "x BAD");
	repeated(c, "x SEARCH ", "OR ALL ", 9000, "ALL\r\n", "x BAD");
	repeated(c, "x SEARCH ", "ALL ", 100000, "ALL\r\n", "x BAD");
	repeated(c, "x SEARCH ", "TEXT abc ", 5000, "ALL\r\n", "x NO [LIMIT]");
	repeated(c, "x FETCH 1", ",1:*", 16000, " FLAGS\r\n", "x OK");
	repeated(c, "x FETCH 1", ",1:*", 250000, " FLAGS\r\n", "x BAD");
	repeated(c, "x STORE 1 +FLAGS (", "\\Seen ", 10000, "\\Seen)\r\n", "x OK");
	repeated(c, "x STORE 1 +FLAGS (", "k", 60000, ")\r\n", "x NO [LIMIT]");
	repeated(c, "x CREATE ", "a/", 10000, "\r\n", "x NO [CANNOT]");
	repeated(c, "x LIST \"\" ", "*%", 10000, "\r\n", "x OK");
	repeated(c, "x ID (\"a\" \"", "b", 60000, "\")\r\n", "x BAD");
	command(c, "NOOP", "OK");
	client_free(c);
}

static void literals_too_big(void **state)
{
	struct client *c = client_new(*state);
	command(c, "SELECT {4294967295}", "NO [TOOBIG]");
	command(c, "SELECT {99999999999999999999}", "BAD");
	command(c, "SELECT {-1}", "BAD");
	command(c, "APPEND INBOX {4294967295}", "NO [TOOBIG]");
	repeated(c, "x SELECT {500000+}\r\n", "y NOOP\r\n\r\n", 50000, "\r\n", "x NO [TOOBIG]");
	assert_lacks(buf_str(&c->got), "y OK");
	repeated(c, "x APPEND INBOX {4000000+}\r\n", "y NOOP\r\n\r\n", 400000, "\r\n", "x NO [TOOBIG]");
	assert_lacks(buf_str(&c->got), "y OK");
	assert_has(talk(c, "x SELECT {5}\r\n", "+ "), "+ ");
	assert_has(talk(c, "INBOX\r\n", "x "), "x OK");
	client_free(c);
}

/* A copy is a reference, so that doubling a mailbox costs a user nothing: it ends before our memory does. */
static void copies_of_copies(void **state)
{
	struct client *c = client_new(*state);
	append(c, "INBOX", "", "A: b\r\n\r\n");
	command(c, "SELECT INBOX", "OK");
	int doubled = 0;
	while (doubled < 40 && strstr(command(c, "COPY 1:* INBOX", ""), "x OK") != NULL)
		doubled++;
	assert_in_range(doubled, 10, 30);
	assert_has(buf_str(&c->got), "x NO [LIMIT]");
	command(c, "NOOP", "OK");
	client_free(c);
}

/* I08: names that point elsewhere. */
static void hostile_names(void **state)
{
	static const char *const names[] = { "../../etc", "/etc/passwd", "~root", ".", "..", "a/../b", "a//b", "INBOX/../x", "{3}\r\na\nb", "&AAA-", ".x", "a/.", "\"\"" };
	struct client *c = client_new(*state);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		buf_printf(&b, "x CREATE %s\r\nz NOOP\r\n", names[i]);
		assert_has(talk(c, buf_str(&b), "z "), "x NO [CANNOT]");
		buf_reset(&b);
		buf_printf(&b, "x SELECT %s\r\nz NOOP\r\n", names[i]);
		assert_has(talk(c, buf_str(&b), "z "), "x NO ");
		buf_fini(&b);
	}
	assert_lacks(command(c, "LIST \"\" \"../*\"", "OK"), "* LIST");
	client_free(c);
}

static void too_many_bad_commands(void **state)
{
	struct client *c = client_new(*state);
	for (int i = 0; i < SESSION_BAD_MAX; i++)
		client_send(c, "nonsense\r\n", 10);
	assert_has(client_read(c, "* BYE"), "* BYE Too many bad commands");
	client_read(c, "never");
	assert_true(c->closed);
	client_free(c);
}

/* The same answers, however the octets come. */
static void octet_by_octet(void **state)
{
	static const char session[] = "a SELECT {5}\r\nINBOX\r\nb APPEND INBOX {7+}\r\nA: b\r\n\n\r\nc FETCH 1:* (UID BODY[])\r\nd SEARCH SUBJECT {1+}\r\nx\r\ne NOOP\r\n";
	struct client *c = client_new(*state);
	buf_reset(&c->got);
	for (size_t i = 0; i < sizeof(session) - 1; i++) {
		client_send(c, session + i, 1);
		run_for(*state, 1);
	}
	const char *got = client_read(c, "e ");
	assert_has(got, "a OK");
	assert_has(got, "b OK [APPENDUID");
	assert_has(got, "c OK");
	assert_has(got, "d OK");
	assert_has(got, "e OK");
	client_free(c);
}

/* Many commands in one write are answered in order. */
static void pipelined(void **state)
{
	struct client *c = client_new(*state);
	struct buf b;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 2000; i++)
		buf_printf(&b, "t%d NOOP\r\n", i);
	buf_adds(&b, "x NOOP\r\n");
	const char *got = talk(c, buf_str(&b), "x ");
	assert_has(got, "t0 OK");
	assert_has(got, "t1999 OK");
	assert_true(strstr(got, "t7 ") < strstr(got, "t8 "));
	buf_fini(&b);
	client_free(c);
}

static void hostile_messages(void **state)
{
	struct client *c = client_new(*state);
	struct buf b;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	append(c, "INBOX", "", buf_str(&b));
	buf_reset(&b);
	for (int i = 0; i < 20000; i++)
		buf_adds(&b, "Content-Type: message/rfc822\r\n\r\n");
	append(c, "INBOX", "", buf_str(&b));
	buf_reset(&b);
	buf_adds(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "--b\r\n\r\n");
	append(c, "INBOX", "", buf_str(&b));
	buf_reset(&b);
	buf_adds(&b, "To: ");
	for (int i = 0; i < 90000; i++)
		buf_adds(&b, "(a@b.test,");
	append(c, "INBOX", "", buf_str(&b));
	command(c, "SELECT INBOX", "OK");
	assert_has(command(c, "FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY)", "OK"), "* 4 FETCH");
	assert_true(buf_len(&c->got) < (16u << 20));
	command(c, "SEARCH OR TEXT zzz SENTSINCE 1-Jan-2020", "OK");
	buf_fini(&b);
	client_free(c);
}

/* A header of more than a mebibyte is the same, alone and with its message. */
static void long_header(void **state)
{
	struct client *c = client_new(*state);
	struct buf b;
	buf_init(&b, 1 << 22);
	for (int i = 0; i < 60000; i++)
		buf_printf(&b, "X-Field-%05d: some text\r\n", i);
	buf_adds(&b, "Subject: last\r\n\r\nbody\r\n");
	append(c, "INBOX", "", buf_str(&b));
	command(c, "SELECT INBOX", "OK");
	struct buf want;
	buf_init(&want, 100);
	buf_printf(&want, "BODY[HEADER] {%zu}\r\nX-Field-00000", buf_len(&b) - 6);
	assert_has(command(c, "FETCH 1 (ENVELOPE BODY.PEEK[HEADER])", "OK"), buf_str(&want));
	assert_has(buf_str(&c->got), "ENVELOPE (NIL \"last\"");
	assert_has(command(c, "FETCH 1 (BODY.PEEK[HEADER] BODY.PEEK[])", "OK"), buf_str(&want));
	buf_fini(&want);
	buf_fini(&b);
	client_free(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stops_reading),
		T(goes_away),
		T(commands_too_long),
		T(literals_too_big),
		T(copies_of_copies),
		T(hostile_names),
		T(too_many_bad_commands),
		T(octet_by_octet),
		T(pipelined),
		T(hostile_messages),
		T(long_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
