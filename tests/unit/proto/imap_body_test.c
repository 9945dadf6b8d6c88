/* SPDX-License-Identifier: ISC */
/* ENVELOPE, BODY, BODYSTRUCTURE, and the sections of FETCH. */
#include "tests/unit/proto/proto_test.h"

#include "base/num.h"
#include "proto/imap_body.h"
#include "proto/imap_fetch.h"

static void renders_envelopes(void **state)
{
	(void)state;
	static const struct {
		const char *header, *text;
	} rows[] = {
		{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Date: d\r\nSubject: a \"b\"\r\n c\r\nFrom: A B <a@x.test>\r\nTo: b@x.test, \"C, D\" <c@x.test>\r\nMessage-ID: <1@x>\r\n\r\n",
			"(\"d\" \"a \\\"b\\\" c\" ((\"A B\" NIL \"a\" \"x.test\")) ((\"A B\" NIL \"a\" \"x.test\")) ((\"A B\" NIL \"a\" \"x.test\")) "
			"((NIL NIL \"b\" \"x.test\")(\"C, D\" NIL \"c\" \"x.test\")) NIL NIL NIL \"<1@x>\")" },
		{ "From: a@x.test (Real Name)\r\nFrom: evil@y.test\r\nSender:\r\n\r\n",
			"(NIL NIL ((\"Real Name\" NIL \"a\" \"x.test\")) ((\"Real Name\" NIL \"a\" \"x.test\")) ((\"Real Name\" NIL \"a\" \"x.test\")) NIL NIL NIL NIL NIL)" },
		{ "To: undisclosed-recipients:;\r\n\r\n",
			"(NIL NIL NIL NIL NIL ((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)" },
		{ "To: g: a@x, b:c:;, <@r1,@r2:d@y>, noone\r\n\r\n",
			"(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"x\")(NIL NIL \"b\" \"\")(NIL NIL NIL NIL)(NIL \"@r1,@r2\" \"d\" \"y\")(NIL NIL "
			"\"noone\" \"\")) NIL NIL NIL NIL)" },
		{ "Subject: \xc3\xbc\r\n\r\n", "(NIL {2}\r\n\xc3\xbc NIL NIL NIL NIL NIL NIL NIL NIL)" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;
		buf_init(&b, 10000);
		imap_put_envelope(&b, view_of(rows[i].header));
		assert_view(buf_view(&b), rows[i].text);
		buf_fini(&b);
	}
}

/* M05: what one hostile field costs. */
static void bounded_envelope(const char *prefix, const char *piece, int times)
{
	struct buf in, out;
	buf_init(&in, 1 << 26);
	buf_init(&out, 1 << 24);
	buf_adds(&in, prefix);
	for (int i = 0; i < times; i++)
		buf_adds(&in, piece);
	buf_adds(&in, "\r\n\r\n");
	clock_t begin = clock();
	imap_put_envelope(&out, buf_view(&in));
	assert_true(buf_ok(&out));
	assert_true(clock() - begin < 4 * CLOCKS_PER_SEC);
	buf_fini(&in);
	buf_fini(&out);
}

static void bounds_envelopes(void **state)
{
	(void)state;
	bounded_envelope("To: ", "a@x.test, ", 1000000);
	bounded_envelope("To: ", "(", 1000000);
	bounded_envelope("To: a", "\"(<", 300000);
	bounded_envelope("To: ", "a:", 300000);
	bounded_envelope("To: ", "<@a,", 300000);
	bounded_envelope("To: ", "a:b:c:;,", 200000);
	bounded_envelope("Subject: ", "x\r\n ", 1000000);
	bounded_envelope("", "To: a@x\r\n", 500000);
}

static void renders_structures(void **state)
{
	(void)state;
	static const struct {
		const char *message, *body, *structure;
	} rows[] = {
		{ "A: b\r\n\r\nx\r\ny\r\n", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 2)",
			"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 2 NIL NIL NIL NIL)" },
		{ "Content-Type: multipart/Mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png; name=\"a.png\"\r\n"
		  "Content-Disposition: attachment; filename=a.png\r\nContent-Transfer-Encoding: BASE64\r\nContent-ID: <i>\r\n"
		  "Content-Language: de, en\r\n\r\nAAAA\r\n--b--\r\n",
			"((\"image\" \"png\" (\"name\" \"a.png\") \"<i>\" NIL \"BASE64\" 4) \"Mixed\")",
			"((\"image\" \"png\" (\"name\" \"a.png\") \"<i>\" NIL \"BASE64\" 4 NIL (\"attachment\" (\"filename\" \"a.png\")) (\"de\" \"en\") NIL) "
			"\"Mixed\" (\"boundary\" \"b\") NIL NIL NIL)" },
		{ "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nhi\r\n",
			"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") "
			"NIL NIL \"7bit\" 4 1) 3)",
			NULL },
		{ "Content-Type: multipart/mixed\r\n\r\nx", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)", NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_tree t;
		struct buf b;
		buf_init(&b, 10000);
		mime_parse(&t, view_of(rows[i].message));
		imap_put_structure(&b, &t, false);
		assert_view(buf_view(&b), rows[i].body);
		buf_reset(&b);
		imap_put_structure(&b, &t, true);
		if (rows[i].structure)
			assert_view(buf_view(&b), rows[i].structure);
		buf_fini(&b);
		mime_free(&t);
	}
}

