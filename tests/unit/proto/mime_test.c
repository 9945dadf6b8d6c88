/* SPDX-License-Identifier: ISC */
/* MIME structure: shapes, octet ranges, bounds (M01, M02, M04, M07 of the hostile cases). */
#include "tests/unit/proto/proto_test.h"

#include <stdio.h>

#include "proto/charset.h"
#include "proto/header.h"
#include "proto/imap_body.h"
#include "proto/mime.h"

static const char two_parts[] = "From: a@x.test\r\nContent-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\npreamble\r\n"
	"--b 1\r\n\r\none\r\ntwo\r\n--b 1  \r\nContent-Type: text/html\r\n\r\n<p>\r\n--b 1--\r\nepilogue\r\n";

static void finds_parts(void **state)
{
	(void)state;
	struct mime_tree t;
	mime_parse(&t, view_of(two_parts));
	assert_int_equal(t.n, 3);
	assert_int_equal(t.part[0].kind, MIME_MULTIPART);
	assert_view(mime_body(&t, &t.part[1]), "one\r\ntwo");
	assert_int_equal(t.part[1].lines, 1);
	assert_view(mime_body(&t, &t.part[2]), "<p>");
	assert_view(mime_header(&t, &t.part[2]), "Content-Type: text/html\r\n\r\n");
	assert_true(mime_is(&t.part[1], "text", "plain"));
	assert_true(mime_is(&t.part[2], "TEXT", "html"));
	mime_free(&t);
}

/* RFC 2231 3, RFC 2231 4: the boundary may come in pieces, and with octets as %XX. */
static void takes_boundaries_apart(void **state)
{
	(void)state;
	static const char *const types[] = {
		"boundary*=us-ascii'en'a%2Db", "boundary*0=a; boundary*1=\"-b\"", "boundary*1=b; x=y; boundary*0=a-", "boundary*0*=''a%2d; boundary*1=b",
		"Boundary*=utf-8''a-b", "boundary=old; boundary*=''a-b", "boundary=\"a-b\"", "boundary*0=a-b; boundary*2=c",
	};
	static const char *const none[] = { "boundary*1=a-b", "boundary*=''", "boundary*0*=", "boundaries*=''a-b", "boundary*=''a%2" };
	for (size_t i = 0; i < 8 + 5; i++) {
		struct mime_tree t;
		char text[300];
		snprintf(text, sizeof text, "Content-Type: multipart/mixed; %s\r\n\r\n--a-b\r\n\r\none\r\n--a-b\r\n\r\ntwo\r\n--a-b--\r\n",
			i < 8 ? types[i] : none[i - 8]);
		mime_parse(&t, view_of(text));
		assert_int_equal(t.n, i < 8 ? 3 : 1);
		if (i < 8)
			assert_view(mime_body(&t, &t.part[2]), "two");
		mime_free(&t);
	}
}

static void numbers_sections(void **state)
{
	(void)state;
	const char *text = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n"
			   "Subject: in\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n"
			   "--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nsingle\r\n--a--\r\n";
	struct mime_tree t;
	mime_parse(&t, view_of(text));
	const struct mime_part *p = mime_find(&t, (const uint32_t[]){ 1, 2 }, 2);
	assert_non_null(p);
	assert_view(mime_body(&t, p), "y");
	p = mime_find(&t, (const uint32_t[]){ 2, 1 }, 2);
	assert_non_null(p);
	assert_view(mime_body(&t, p), "single");
	assert_null(mime_find(&t, (const uint32_t[]){ 3 }, 1));
	assert_null(mime_find(&t, (const uint32_t[]){ 2, 2 }, 2));
	assert_null(mime_find(&t, (const uint32_t[]){ 1, 1, 1 }, 3));
	mime_free(&t);
	mime_parse(&t, VIEW("A: b\r\n\r\nbody"));
	assert_ptr_equal(mime_find(&t, (const uint32_t[]){ 1 }, 1), &t.part[0]);
	assert_null(mime_find(&t, (const uint32_t[]){ 1, 1 }, 2));
	mime_free(&t);
}

