/* SPDX-License-Identifier: ISC */
/* Remembered answers, and the names of users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "smtpd/answers.h"
#include "smtpd/users.h"

static void believed_for_a_while(void **state)
{
	struct answers *t = answers_new();
	struct answer *a = answer_new(VIEW("sealed"));

	(void)state;
	assert_null(answers_get(t, VIEW("a@x"), 1000));
	answers_put(t, VIEW("a@x"), a, 1000);
	answer_unref(a);
	a = answers_get(t, VIEW("a@x"), 1000 + ANSWERS_LIFE - 1);
	assert_non_null(a);
	assert_true(view_eqs(a->sealed, "sealed"));
	assert_null(answers_get(t, VIEW("a@x"), 1000 + ANSWERS_LIFE));
	assert_null(answers_get(t, VIEW("a@x"), 1000));
	/* Ours lives on when the table has forgotten it. */
	assert_true(view_eqs(a->sealed, "sealed"));
	answer_unref(a);
	answers_free(t);
}

static void replaced_and_bounded(void **state)
{
	struct answers *t = answers_new();
	char *big = mem_new(ANSWERS_OCTETS / 4);
	char key[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct answer *a = answer_new(view_make(big, ANSWERS_OCTETS / 4));
		answers_put(t, VIEW("same"), a, 0);
		snprintf(key, sizeof key, "%d", i % 7);
		answers_put(t, view_of(key), a, 0);
		answer_unref(a);
	}
	struct answer *last = answers_get(t, view_of(key), 1);
	assert_non_null(last);
	answer_unref(last);
	for (int i = 0; i < 3 * ANSWERS_MAX; i++) {
		struct answer *a = answer_new(VIEW_NONE);
		snprintf(key, sizeof key, "many%d", i);
		answers_put(t, view_of(key), a, 0);
		answer_unref(a);
	}
	last = answers_get(t, view_of(key), 1);
	assert_non_null(last);
	answer_unref(last);
	assert_null(answers_get(t, VIEW("many0"), 1));
	answers_clear(t);
	assert_null(answers_get(t, view_of(key), 1));
	free(big);
	answers_free(t);
}

static void names_of_users(void **state)
{
	struct users *u = users_parse(VIEW("root:x:0:0:root:/root:/bin/sh\ncarol:x:1000:1000::/home/carol:/bin/sh\ntwin:x:1000:1:::\nbad\n:x:5:5::\n"
					   "neg:x:-1:0:::\nbig:x:4294967296:0:::\nwith blank:x:7:7:::\n<evil>:x:8:8:::\nlast:x:4294967295:0:::"));

	(void)state;
	assert_true(view_eqs(users_name(u, 0), "root"));
	assert_true(view_eqs(users_name(u, 1000), "carol"));
	assert_true(view_eqs(users_name(u, 4294967295), "last"));
	for (uint32_t uid = 1; uid < 10; uid++)
		assert_int_equal(users_name(u, uid).n, 0);
	users_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(believed_for_a_while),
		cmocka_unit_test(replaced_and_bounded),
		cmocka_unit_test(names_of_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