static const char nested[] = "Subject: out\r\nFrom: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--b--\r\n";

/* Renderings are kept beside the mail. When this fails for a change that was meant, raise IMAP_BODY_VERSION, and state the new sum here. */
static void version_names_the_rendering(void **state)
{
	static const char message[] = "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nSubject: =?utf-8?q?a?= \"b\"\r\n folded \xc3\xbc\r\nFrom: \"A, B\" <a@x.test>\r\n"
		"Sender: s@x.test (Comment)\r\nTo: g: a@x, b;, <@r1:d@y>\r\nCc: (only)\r\nIn-Reply-To: <0@x>\r\nMessage-ID: <1@x>\r\n"
		"Content-Type: multipart/mixed; boundary=b\r\nContent-Language: de, en\r\n\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: image/png; name*0=a;"
		" name*1=\"b c\"\r\nContent-Disposition: attachment; filename=x\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <i@x>\r\n"
		"Content-MD5: xyz\r\nContent-Location: l\r\nContent-Description: d\r\n\r\nAAAA\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: n@x\r\n\r\nin\r\n"
		"--b\r\nContent-Type: nonsense\r\n\r\nx\r\n--b--\r\n";
	struct mime_tree t;
	struct buf b;
	(void)state;
	buf_init(&b, 100000);
	imap_put_envelope(&b, view_of(message));
	mime_parse(&t, view_of(message));
	imap_put_structure(&b, &t, false);
	imap_put_structure(&b, &t, true);
	assert_int_equal(IMAP_BODY_VERSION, 2);
	assert_int_equal(crc32c(0, buf_view(&b).p, buf_len(&b)), 0x256919de);
	mime_free(&t);
	buf_fini(&b);
}

static void finds_sections(void **state)
{
	(void)state;
	static const struct {
		const char *item, *label, *text;
	} rows[] = {
		{ "BODY[HEADER.FIELDS (subject X)]", "BODY[HEADER.FIELDS (subject X)]", "Subject: out\r\n\r\n" },
		{ "BODY.PEEK[HEADER.FIELDS.NOT (\"subject\" Content-type)]", "BODY[HEADER.FIELDS.NOT (subject Content-type)]", "From: a\r\n\r\n" },
		{ "BODY[1]", "BODY[1]", "one" },
		{ "BODY[1.MIME]", "BODY[1.MIME]", "Content-Type: text/plain\r\n\r\n" },
		{ "BODY[2.HEADER]", "BODY[2.HEADER]", "Subject: in\r\n\r\n" },
		{ "BODY[2.TEXT]", "BODY[2.TEXT]", "inner" },
		{ "BODY[2.1]<1.3>", "BODY[2.1]<1>", "nne" },
		{ "BODY[2.1]<9.3>", "BODY[2.1]<9>", "" },
		{ "BODY[]<0.9>", "BODY[]<0>", "Subject: " },
		{ "RFC822.HEADER", "RFC822.HEADER", "Subject: out\r\nFrom: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" },
		{ "BODY[3]", "BODY[3]", NULL },
		{ "BODY[1.HEADER]", "BODY[1.HEADER]", NULL },
	};
	struct mime_tree tree;
	struct arena *a = arena_new();
	mime_parse(&tree, view_of(nested));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_text t = { .in = view_of(rows[i].item), .arena = a };
		struct imap_fetch f;
		struct buf b;
		size_t at = 0, n = 0;
		bool in_own;
		assert_true(imap_fetch_parse(&t, &f) && imap_at_end(&t));
		buf_init(&b, 1000);
		imap_put_fetch_label(&b, &f.item[0]);
		assert_view(buf_view(&b), rows[i].label);
		buf_reset(&b);
		bool found = imap_section_find(&f.item[0], view_of(nested), &tree, &at, &n, &b, &in_own);
		assert_int_equal(found, rows[i].text != NULL);
		if (found)
			assert_view(view_head(view_skip(in_own ? buf_view(&b) : view_of(nested), at), n), rows[i].text);
		buf_fini(&b);
	}
	mime_free(&tree);
	arena_free(a);
}

static void refuses_bad_items(void **state)
{
	(void)state;
	static const char *const rows[] = { "", "(", "()", "FOO", "(FLAGS", "(FLAGS  UID)", "BODY[", "BODY[0]", "BODY[1.]", "BODY[MIME]", "BODY[1..2]",
		"BODY[]<0>", "BODY[]<0.0>", "BODY[]<-1.5>", "BODY[HEADER.FIELDS]", "BODY[HEADER.FIELDS ()]", "BODY[4294967296]", "BODY[HEADER.FIELDS (a]",
		"(ALL)" };
	struct arena *a = arena_new();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_text t = { .in = view_of(rows[i]), .arena = a };
		struct imap_fetch f;
		if (imap_fetch_parse(&t, &f) && imap_at_end(&t))
			fail_msg("taken: %s", rows[i]);
	}
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renders_envelopes),
		cmocka_unit_test(bounds_envelopes),
		cmocka_unit_test(renders_structures),
		cmocka_unit_test(version_names_the_rendering),
		cmocka_unit_test(finds_sections),
		cmocka_unit_test(refuses_bad_items),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