static void survives_fragments(void **state)
{
	(void)state;
	const char *texts[] = { "", "\r\n", "\n", "a", "Content-Type: multipart/mixed; boundary=x", "Content-Type: message/rfc822\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mime_tree t;
		struct buf b;
		mime_parse(&t, view_of(texts[i]));
		buf_init(&b, 10000);
		imap_put_structure(&b, &t, true);
		assert_true(buf_len(&b) > 0);
		buf_fini(&b);
		mime_free(&t);
	}
}

/* The tree and its rendering, within a second. */
static void within_bounds(struct buf *message, uint32_t parts_least, uint32_t parts_most)
{
	struct mime_tree t;
	struct buf b;
	clock_t begin = clock();
	mime_parse(&t, buf_view(message));
	assert_in_range(t.n, parts_least, parts_most);
	for (uint32_t i = 0; i < t.n; i++)
		assert_true(t.part[i].depth <= MIME_DEPTH_MAX);
	buf_init(&b, IMAP_STRUCTURE_MAX);
	imap_put_structure(&b, &t, true);
	assert_true(buf_ok(&b));
	assert_true(clock() - begin < 4 * CLOCKS_PER_SEC);
	buf_fini(&b);
	mime_free(&t);
	buf_fini(message);
}

static void bounds_nesting(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 26);
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	within_bounds(&b, MIME_DEPTH_MAX, MIME_DEPTH_MAX + 1);
	buf_init(&b, 1 << 26);
	for (int i = 0; i < 10000; i++)
		buf_adds(&b, "Content-Type: message/rfc822\r\n\r\n");
	within_bounds(&b, MIME_DEPTH_MAX, MIME_DEPTH_MAX + 1);
}

static void bounds_parts(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 26);
	buf_adds(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 1000000; i++)
		buf_adds(&b, "--b\r\n\r\n\r\n");
	within_bounds(&b, MIME_PARTS_MAX, MIME_PARTS_MAX);
}

static void joins_parameters(void **state)
{
	(void)state;
	static const struct {
		const char *raw, *name, *text;
	} rows[] = {
		{ "text/plain; name=\"a \\\"b\\\" c\"", "name", "a \"b\" c" },
		{ "text/plain (a (nested) one) ; name = x", "name", "x" },
		{ "text/plain; name*0=\"ab\"; name*1=cd", "name", "abcd" },
		{ "text/plain; name*1=cd; name*0=ab", "name", "abcd" },
		{ "text/plain; name*0=a; name*2=c", "name", "a" },
		{ "text/plain; name*0=a; name*0=b; name*2147483648=c", "name", "a" },
		{ "text/plain; name*=utf-8''%e2%82%ac%20rates", "name", "\xe2\x82\xac rates" },
		{ "text/plain; name*0*=iso-8859-1'de'%fc; name*1=ber", "name", "\xc3\xbc" "ber" },
		{ "text/plain; name*=utf-8''%", "name", "%" },
		{ "text/plain; name*=utf-8''%zz%4", "name", "%zz%4" },
		{ "text/plain; a; ;; =x; name=y", "name", "y" },
		{ "text/plain; name=\"unfinished", "name", "unfinished" },
		{ "text/plain; name=\"fold\r\n ed\"", "name", "fold ed" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *a = arena_new();
		struct mime_value v;
		struct buf b;
		buf_init(&b, 1000);
		assert_true(mime_value_parse(a, view_of(rows[i].raw), true, &v));
		assert_true(mime_param_text(&v, rows[i].name, &b));
		assert_view(buf_view(&b), rows[i].text);
		buf_fini(&b);
		arena_free(a);
	}
}

static void bounds_parameters(void **state)
{
	(void)state;
	struct buf b;
	struct mime_value v;
	struct arena *a = arena_new();
	buf_init(&b, 1 << 24);
	buf_adds(&b, "text/plain");
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "; name*%d*=x", i);
	assert_true(mime_value_parse(a, buf_view(&b), true, &v));
	assert_int_equal(v.n, 1);
	assert_true(v.params[0].value.n <= MIME_PARAMS_MAX);
	buf_fini(&b);
	arena_free(a);
}

