/* SPDX-License-Identifier: ISC */
#include "base/num.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../base/random.h"

static void decimals(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1a", "18446744073709551616", "99999999999999999999" };
	uint64_t u = 77;
	uint32_t w = 77;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(num_u64(view_of(bad[i]), UINT64_MAX, &u));
	assert_false(num_u64(VIEW("11"), 10, &u));
	assert_false(num_u64(VIEW("5"), 4, &u));
	assert_int_equal(u, 77);
	assert_true(num_u64(VIEW("18446744073709551615"), UINT64_MAX, &u) && u == UINT64_MAX);
	assert_true(num_u64(VIEW("0010"), 10, &u) && u == 10);
	assert_true(num_u64(VIEW("0"), 0, &u) && u == 0);
	assert_false(num_u32(VIEW("4294967296"), UINT32_MAX, &w));
	assert_int_equal(w, 77);
	assert_true(num_u32(VIEW("4294967295"), UINT32_MAX, &w) && w == UINT32_MAX);
}

static void hexadecimals(void **state)
{
	uint64_t u = 77;

	(void)state;
	assert_true(num_hex64(VIEW("fFfFfFfFffffffff"), &u) && u == UINT64_MAX);
	assert_true(num_hex64(VIEW("00000000000000000001"), &u) && u == 1);
	assert_false(num_hex64(VIEW("10000000000000000"), &u));
	assert_false(num_hex64(VIEW("g"), &u));
	assert_false(num_hex64(VIEW_NONE, &u));
}

static void units(void **state)
{
	uint64_t u = 77;

	(void)state;
	assert_true(num_size(VIEW("10"), &u) && u == 10);
	assert_true(num_size(VIEW("2k"), &u) && u == 2048);
	assert_true(num_size(VIEW("3M"), &u) && u == 3 << 20);
	assert_true(num_size(VIEW("16G"), &u) && u == UINT64_C(16) << 30);
	assert_false(num_size(VIEW("10s"), &u) || num_size(VIEW("k"), &u) || num_size(VIEW("1kk"), &u) || num_size(VIEW(""), &u));
	assert_false(num_size(VIEW("17179869184G"), &u));
	assert_true(num_duration(VIEW("90"), &u) && u == 90);
	assert_true(num_duration(VIEW("5s"), &u) && u == 5);
	assert_true(num_duration(VIEW("2m"), &u) && u == 120);
	assert_true(num_duration(VIEW("5d"), &u) && u == 432000);
	assert_true(num_duration(VIEW("1h"), &u) && u == 3600);
	assert_false(num_duration(VIEW("1w"), &u) || num_duration(VIEW("-1s"), &u) || num_duration(VIEW("m"), &u));
	assert_int_equal(u, 3600);
}

/* RFC 4648 10. */
static void base64_vectors(void **state)
{
	static const char *const rows[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		buf_reset(&b);
		base64_put(&b, view_of(rows[i][0]));
		assert_string_equal(buf_str(&b), rows[i][1]);
		buf_reset(&b);
		assert_true(base64_get(&b, view_of(rows[i][1])));
		assert_string_equal(buf_str(&b), rows[i][0]);
		buf_reset(&b);
		base64_get_mime(&b, view_of(rows[i][1]));
		assert_string_equal(buf_str(&b), rows[i][0]);
	}
	buf_fini(&b);
}

static void base64_refuses(void **state)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "====", "=Zg=", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zh==", "Zm9=", "Z===",
		"Zm9-", "A=BC", "\xff\xff\xff\xff" };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_adds(&b, "kept");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(base64_get(&b, view_of(bad[i])));
		assert_string_equal(buf_str(&b), "kept");
	}
	assert_true(buf_ok(&b));
	b.max = 6;
	assert_false(base64_get(&b, VIEW("Zm9v")));
	assert_false(buf_ok(&b));
	buf_reset(&b);
	base64_put(&b, VIEW("abcde"));
	assert_true(!buf_ok(&b) && buf_len(&b) == 0);
	buf_reset(&b);
	base64_get_mime(&b, VIEW("Zm9v Zm9v Zm9v"));
	assert_true(!buf_ok(&b) && buf_len(&b) == 0);
	buf_fini(&b);
}

