/* SPDX-License-Identifier: ISC */
/* SEARCH: programs and what they find (I04, I22, M10, M11 of the hostile cases). */
#include "tests/unit/proto/proto_test.h"

#include "proto/imap_search.h"

static const char message[] = "From: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\r\nSubject: Grosse Fr\xc3\xb6sche\r\n"
	"Date: Sun, 22 Nov 2026 23:30:00 -0800\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nsoft =\r\nbreak =DCBER\r\n"
	"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8g\r\nV29ybGQ=\r\n"
	"--b\r\nContent-Type: image/png\r\n\r\ninvisible\r\n--b--\r\n";

static bool content(void *arg, bool whole, struct view *v)
{
	(void)arg;
	(void)whole;
	*v = view_of(message);
	return true;
}

static enum imap_search_result parse(const char *text, struct arena *a, struct imap_search *s)
{
	struct imap_text t = { .in = view_of(text), .arena = a };
	return imap_search_parse(&t, s);
}

static bool finds(const char *text)
{
	struct arena *a = arena_new();
	struct imap_search s;
	struct imap_search_message m = { .seq = 3, .uid = 30, .system = 1, .keywords = 4, .seen = true, .date = 1795305600, /* 22-Nov-2026 */
		.now = 1795305600 + 1000, .size = 500, .modseq = 70, .content = content };
	if (parse(text, a, &s) != IMAP_SEARCH_OK)
		fail_msg("refused: %s", text);
	for (size_t i = 0; i < s.n; i++) {
		s.node[i].system = view_eqs(s.node[i].text, "\\Seen");
		s.node[i].keywords = view_eqs(s.node[i].text, "work") ? 4 : 0;
	}
	imap_search_resolve(&s, 9, 90);
	bool yes = imap_search_match(&s, &m);
	imap_search_fini(&s);
	arena_free(a);
	return yes;
}

static void finds_messages(void **state)
{
	(void)state;
	static const char *const yes[] = { "ALL", "SEEN", "NOT UNSEEN", "3", "1:*", "UID 30", "KEYWORD work", "UNKEYWORD play", "OLD", "NOT NEW",
		"FROM \"j\xc3\xbcrgen\"", "FROM {7}\r\nJ\xc3\x9cRGEN", "SUBJECT \"fr\xc3\x96sche\"", "HEADER subject \"\"", "HEADER date nov", "ON 22-Nov-2026",
		"SINCE 22-Nov-2026", "BEFORE 23-Nov-2026", "SENTON 22-Nov-2026", "SENTSINCE \"1-Jan-2020\"", "SENTBEFORE 23-Nov-2026", "LARGER 499", "SMALLER 501",
		("BODY \"soft break \xc3\xbc" "ber\""), "BODY \"hello world\"", "TEXT grosse", "TEXT world", "OR DELETED SEEN", "OR (DELETED SEEN) 3", "(SEEN (3))",
		"MODSEQ 70", "MODSEQ \"/flags/\\\\draft\" all 3", "OLDER 1000", "YOUNGER 1000", "CHARSET UTF-8 SEEN" };
	static const char *const no[] = { "NOT ALL", "UNSEEN", "4", "9:*", "UID 31:*", "KEYWORD play", "DELETED", "NEW", "SUBJECT x", "HEADER x-none \"\"",
		"BEFORE 22-Nov-2026", "SENTBEFORE 22-Nov-2026", "LARGER 500", "SMALLER 500", "BODY invisible", "BODY grosse", "BODY softbreak", "SEEN DELETED",
		"OR DELETED DRAFT", "NOT (SEEN 3)", "MODSEQ 71", "YOUNGER 999" };
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!finds(yes[i]))
			fail_msg("not found by: %s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (finds(no[i]))
			fail_msg("found by: %s", no[i]);
}

static void refuses_bad_programs(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum imap_search_result result;
	} rows[] = {
		{ "", IMAP_SEARCH_BAD },
		{ "FOO", IMAP_SEARCH_BAD },
		{ "ALL ", IMAP_SEARCH_BAD },
		{ "(ALL", IMAP_SEARCH_BAD },
		{ "ALL)", IMAP_SEARCH_BAD },
		{ "()", IMAP_SEARCH_BAD },
		{ "NOT", IMAP_SEARCH_BAD },
		{ "OR ALL", IMAP_SEARCH_BAD },
		{ "SUBJECT", IMAP_SEARCH_BAD },
		{ "BEFORE 99-Nov-2026", IMAP_SEARCH_BAD },
		{ "BEFORE nonsense", IMAP_SEARCH_BAD },
		{ "UID 0", IMAP_SEARCH_BAD },
		{ "0", IMAP_SEARCH_BAD },
		{ "LARGER -1", IMAP_SEARCH_BAD },
		{ "LARGER 99999999999999999999", IMAP_SEARCH_BAD },
		{ "CHARSET KOI8-R ALL", IMAP_SEARCH_BADCHARSET },
		{ "RETURN (FOO) ALL", IMAP_SEARCH_BAD },
		{ "RETURN ALL", IMAP_SEARCH_BAD },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *a = arena_new();
		struct imap_search s;
		if (parse(rows[i].text, a, &s) != rows[i].result)
			fail_msg("not as it should be: %s", rows[i].text);
		imap_search_fini(&s);
		arena_free(a);
	}
}

static enum imap_search_result repeated(const char *piece, int times, const char *end)
{
	struct buf b;
	struct arena *a = arena_new();
	struct imap_search s;
	buf_init(&b, 1 << 24);
	for (int i = 0; i < times; i++)
		buf_adds(&b, piece);
	buf_adds(&b, end);
	enum imap_search_result r = parse(buf_str(&b), a, &s);
	imap_search_fini(&s);
	arena_free(a);
	buf_fini(&b);
	return r;
}

static void bounds_programs(void **state)
{
	(void)state;
	assert_int_equal(repeated("(", 100000, "ALL"), IMAP_SEARCH_BAD);
	assert_int_equal(repeated("NOT ", 100000, "ALL"), IMAP_SEARCH_BAD);
	assert_int_equal(repeated("OR ALL ", 100000, "ALL"), IMAP_SEARCH_BAD);
	assert_int_equal(repeated("NOT ", 90, "ALL"), IMAP_SEARCH_OK);
	assert_int_equal(repeated("ALL ", 100000, "ALL"), IMAP_SEARCH_LIMIT);
	assert_int_equal(repeated("TEXT a ", 100, "ALL"), IMAP_SEARCH_LIMIT);
}

static void reads_returns(void **state)
{
	(void)state;
	struct arena *a = arena_new();
	struct imap_search s;
	assert_int_equal(parse("RETURN (MIN COUNT) ALL", a, &s), IMAP_SEARCH_OK);
	assert_int_equal(s.returns, IMAP_RETURN_MIN | IMAP_RETURN_COUNT);
	imap_search_fini(&s);
	assert_int_equal(parse("RETURN () CHARSET us-ascii ALL", a, &s), IMAP_SEARCH_OK);
	assert_int_equal(s.returns, IMAP_RETURN_ALL);
	imap_search_fini(&s);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_messages),
		cmocka_unit_test(refuses_bad_programs),
		cmocka_unit_test(bounds_programs),
		cmocka_unit_test(reads_returns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
