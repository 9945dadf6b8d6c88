/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proto/address.h"
#include "proto/address_list.h"

/* What a path reads as; NULL: it must be refused. */
struct path_case {
	const char *in, *out;
	unsigned form;
};

static void paths(void **state)
{
	static const struct path_case cases[] = {
		{ "<a@example.org>", "a@example.org", 0 },
		{ "<A.b@EXAMPLE.org>", "A.b@example.org", 0 },
		{ "<>", "", ADDRESS_REVERSE },
		{ "<>", NULL, 0 },
		{ "<postmaster>", "postmaster", 0 },
		{ "<PostMaster>", "PostMaster", 0 },
		{ "<root>", NULL, 0 },
		{ "<root>", "root", ADDRESS_BARE },
		{ "<@a.test,@b.test:u@c.test>", "u@c.test", 0 },
		{ "<@a.test,u@c.test>", NULL, 0 },
		{ "<\"a b\"@x.test>", "\"a b\"@x.test", 0 },
		{ "<\"a\\\"b\"@x.test>", "\"a\\\"b\"@x.test", 0 },
		{ "<\"a@b\"@x.test>", "\"a@b\"@x.test", 0 },
		{ "<\"plain\"@x.test>", "plain@x.test", 0 },
		{ "<\"pl\\ain\"@x.test>", "plain@x.test", 0 },
		{ "<\"\"@x.test>", "\"\"@x.test", 0 },
		{ "<\"|/bin/id\"@localhost>", "|/bin/id@localhost", 0 },
		{ "<|/bin/sh -c id>", NULL, ADDRESS_BARE },
		{ "</etc/passwd>", NULL, 0 },
		{ "<:include:/etc/passwd>", NULL, ADDRESS_BARE },
		{ "<;sleep 66;>", NULL, ADDRESS_BARE },
		{ "<u@evil@here.test>", NULL, 0 },
		{ "<u%evil@here.test>", "u%evil@here.test", 0 },
		{ "<.a@x.test>", NULL, 0 },
		{ "<a.@x.test>", NULL, 0 },
		{ "<a..b@x.test>", NULL, 0 },
		{ "<a@x..test>", NULL, 0 },
		{ "<a@x.test.>", NULL, 0 },
		{ "<a@-x.test>", NULL, 0 },
		{ "<a@[192.0.2.1]>", "a@[192.0.2.1]", 0 },
		{ "<a@[192.0.2.256]>", NULL, 0 },
		{ "<a@[IPv6:2001:db8::1]>", "a@[ipv6:2001:db8::1]", 0 },
		{ "<a@[IPv6:2001:db8:::1]>", NULL, 0 },
		{ "<a@[192.0.2.1>", NULL, 0 },
		{ "<a@x.test", NULL, 0 },
		{ "a@x.test", NULL, 0 },
		{ "<\"a\r\nBcc: x\"@x.test>", NULL, 0 },
		{ "<\"a\\\r\nBcc: x\"@x.test>", NULL, 0 },
		{ "<\303\274@x.test>", "\303\274@x.test", ADDRESS_UTF8 },
		{ "<\303\274@x.test>", NULL, 0 },
		{ "<\303@x.test>", NULL, ADDRESS_UTF8 },
		{ "<a@b\303\274.test>", "a@b\303\274.test", ADDRESS_UTF8 },
		{ "<a@b\303\274.test>", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct address a;
		struct view in = view_of(cases[i].in);
		bool ok = address_path(&in, cases[i].form, &a);
		if (ok != (cases[i].out != NULL) || (ok && (!view_eqs(address_view(&a), cases[i].out) || in.n)))
			fail_msg("%s gave %s", cases[i].in, ok ? a.text : "nothing");
	}
}

/* Bounds: the longest that is taken, and one more; nothing is ever cut. */
static void long_parts(void **state)
{
	char text[1000];
	struct address a;

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text + ADDRESS_LOCAL_MAX, "@x.test", 7);
	assert_true(address_mailbox(view_make(text, ADDRESS_LOCAL_MAX + 7), 0, &a));
	assert_int_equal(address_local(&a).n, ADDRESS_LOCAL_MAX);
	memset(text, 'a', sizeof text);
	memcpy(text + ADDRESS_LOCAL_MAX + 1, "@x.test", 7);
	assert_false(address_mailbox(view_make(text, ADDRESS_LOCAL_MAX + 8), 0, &a));
	memset(text, 'a', sizeof text);
	memcpy(text, "a@", 2);
	assert_true(address_mailbox(view_make(text, 2 + 63), 0, &a));
	assert_false(address_mailbox(view_make(text, 2 + 64), 0, &a));
	for (size_t i = 65; i < sizeof text; i += 64)
		text[i] = '.';
	assert_true(address_mailbox(view_make(text, 2 + 255), 0, &a));
	assert_false(address_mailbox(view_make(text, 2 + 257), 0, &a));
}

