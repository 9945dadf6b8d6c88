/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/num.h"
#include "tls/digest.h"
#include "tls/scram.h"
#include "tls/seal.h"

static void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
	struct buf b;
	buf_init(&b, 200);
	buf_addhex(&b, p, n);
	assert_string_equal(buf_str(&b), hex);
	buf_fini(&b);
}

/* FIPS 180-4's examples. */
static void test_sha256(void **state)
{
	uint8_t out[SHA256_OCTETS];
	struct digest *d = digest_new();
	(void)state;
	sha256(VIEW("abc"), out);
	assert_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256(VIEW_NONE, out);
	assert_hex(out, sizeof out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (int round = 0; round < 2; round++) {
		digest_add(d, VIEW("a"));
		digest_add(d, VIEW_NONE);
		digest_add(d, VIEW("bc"));
		digest_end(d, out);
		assert_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	}
	digest_free(d);
}

/* RFC 4231 4.2, 4.3, 4.7 (a key longer than a block). */
static void test_hmac(void **state)
{
	uint8_t out[SHA256_OCTETS];
	char key[131];
	(void)state;
	memset(key, 0x0b, 20);
	hmac_sha256(view_make(key, 20), VIEW("Hi There"), out);
	assert_hex(out, sizeof out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256(VIEW("Jefe"), VIEW("what do ya want for nothing?"), out);
	assert_hex(out, sizeof out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	hmac_sha256(view_make(key, sizeof key), VIEW("Test Using Larger Than Block-Size Key - Hash Key First"), out);
	assert_hex(out, sizeof out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	const struct view parts[] = { VIEW("what do ya "), VIEW_NONE, VIEW("want for nothing?") };
	hmac_sha256_parts(VIEW("Jefe"), parts, 3, out);
	assert_hex(out, sizeof out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void test_seal(void **state)
{
	struct seal_key key, other;
	struct view body = VIEW_NONE;
	struct buf b;
	(void)state;
	seal_key_random(&key);
	seal_key_random(&other);
	buf_init(&b, 1000);
	seal_make(&key, "login", VIEW("alice"), &b);
	assert_int_equal(buf_len(&b), 5 + SEAL_TAG);
	assert_true(seal_open(&key, "login", buf_view(&b), &body));
	assert_true(view_eqs(body, "alice"));
	assert_false(seal_open(&other, "login", buf_view(&b), &body));
	assert_false(seal_open(&key, "route", buf_view(&b), &body));
	for (size_t n = 0; n < buf_len(&b); n++)
		assert_false(seal_open(&key, "login", view_head(buf_view(&b), n), &body));
	for (size_t i = 0; i < buf_len(&b); i++) {
		b.mem[b.off + i] ^= 1;
		assert_false(seal_open(&key, "login", buf_view(&b), &body));
		b.mem[b.off + i] ^= 1;
	}
	buf_reset(&b);
	seal_make(&key, "login", VIEW_NONE, &b);
	assert_true(seal_open(&key, "login", buf_view(&b), &body));
	assert_int_equal(body.n, 0);
	buf_fini(&b);
}

/* The label's end is part of the text: ("ab", "c") is not ("a", "bc"). */
static void test_label(void **state)
{
	struct seal_key key = { { 1 } };
	struct view body;
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	seal_make(&key, "ab", VIEW("c"), &b);
	memmove(b.mem + b.off + 2, b.mem + b.off + 1, SEAL_TAG);
	memcpy(b.mem + b.off, "bc", 2);
	assert_false(seal_open(&key, "a", view_make(b.mem + b.off, 2 + SEAL_TAG), &body));
	buf_fini(&b);
}

/* RFC 7677 3: user "user", password "pencil". */
static void test_scram_keys(void **state)
{
	static const char stored[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
				     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
	struct scram_keys k;
	struct buf salt, b;
	(void)state;
	buf_init(&salt, 100);
	buf_init(&b, 200);
	assert_true(base64_get(&salt, VIEW("W22ZaJ0SNY7soEsUEjb6gQ==")));
	scram_derive(VIEW("pencil"), buf_view(&salt), 4096, &k);
	base64_put(&b, view_make(k.stored, 32));
	buf_addc(&b, ':');
	base64_put(&b, view_make(k.server, 32));
	assert_true(view_ends(view_of(stored), buf_view(&b)));
	assert_true(scram_check(view_of(stored), VIEW("pencil")));
	assert_false(scram_check(view_of(stored), VIEW("Pencil")));
	buf_fini(&salt);
	buf_fini(&b);
}

static void test_scram_stored(void **state)
{
	static const char *const bad[] = {
		"", "SCRAM-SHA-256", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:AAAA", "SCRAM-SHA-256$0:AAAA$AAAA:AAAA", "SCRAM-SHA-256$4096:$AAAA:AAAA",
		"SCRAM-SHA-256$99999999:AAAA$AAAA:AAAA", "SCRAM-SHA-256$4096:!!$AAAA:AAAA", "SCRAM-SHA-1$4096:AAAA$AAAA:AAAA", "$$$:::",
	};
	struct buf a, b;
	(void)state;
	buf_init(&a, 400);
	buf_init(&b, 400);
	scram_put(&a, VIEW("secret"));
	scram_put(&b, VIEW("secret"));
	assert_false(view_eq(buf_view(&a), buf_view(&b)));
	assert_true(scram_check(buf_view(&a), VIEW("secret")));
	assert_false(scram_check(buf_view(&a), VIEW_NONE));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(scram_check(view_of(bad[i]), VIEW("secret")));
	buf_fini(&a);
	buf_fini(&b);
}

static void test_secret_eq(void **state)
{
	(void)state;
	assert_true(secret_eq(VIEW("abc"), VIEW("abc")));
	assert_false(secret_eq(VIEW("abc"), VIEW("abd")));
	assert_false(secret_eq(VIEW("abc"), VIEW("ab")));
	assert_true(secret_eq(VIEW_NONE, VIEW("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256), cmocka_unit_test(test_hmac), cmocka_unit_test(test_seal), cmocka_unit_test(test_label),
		cmocka_unit_test(test_scram_keys), cmocka_unit_test(test_scram_stored), cmocka_unit_test(test_secret_eq),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
