/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "auth/verify.h"
#include "base/buf.h"
#include "base/mem.h"
#include "tls/scram.h"

/* A hash that costs minutes or gigabytes, or that is of a broken kind, is never computed. */
static void bounds_what_a_hash_costs(void **state)
{
	(void)state;
	assert_true(verify_hash_bearable(VIEW("$y$j9T$salt$hash")));
	assert_true(verify_hash_bearable(VIEW("$gy$j9T$salt$hash")));
	assert_true(verify_hash_bearable(VIEW("$6$salt$hash")));
	assert_true(verify_hash_bearable(VIEW("$6$rounds=10000$salt$hash")));
	assert_true(verify_hash_bearable(VIEW("$2b$10$salt")));
	assert_false(verify_hash_bearable(VIEW("$6$rounds=999999999$salt$hash")));
	assert_false(verify_hash_bearable(VIEW("$6$rounds=99999999999999999999$salt$hash")));
	assert_false(verify_hash_bearable(VIEW("$6$rounds=-1$salt$hash")));
	assert_false(verify_hash_bearable(VIEW("$5$rounds=")));
	assert_false(verify_hash_bearable(VIEW("$2b$31$salt")));
	assert_false(verify_hash_bearable(VIEW("$2b$1")));
	assert_false(verify_hash_bearable(VIEW("$y$jzT$salt$hash")));
	assert_false(verify_hash_bearable(VIEW("$y$j9z$salt$hash")));
	assert_false(verify_hash_bearable(VIEW("$y$k9T$salt$hash")));
	assert_false(verify_hash_bearable(VIEW("$y$j")));
	assert_false(verify_hash_bearable(VIEW("$1$salt$hash")));
	assert_false(verify_hash_bearable(VIEW("$7$CU..../....salt")));
	assert_false(verify_hash_bearable(VIEW("abJnggxhB/yWI")));
	assert_false(verify_hash_bearable(VIEW("geheim")));
	assert_false(verify_hash_bearable(VIEW("")));
	assert_false(verify_hash_bearable(VIEW("*")));
	assert_false(verify_hash_bearable(VIEW("$6$salt\0hash")));
}

static void tells_right_from_wrong(void **state)
{
	struct verifier *v = verifier_new();
	struct crypt_data *data = mem_new(sizeof(*data));
	char hash[400], big[600];

	(void)state;
	strcpy(hash, crypt_r("geheim", "$2b$04$abcdefghijklmnopqrstuu", data));
	memset(big, 'x', sizeof(big));
	assert_true(verify_password(v, view_of(hash), VIEW("geheim")));
	assert_false(verify_password(v, view_of(hash), VIEW("geheim2")));
	assert_false(verify_password(v, view_of(hash), VIEW("geheim\0")));
	assert_false(verify_password(v, view_of(hash), VIEW("")));
	assert_false(verify_password(v, view_of(hash), view_make(big, sizeof(big))));
	assert_false(verify_password(v, VIEW(""), VIEW("geheim")));
	assert_false(verify_password(v, VIEW("*"), VIEW("geheim")));
	assert_false(verify_password(v, VIEW("geheim"), VIEW("geheim")));
	assert_false(verify_password(v, VIEW("$2b$04$short"), VIEW("geheim")));
	free(data);
	verifier_free(v);
}

static void remembers_for_a_while(void **state)
{
	struct verifier *v = verifier_new();

	(void)state;
	assert_false(verify_cached(v, VIEW("a"), VIEW("h"), VIEW("p"), 0));
	verify_remember(v, VIEW("a"), VIEW("h"), VIEW("p"), 1000, 500);
	assert_true(verify_cached(v, VIEW("a"), VIEW("h"), VIEW("p"), 1499));
	assert_false(verify_cached(v, VIEW("a"), VIEW("h"), VIEW("q"), 1499));
	assert_false(verify_cached(v, VIEW("a"), VIEW("h2"), VIEW("p"), 1499));
	assert_false(verify_cached(v, VIEW("ah"), VIEW(""), VIEW("p"), 1499));
	assert_false(verify_cached(v, VIEW("a"), VIEW("h"), VIEW("p"), 1500));
	verify_remember(v, VIEW("a"), VIEW("h"), VIEW("p"), 1000, 0);
	assert_false(verify_cached(v, VIEW("a"), VIEW("h"), VIEW("p"), 1000));
	for (uint64_t i = 0; i < 50000; i++)
		verify_remember(v, VIEW("a"), VIEW("h"), view_make(&i, sizeof(i)), 1000, 500);
	uint64_t last = 49999;
	assert_true(verify_cached(v, VIEW("a"), VIEW("h"), view_make(&last, sizeof(last)), 1000));
	verifier_free(v);
}

static void nobody_has_steady_keys(void **state)
{
	struct verifier *a = verifier_new(), *b = verifier_new();
	struct buf one, two;

	(void)state;
	buf_init(&one, 512);
	buf_init(&two, 512);
	verifier_set_secret(a, VIEW("the suite's"));
	verifier_set_secret(b, VIEW("the suite's"));
	verify_scram_of_nobody(a, VIEW("x"), &one);
	verify_scram_of_nobody(b, VIEW("x"), &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	buf_reset(&two);
	verify_scram_of_nobody(b, VIEW("y"), &two);
	assert_false(view_eq(buf_view(&one), buf_view(&two)));
	buf_reset(&two);
	scram_put(&two, VIEW("geheim"));
	/* From the outside it looks like a real one. */
	assert_int_equal(buf_len(&one), buf_len(&two));
	buf_fini(&one);
	buf_fini(&two);
	verifier_free(a);
	verifier_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_what_a_hash_costs),
		cmocka_unit_test(tells_right_from_wrong),
		cmocka_unit_test(remembers_for_a_while),
		cmocka_unit_test(nobody_has_steady_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
