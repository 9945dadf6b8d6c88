/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "credentials.h"
#include "tls/sign.h"

#define CONTEXT "TLS 1.3, server CertificateVerify"

static size_t put13(char *out, const char *context, size_t hash)
{
	size_t n = 64 + strlen(context) + 1;
	memset(out, ' ', 64);
	memcpy(out + 64, context, strlen(context) + 1);
	memset(out + n, 0x5a, hash);
	return n + hash;
}

static size_t put12(char *out, unsigned group, size_t octets)
{
	memset(out, 0x11, 64);
	out[64] = 3;
	out[65] = (char)(group >> 8);
	out[66] = (char)group;
	out[67] = (char)octets;
	memset(out + 68, 0x22, octets);
	out[68] = 4;
	return 68 + octets;
}

static enum sign_text kind(const char *p, size_t n)
{
	return sign_text_kind(view_make(p, n));
}

static void test_certificate_verify(void **state)
{
	char t[1024];
	(void)state;
	assert_int_equal(kind(t, put13(t, CONTEXT, 32)), SIGN_TEXT_TLS13);
	assert_int_equal(kind(t, put13(t, CONTEXT, 48)), SIGN_TEXT_TLS13);
	static const size_t lengths[] = { 0, 1, 20, 31, 33, 47, 49, 64, 500 };
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		assert_int_equal(kind(t, put13(t, CONTEXT, lengths[i])), SIGN_TEXT_NONE);
	assert_int_equal(kind(t, put13(t, "TLS 1.3, client CertificateVerify", 32)), SIGN_TEXT_NONE);
	size_t n = put13(t, CONTEXT, 32);
	t[63] = '!';
	assert_int_equal(kind(t, n), SIGN_TEXT_NONE);
	n = put13(t, CONTEXT, 32);
	t[64 + sizeof CONTEXT - 1] = 'x';
	assert_int_equal(kind(t, n), SIGN_TEXT_NONE);
	for (size_t k = 0; k < n; k++)
		assert_int_equal(kind(t, k), SIGN_TEXT_NONE);
}

static void test_key_exchange(void **state)
{
	static const struct { unsigned group; size_t octets; } rows[] = { { 23, 65 }, { 24, 97 }, { 25, 133 }, { 29, 32 }, { 30, 56 } };
	char t[1024];
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = put12(t, rows[i].group, rows[i].octets);
		assert_int_equal(kind(t, n), SIGN_TEXT_TLS12);
		assert_int_equal(kind(t, n + 1), SIGN_TEXT_NONE);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(kind(t, k), SIGN_TEXT_NONE);
		t[64] = 1; /* explicit_prime */
		assert_int_equal(kind(t, n), SIGN_TEXT_NONE);
		assert_int_equal(kind(t, put12(t, rows[i].group, rows[i].octets + 1)), SIGN_TEXT_NONE);
	}
	assert_int_equal(kind(t, put12(t, 22, 65)), SIGN_TEXT_NONE);
	size_t n = put12(t, 23, 65);
	t[68] = 2; /* a compressed point */
	assert_int_equal(kind(t, n), SIGN_TEXT_NONE);
	assert_int_equal(sign_text_kind(VIEW_NONE), SIGN_TEXT_NONE);
}

static int try(const struct sign_key *k, uint16_t scheme, const char *text, size_t n)
{
	struct buf out;
	buf_init(&out, 1024);
	int err = sign_tls(k, scheme, view_make(text, n), &out);
	assert_int_equal(buf_len(&out) > 0, err == ERR_OK);
	buf_fini(&out);
	return err;
}