static void nul_is_no_end(void **state)
{
	struct address a;
	struct view in = VIEW("<a\0b@x.test>");

	(void)state;
	assert_false(address_path(&in, ADDRESS_UTF8, &a));
	assert_false(address_is_helo(VIEW("a\0b")));
}

static void helo_names(void **state)
{
	static const struct {
		const char *in;
		bool ok;
	} cases[] = {
		{ "mail.example.org", true }, { "[127.0.0.1]", true }, { "[IPv6:::1]", true }, { "x) by evil (y", true }, { "", false },
		{ "[127.0.0.1", false }, { "a\001b", false }, { "a\tb", false }, { "[300.1.1.1]", false }, { "under_score", true },
	};
	char text[400];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (address_is_helo(view_of(cases[i].in)) != cases[i].ok)
			fail_msg("%s", cases[i].in);
	memset(text, 'a', sizeof text);
	assert_false(address_is_helo(view_make(text, sizeof text)));
}

static bool gather(void *arg, const struct address *a)
{
	char *all = arg;

	assert_true(strlen(all) + a->n + 2 < 1000);
	strncat(all, a->text, a->n);
	strcat(all, "|");
	return true;
}

static void from_fields(void **state)
{
	static const struct path_case cases[] = {
		{ "a@x.test", "a@x.test|", 0 },
		{ " \"A, B\" <a@x.test>, (c, d) b@Y.test (e)\r\n", "a@x.test|b@y.test|", 0 },
		{ "John Q. Public <a@x.test>", "a@x.test|", 0 },
		{ "=?utf-8?q?J=C3=BC?=\r\n <a@x.test>", "a@x.test|", 0 },
		{ "team: a@x.test, B <b@x.test>;", "a@x.test|b@x.test|", 0 },
		{ "undisclosed:;", "", 0 },
		{ "\"a b\"@x.test", "\"a b\"@x.test|", 0 },
		{ "<a@x.test>", "a@x.test|", 0 },
		{ ",a@x.test,,b@x.test", "a@x.test|b@x.test|", 0 },
		{ "bob@y.test <a@x.test>", "a@x.test|", 0 },
		{ "a@x.test b@y.test", NULL, 0 },
		{ "a@x.test <b@y.test", NULL, 0 },
		{ "<a@x.test> <b@y.test>", NULL, 0 },
		{ "<a@x.test> b@y.test", NULL, 0 },
		{ "nobody", NULL, 0 },
		{ "\"open <a@x.test>", NULL, 0 },
		{ "(open <a@x.test>", NULL, 0 },
		{ "<@r.test:a@x.test>", NULL, 0 },
		{ "((((((((((((((((((deep))))))))))))))))))a@x.test", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char all[1000] = "";
		bool ok = address_list_each(view_of(cases[i].in), gather, all, NULL);
		if (ok != (cases[i].out != NULL) || (ok && strcmp(all, cases[i].out)))
			fail_msg("%s gave %s %s", cases[i].in, ok ? "true" : "false", all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),	cmocka_unit_test(long_parts),  cmocka_unit_test(nul_is_no_end),
		cmocka_unit_test(helo_names), cmocka_unit_test(from_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