static void base64_forgives(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	base64_get_mime(&b, VIEW("Zm 9v\r\n*Yg==\r\nZg\xff== Z"));
	assert_string_equal(buf_str(&b), "foobf");
	buf_reset(&b);
	base64_get_mime(&b, VIEW("Zm8"));
	assert_string_equal(buf_str(&b), "fo");
	buf_fini(&b);
}

static void hex(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	assert_true(hex_get(&b, VIEW("6A6b")));
	assert_string_equal(buf_str(&b), "jk");
	assert_false(hex_get(&b, VIEW("6")));
	assert_false(hex_get(&b, VIEW("6g")));
	assert_false(hex_get(&b, VIEW("0a0b0c")));
	assert_string_equal(buf_str(&b), "jk");
	buf_fini(&b);
}

/* Coding and decoding undo each other, and damaged coding never does harm. */
static void there_and_back(void **state)
{
	struct rnd r = rnd_new(4);
	struct buf text, back;

	(void)state;
	buf_init(&text, 5000);
	buf_init(&back, 5000);
	for (int i = 0; i < 3000; i++) {
		char octets[2000];
		size_t n = rnd_below(&r, rnd_below(&r, 20) ? 40 : sizeof octets);
		for (size_t k = 0; k < n; k++)
			octets[k] = (char)rnd_next(&r);
		buf_reset(&text);
		buf_reset(&back);
		base64_put(&text, view_make(octets, n));
		assert_true(base64_get(&back, buf_view(&text)));
		assert_true(view_eq(buf_view(&back), view_make(octets, n)));
		buf_reset(&back);
		base64_get_mime(&back, buf_view(&text));
		assert_true(view_eq(buf_view(&back), view_make(octets, n)));
		buf_reset(&text);
		buf_reset(&back);
		buf_addhex(&text, octets, n);
		assert_true(hex_get(&back, buf_view(&text)));
		assert_true(view_eq(buf_view(&back), view_make(octets, n)));
		buf_reset(&back);
		/* What is decoded from noise has that noise as its only coding. */
		if (base64_get(&back, view_make(octets, n))) {
			buf_reset(&text);
			base64_put(&text, buf_view(&back));
			assert_true(view_eq(buf_view(&text), view_make(octets, n)));
		}
		base64_get_mime(&back, view_make(octets, n));
	}
	buf_fini(&text);
	buf_fini(&back);
}

/* The polynomial, bit by bit. */
static uint32_t slow_crc32c(uint32_t seed, const uint8_t *p, size_t n)
{
	uint32_t crc = ~seed;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void checksums(void **state)
{
	struct rnd r = rnd_new(5);
	uint8_t octets[300];

	(void)state;
	/* RFC 3720 B.4: 32 octets of zeros, of ones, rising; and the customary "123456789". */
	memset(octets, 0, 32);
	assert_int_equal(crc32c(0, octets, 32), 0x8a9136aa);
	memset(octets, 0xff, 32);
	assert_int_equal(crc32c(0, octets, 32), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		octets[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, octets, 32), 0x46dd794e);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(5, NULL, 0), 5);
	for (int i = 0; i < 2000; i++) {
		size_t at = rnd_below(&r, 16), n = rnd_below(&r, sizeof octets - at), part = n ? rnd_below(&r, n) : 0;
		uint32_t seed = (uint32_t)rnd_next(&r);
		for (size_t k = 0; k < sizeof octets; k++)
			octets[k] = (uint8_t)rnd_next(&r);
		assert_int_equal(crc32c(seed, octets + at, n), slow_crc32c(seed, octets + at, n));
		assert_int_equal(crc32c(crc32c(seed, octets + at, part), octets + at + part, n - part), crc32c(seed, octets + at, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals),
		cmocka_unit_test(hexadecimals),
		cmocka_unit_test(units),
		cmocka_unit_test(base64_vectors),
		cmocka_unit_test(base64_refuses),
		cmocka_unit_test(base64_forgives),
		cmocka_unit_test(hex),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(checksums),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
