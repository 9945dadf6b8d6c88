/* SPDX-License-Identifier: ISC */
/* What sendmail makes of a program's output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/sendmail.h"

struct take_case {
	const char *in, *out, *rcpts; /* rcpts with "|" for NUL */
	bool from_headers, ignore_dots;
	int code;
};

#define FROM "From: \"Carol \\\"C\\\"\" <carol@host.test>\r\n"

static void takes(void **state)
{
	static const struct take_case cases[] = {
		{ "Subject: x\n\nhello\n", FROM "Subject: x\r\n\r\nhello\r\n", "", false, false, SM_OK },
		{ "Subject: x\r\n\r\nhello\r\n", FROM "Subject: x\r\n\r\nhello\r\n", "", false, false, SM_OK },
		{ "just text\n", FROM "\r\njust text\r\n", "", false, false, SM_OK },
		{ "\ntext\n", FROM "\r\ntext\r\n", "", false, false, SM_OK },
		{ "From: a@x.test\n\nno end", "From: a@x.test\r\n\r\nno end\r\n", "", false, false, SM_OK },
		{ "From: a@x.test\n\n50%\r100%\n", "From: a@x.test\r\n\r\n50%\r\n100%\r\n", "", false, false, SM_OK },
		{ "From: a@x.test\n\na\n.\nb\n", "From: a@x.test\r\n\r\na\r\n", "", false, false, SM_OK },
		{ "From: a@x.test\n\na\n.\nb\n", "From: a@x.test\r\n\r\na\r\n.\r\nb\r\n", "", false, true, SM_OK },
		{ "From carol Sun Nov 22\nFrom: a@x.test\n\na\n", "From: a@x.test\r\n\r\na\r\n", "", false, false, SM_OK },
		{ "From: a@x.test\nTo: b@y.test, C <c@y.test>\nBcc: d@y.test,\n e@y.test\nCc: root\n\na\n",
			"From: a@x.test\r\nTo: b@y.test, C <c@y.test>\r\nCc: root\r\n\r\na\r\n", "b@y.test|c@y.test|d@y.test|e@y.test|root|", true, false,
			SM_OK },
		{ "Subject: x\n\na\n", "", "", true, false, SM_DATA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sendmail s = { .hostname = "host.test", .user = "carol", .name = "Carol \"C\"", .from_headers = cases[i].from_headers,
			.ignore_dots = cases[i].ignore_dots };
		buf_init(&s.message, 100000);
		buf_init(&s.rcpts, 100000);
		int code = sendmail_take(&s, view_of(cases[i].in));
		for (size_t k = 0; k < buf_len(&s.rcpts); k++)
			if (!s.rcpts.mem[s.rcpts.off + k])
				s.rcpts.mem[s.rcpts.off + k] = '|';
		if (code != cases[i].code || !view_eqs(buf_view(&s.rcpts), cases[i].rcpts) ||
			(code == SM_OK && !view_eqs(buf_view(&s.message), cases[i].out)))
			fail_msg("%zu: code %d, rcpts %s, message %s", i, code, buf_str(&s.rcpts), buf_str(&s.message));
		buf_fini(&s.message);
		buf_fini(&s.rcpts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(takes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