static void bare_cr_ends_nothing(void **state)
{
	(void)state;
	struct header_iter it;
	struct header_field f;
	header_begin(&it, VIEW("Subject: a\rBcc: b\r\n\tfolded \r\nJunk line\r\nX:\r\n\r\nbody"));
	assert_true(header_next(&it, &f));
	assert_view(f.raw, " a\rBcc: b\r\n\tfolded ");
	assert_true(header_next(&it, &f));
	assert_int_equal(f.name.n, 0);
	assert_true(header_next(&it, &f));
	assert_view(f.name, "X");
	assert_false(header_next(&it, &f));
	assert_view(view_skip(it.in, it.at), "body");
}

static void decodes_words(void **state)
{
	(void)state;
	static const struct {
		const char *raw, *text;
	} rows[] = {
		{ " =?utf-8?q?a_b=3D?= =?UTF-8?B?w7w=?=\r\n c", "a b=\xc3\xbc c" },
		{ "=?iso-8859-1*en?Q?=FC?=x", "\xc3\xbcx" },
		{ "=?utf-8?B?====?=", "" },
		{ "=?utf-8?x?a?= =?utf-8?q?", "=?utf-8?x?a?= =?utf-8?q?" },
		{ "=?no-such?q?a=FC=FDb?=", "a\xef\xbf\xbd" "b" },
		{ "plain \xff text", "plain \xef\xbf\xbd text" },
		{ "=?utf-8?q?=ED=A0=80?=", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		words_decode(&b, view_of(rows[i].raw));
		assert_view(buf_view(&b), rows[i].text);
		assert_true(utf8_ok(buf_view(&b)));
		buf_fini(&b);
	}
}

static void folds_case(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "@AZ[`az{ The QUICK brown FOX 0123456789", "@az[`az{ the quick brown fox 0123456789" },
		{ "\xc3\x84\xc3\x96\xc3\x9c STRASSE \xc3\x9f", "\xc3\xa4\xc3\xb6\xc3\xbc strasse \xc3\x9f" },
		{ "\xce\xa3\xcf\x82 \xd0\x96 \xc5\xb8", "\xcf\x83\xcf\x83 \xd0\xb6 \xc3\xbf" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		utf8_fold(&b, view_of(rows[i].in));
		assert_view(buf_view(&b), rows[i].out);
		buf_fini(&b);
	}
}

/* M08: a million words. */
static void bounds_words(void **state)
{
	(void)state;
	struct buf in, out;
	buf_init(&in, 1 << 26);
	buf_init(&out, 1 << 26);
	for (int i = 0; i < 1000000; i++)
		buf_adds(&in, "=?utf-8?q?x?= ");
	clock_t begin = clock();
	words_decode(&out, buf_view(&in));
	assert_int_equal(buf_len(&out), 1000000);
	assert_true(clock() - begin < 4 * CLOCKS_PER_SEC);
	buf_fini(&in);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_parts),
		cmocka_unit_test(takes_boundaries_apart),
		cmocka_unit_test(numbers_sections),
		cmocka_unit_test(survives_fragments),
		cmocka_unit_test(bounds_nesting),
		cmocka_unit_test(bounds_parts),
		cmocka_unit_test(joins_parameters),
		cmocka_unit_test(bounds_parameters),
		cmocka_unit_test(bare_cr_ends_nothing),
		cmocka_unit_test(decodes_words),
		cmocka_unit_test(folds_case),
		cmocka_unit_test(bounds_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