/* Which key signs what: T for TLS 1.3's text, t for TLS 1.2's. */
static void test_schemes(void **state)
{
	static const struct { const char *key; uint16_t scheme; bool v13, v12; } rows[] = {
		{ "rsa", 0x0401, false, true }, { "rsa", 0x0501, false, true }, { "rsa", 0x0601, false, true }, { "rsa", 0x0804, true, true },
		{ "rsa", 0x0805, true, true }, { "rsa", 0x0806, true, true }, { "rsa", 0x0403, false, false }, { "rsa", 0x0201, false, false },
		{ "rsa", 0x0809, false, false }, { "rsa", 0x0000, false, false }, { "p256", 0x0403, true, true }, { "p256", 0x0503, false, true },
		{ "p256", 0x0603, false, true }, { "p256", 0x0203, false, false }, { "p256", 0x0804, false, false }, { "p256", 0x0807, false, false },
		{ "p384", 0x0503, true, true }, { "p384", 0x0403, false, true }, { "ed25519", 0x0807, true, true }, { "ed25519", 0x0403, false, false },
	};
	struct sign_key *k = NULL;
	char t[1024], u[1024];
	size_t n = put13(t, CONTEXT, 32), m = put12(u, 29, 32);
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (i == 0 || strcmp(rows[i].key, rows[i - 1].key) != 0) {
			sign_key_free(k);
			k = credentials_key(rows[i].key, "a.test");
		}
		assert_int_equal(try(k, rows[i].scheme, t, n), rows[i].v13 ? ERR_OK : ERR_DENIED);
		assert_int_equal(try(k, rows[i].scheme, u, m), rows[i].v12 ? ERR_OK : ERR_DENIED);
		assert_int_equal(try(k, rows[i].scheme, t, n - 1), ERR_DENIED);
		assert_int_equal(try(k, rows[i].scheme, "", 0), ERR_DENIED);
	}
	sign_key_free(k);
}

static int read_pem(struct view pem)
{
	struct sign_key *k = NULL;
	const char *why = NULL;
	int err = sign_key_read(pem, &k, &why);
	assert_int_equal(err == ERR_OK, why == NULL);
	sign_key_free(k);
	return err;
}

static void test_files(void **state)
{
	struct buf a, b, mix;
	(void)state;
	buf_init(&a, 20000);
	buf_init(&b, 20000);
	buf_init(&mix, 40000);
	credentials_put(&a, "p256", "a.test");
	credentials_put(&b, "p256", "b.test");
	size_t cut = view_search(buf_view(&a), VIEW("-----BEGIN CERT"));
	struct view key = view_head(buf_view(&a), cut), chain = view_skip(buf_view(&a), cut);
	struct view other = view_skip(buf_view(&b), view_search(buf_view(&b), VIEW("-----BEGIN CERT")));
	assert_int_equal(read_pem(buf_view(&a)), ERR_OK);
	buf_addv(&mix, chain);
	buf_addv(&mix, other);
	buf_addv(&mix, key);
	assert_int_equal(read_pem(buf_view(&mix)), ERR_OK); /* key last, a longer chain */
	assert_int_equal(read_pem(key), ERR_INVALID);
	assert_int_equal(read_pem(chain), ERR_INVALID);
	assert_int_equal(read_pem(VIEW_NONE), ERR_INVALID);
	assert_int_equal(read_pem(VIEW("garbage")), ERR_INVALID);
	buf_reset(&mix);
	buf_addv(&mix, key);
	buf_addv(&mix, other);
	assert_int_equal(read_pem(buf_view(&mix)), ERR_INVALID); /* another's certificate */
	buf_fini(&a);
	buf_fini(&b);
	buf_fini(&mix);
}

static void test_names(void **state)
{
	static const char *const good[] = { "a", "default", "mail.example.test", "xn--bcher-kva.example", "1.example", "a-b.c-d", "1a" };
	static const char *const bad[] = { "", ".", "..", "a.", ".a", "a..b", "-a", "a-", "a.-b", "A.test", "a_b", "a/b", "../x", "a b", "192.0.2.1", "1", "a*", "\xc3\xbc.test" };
	char name[300];
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(sign_name_legal(view_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(sign_name_legal(view_of(bad[i])));
	assert_false(sign_name_legal(VIEW("a\0b")));
	memset(name, 'a', sizeof name);
	assert_true(sign_name_legal(view_make(name, 63)));
	assert_false(sign_name_legal(view_make(name, 64)));
	for (size_t i = 9; i < sizeof name; i += 10)
		name[i] = '.';
	assert_true(sign_name_legal(view_make(name, 253)));
	assert_false(sign_name_legal(view_make(name, 254)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_verify), cmocka_unit_test(test_key_exchange), cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_files), cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
