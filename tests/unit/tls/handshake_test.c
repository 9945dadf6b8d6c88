/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "credentials.h"
#include "pair.h"

static const char *const both[] = { "rsa", "p256", NULL };

/* Greets and is greeted over TLS; both must have become secure. */
static void exchange(struct pair *p)
{
	bench_run(p->server.b, pair_secure, p);
	stream_puts(p->server.s, "hello ");
	stream_puts(p->client.s, "good day");
	bench_wait(p->server.b, 20);
	assert_true(view_eqs(buf_view(&p->client.heard), "hello "));
	assert_true(view_eqs(buf_view(&p->server.heard), "good day"));
}

static void full(const char *kind, int version, const char *name, size_t signs)
{
	struct bench b;
	struct pair p;
	struct stream_tls_info i;
	bench_init(&b, (const char *const[]){ kind, NULL });
	pair_init(&p, &b);
	pair_start(&p, "", version, NULL);
	exchange(&p);
	assert_true(stream_tls_info(p.server.s, &i));
	assert_string_equal(i.version, name);
	assert_true(i.bits >= 128 && !i.resumed && !i.verified);
	assert_int_equal(b.signs, signs);
	assert_int_equal(b.certificates, 1);
	pair_fini(&p);
	bench_fini(&b);
}

static void test_full(void **state)
{
	static const char *const kinds[] = { "rsa", "p256", "p384", "ed25519" };
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		full(kinds[i], TLS1_3_VERSION, "TLSv1.3", 1);
		full(kinds[i], TLS1_2_VERSION, "TLSv1.2", 1);
	}
}

/* A client that has only one kind of scheme gets that kind of certificate. */
static void chosen(struct bench *b, const char *schemes, int version, int type)
{
	struct pair p;
	assert_int_equal(SSL_CTX_set1_sigalgs_list(b->client->ctx, schemes), 1);
	pair_init(&p, b);
	pair_start(&p, "", version, NULL);
	exchange(&p);
	X509 *x = SSL_get0_peer_certificate(p.client.s->tls->ssl);
	assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(x)), type);
	pair_fini(&p);
}

static void test_side_by_side(void **state)
{
	struct bench b;
	(void)state;
	bench_init(&b, both);
	chosen(&b, "RSA-PSS+SHA256", TLS1_3_VERSION, EVP_PKEY_RSA);
	chosen(&b, "ECDSA+SHA256", TLS1_3_VERSION, EVP_PKEY_EC);
	chosen(&b, "RSA+SHA256", TLS1_2_VERSION, EVP_PKEY_RSA);
	chosen(&b, "RSA+SHA512", TLS1_2_VERSION, EVP_PKEY_RSA);
	chosen(&b, "RSA-PSS+SHA384", TLS1_2_VERSION, EVP_PKEY_RSA);
	chosen(&b, "ECDSA+SHA384", TLS1_2_VERSION, EVP_PKEY_EC);
	assert_int_equal(b.certificates, 1);
	bench_fini(&b);
}

static void resumed(int version)
{
	struct bench b;
	struct pair p;
	struct stream_tls_info i;
	bench_init(&b, both);
	pair_init(&p, &b);
	pair_start(&p, "", version, NULL);
	exchange(&p);
	pair_fini(&p);
	assert_non_null(b.session);
	for (int round = 0; round < 2; round++) {
		SSL_SESSION *session = b.session;
		b.session = NULL;
		pair_init(&p, &b);
		pair_start(&p, "", version, session);
		exchange(&p);
		assert_true(stream_tls_info(p.server.s, &i) && i.resumed);
		assert_true(stream_tls_info(p.client.s, &i) && i.resumed);
		pair_fini(&p);
		if (!b.session)
			b.session = session;
		else
			SSL_SESSION_free(session);
	}
	assert_int_equal(b.signs, 1);
	bench_fini(&b);
}

static void test_resumed(void **state)
{
	(void)state;
	resumed(TLS1_3_VERSION);
	resumed(TLS1_2_VERSION);
}

static bool ticket_same(const SSL_SESSION *a, const SSL_SESSION *b)
{
	const unsigned char *x, *y;
	size_t n, m;
	SSL_SESSION_get0_ticket(a, &x, &n);
	SSL_SESSION_get0_ticket(b, &y, &m);
	return view_eq(view_make(x, n), view_make(y, m));
}

/* What is left of a session when the ticket keys go on by one, and by two. */
static void rotated(int version)
{
	uint8_t keys[3][TLS_TICKET_KEY];
	struct bench b;
	struct pair p;
	struct stream_tls_info i;
	for (size_t k = 0; k < 3; k++)
		memset(keys[k], (int)k + 1, sizeof keys[k]);
	bench_init(&b, both);
	assert_int_equal(tls_server_ticket_keys(b.server, view_make(keys[0], TLS_TICKET_KEY), VIEW_NONE), ERR_OK);
	pair_init(&p, &b);
	pair_start(&p, "", version, NULL);
	exchange(&p);
	pair_fini(&p);
	for (size_t k = 1; k < 3; k++) {
		SSL_SESSION *first = b.session;
		assert_non_null(first);
		b.session = NULL;
		int err = k == 1 ? tls_server_ticket_keys(b.server, view_make(keys[1], TLS_TICKET_KEY), view_make(keys[0], TLS_TICKET_KEY))
		                 : tls_server_ticket_keys(b.server, view_make(keys[0], TLS_TICKET_KEY), view_make(keys[2], TLS_TICKET_KEY));
		assert_int_equal(err, ERR_OK);
		pair_init(&p, &b);
		pair_start(&p, "", version, first);
		exchange(&p);
		assert_true(stream_tls_info(p.server.s, &i));
		assert_int_equal(i.resumed, k == 1);
		if (version == TLS1_3_VERSION)
			assert_non_null(b.session); /* a fresh ticket came */
		else if (!b.session)
			b.session = SSL_SESSION_dup(SSL_get0_session(p.client.s->tls->ssl));
		assert_false(ticket_same(first, b.session));
		pair_fini(&p);
		SSL_SESSION_free(first);
	}
	assert_int_equal(tls_server_ticket_keys(b.server, VIEW("short"), VIEW_NONE), ERR_INVALID);
	bench_fini(&b);
}

static void test_ticket_keys(void **state)
{
	(void)state;
	rotated(TLS1_3_VERSION);
	rotated(TLS1_2_VERSION);
}

/* A process that has begun anew: clients that come before its ticket keys are held until they are there, and are resumed then. */
static void awaited(int version)
{
	enum { N = 3 };
	uint8_t keys[TLS_TICKET_KEY];
	struct bench b;
	struct pair p[N];
	struct stream_tls_info i;
	memset(keys, 7, sizeof keys);
	bench_init(&b, both);
	assert_int_equal(tls_server_ticket_keys(b.server, view_make(keys, sizeof keys), VIEW_NONE), ERR_OK);
	pair_init(&p[0], &b);
	pair_start(&p[0], "", version, NULL);
	exchange(&p[0]);
	SSL_SESSION *session = b.session ? b.session : SSL_SESSION_dup(SSL_get0_session(p[0].client.s->tls->ssl));
	b.session = NULL;
	pair_fini(&p[0]);
	tls_server_await_ticket_keys(b.server);
	for (size_t k = 0; k < N; k++) {
		pair_init(&p[k], &b);
		pair_start(&p[k], "", version, k == 1 ? NULL : session);
	}
	bench_wait(&b, 20);
	for (size_t k = 0; k < N; k++)
		assert_false(pair_secure(&p[k]));
	pair_fini(&p[N - 1]); /* one that does not want to wait */
	assert_int_equal(tls_server_ticket_keys(b.server, view_make(keys, sizeof keys), VIEW_NONE), ERR_OK);
	for (size_t k = 0; k < N - 1; k++) {
		exchange(&p[k]);
		assert_true(stream_tls_info(p[k].server.s, &i));
		assert_int_equal(i.resumed, k == 0);
		pair_fini(&p[k]);
	}
	SSL_SESSION_free(session);
	bench_fini(&b);
}

static void test_ticket_keys_awaited(void **state)
{
	(void)state;
	awaited(TLS1_3_VERSION);
	awaited(TLS1_2_VERSION);
}

static void test_names(void **state)
{
	struct bench b;
	struct pair p;
	struct stream_tls_info i;
	/* What is asked, and how many certificates have been asked for by then. The last ones are no names and are not asked for at all. */
	static const struct { const char *sni; size_t asked; bool named; } rows[] = {
		{ "named.test", 1, true }, { "NAMED.Test", 1, true }, { "named.test.", 1, true }, { "other.test", 3, false }, { "other.test", 3, false },
		{ "../../etc/x", 3, false }, { "a..b", 3, false }, { "-a.test", 3, false }, { "a_b.test", 3, false }, { "a/b", 3, false },
	};
	(void)state;
	bench_init(&b, both);
	b.named = credentials_key("p256", "named.test");
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		pair_init(&p, &b);
		pair_start(&p, rows[r].sni, TLS1_3_VERSION, NULL);
		exchange(&p);
		assert_int_equal(b.certificates, rows[r].asked);
		X509 *x = SSL_get0_peer_certificate(p.client.s->tls->ssl);
		assert_int_equal(X509_check_host(x, "named.test", 0, 0, NULL) == 1, rows[r].named);
		assert_true(stream_tls_info(p.server.s, &i));
		assert_string_equal(i.sni, rows[r].sni);
		pair_fini(&p);
	}
	tls_server_reload(b.server);
	pair_init(&p, &b);
	pair_start(&p, "named.test", TLS1_3_VERSION, NULL);
	exchange(&p);
	assert_int_equal(b.certificates, 4);
	pair_fini(&p);
	bench_fini(&b);
}

/* Invented names drive out nothing but invented names: the cache holds 8 of each. */
static void test_names_bounded(void **state)
{
	struct bench b;
	struct pair p;
	char name[32];
	(void)state;
	bench_init(&b, (const char *const[]){ "p256", NULL });
	b.named = credentials_key("p256", "named.test");
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof name, i == 0 ? "named.test" : "x%d.test", i);
		pair_init(&p, &b);
		pair_start(&p, name, TLS1_3_VERSION, NULL);
		exchange(&p);
		pair_fini(&p);
	}
	assert_true(b.server->none_n <= 8 && map_count(b.server->certs) <= 10);
	size_t before = b.certificates;
	pair_init(&p, &b);
	pair_start(&p, "named.test", TLS1_3_VERSION, NULL);
	exchange(&p);
	assert_int_equal(b.certificates, before);
	pair_fini(&p);
	bench_fini(&b);
}

static void test_refused(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	bench_init(&b, both);
	b.refuse = true;
	pair_init(&p, &b);
	pair_start(&p, "", TLS1_3_VERSION, NULL);
	bench_run(&b, pair_closed, &p);
	assert_int_equal(p.server.why, STREAM_END_TLS);
	assert_string_not_equal(stream_tls_error(p.server.s), "");
	assert_int_equal(p.client.why, STREAM_END_TLS);
	pair_fini(&p);
	bench_fini(&b);
}

/* The key's holder dies with a question in hand, and is away for a while. */
static void test_lost(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	bench_init(&b, both);
	b.lose = true;
	pair_init(&p, &b);
	pair_start(&p, "", TLS1_3_VERSION, NULL);
	bench_wait(&b, 50);
	assert_int_equal(b.signs, 1);
	b.down = true;
	tls_server_ask_again(b.server);
	assert_int_equal(b.signs, 2);
	assert_false(pair_secure(&p));
	b.down = b.lose = false;
	tls_server_ask_again(b.server);
	exchange(&p);
	assert_int_equal(b.signs, 3);
	pair_fini(&p);
	bench_fini(&b);
}

static void test_certificate_not_askable(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	bench_init(&b, both);
	b.down = true;
	pair_init(&p, &b);
	pair_start(&p, "", TLS1_2_VERSION, NULL);
	bench_wait(&b, 30);
	assert_false(pair_secure(&p) || pair_any_closed(&p));
	b.down = false;
	tls_server_ask_again(b.server);
	exchange(&p);
	pair_fini(&p);
	bench_fini(&b);
}

static void test_no_certificate(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	bench_init(&b, (const char *const[]){ NULL });
	pair_init(&p, &b);
	pair_start(&p, "", TLS1_3_VERSION, NULL);
	bench_run(&b, pair_closed, &p);
	assert_int_equal(p.server.why, STREAM_END_TLS);
	pair_fini(&p);
	bench_fini(&b);
}

static void test_deadline(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	bench_init(&b, both);
	b.silent = true;
	pair_init(&p, &b);
	stream_set_handshake_deadline(p.server.s, 40);
	pair_start(&p, "", TLS1_3_VERSION, NULL);
	bench_run(&b, pair_any_closed, &p);
	assert_true(p.server.closed);
	assert_int_equal(p.server.why, STREAM_END_DEADLINE);
	pair_fini(&p);
	bench_fini(&b);
}

/* A stream may go at any moment of a handshake; the answer that comes later finds nobody. */
static void freed_at(int version, bool at_signature)
{
	struct bench b;
	struct pair p;
	struct pair q;
	(void)at_signature;
	bench_init(&b, both);
	if (at_signature) {
		pair_init(&q, &b);
		pair_start(&q, "", version, NULL);
		exchange(&q);
		pair_fini(&q);
	}
	b.silent = true;
	pair_init(&p, &b);
	pair_start(&p, "", version, NULL);
	bench_wait(&b, 30);
	assert_int_equal(b.waiting_n, 1);
	assert_int_equal(b.waiting[0]->certificate, !at_signature);
	stream_free(p.server.s);
	p.server.s = NULL;
	assert_int_equal(b.forgotten, at_signature);
	bench_answer_all(&b);
	bench_wait(&b, 10);
	pair_fini(&p);
	bench_fini(&b);
}

static void test_freed(void **state)
{
	(void)state;
	freed_at(TLS1_3_VERSION, false);
	freed_at(TLS1_3_VERSION, true);
	freed_at(TLS1_2_VERSION, true);
}

/* Slow answers hold nobody up; more handshakes than there are jobs wait for one another. */
struct crowd {
	struct pair *pairs;
	size_t n;
};

static bool all_secure(void *arg)
{
	struct crowd *c = arg;
	for (size_t i = 0; i < c->n; i++)
		if (!pair_secure(&c->pairs[i]))
			return false;
	return true;
}

static void test_crowd(void **state)
{
	enum { N = 300 };
	struct bench b;
	struct crowd c = { mem_array(N, sizeof(struct pair)), N };
	(void)state;
	bench_init(&b, (const char *const[]){ "p256", NULL });
	b.delay = 20;
	for (size_t i = 0; i < N; i++) {
		pair_init(&c.pairs[i], &b);
		pair_start(&c.pairs[i], "", TLS1_3_VERSION, NULL);
	}
	bench_run(&b, all_secure, &c);
	assert_int_equal(b.signs, N);
	for (size_t i = 0; i < N; i++)
		pair_fini(&c.pairs[i]);
	free(c.pairs);
	bench_fini(&b);
}

static void old_version(const char *ciphers, int version)
{
	struct bench b;
	struct pair p;
	bench_init(&b, both);
	assert_int_equal(SSL_CTX_set_min_proto_version(b.client->ctx, version), 1);
	assert_int_equal(SSL_CTX_set_cipher_list(b.client->ctx, ciphers), 1);
	pair_init(&p, &b);
	pair_start(&p, "", version, NULL);
	bench_run(&b, pair_closed, &p);
	assert_int_equal(p.server.why, STREAM_END_TLS);
	assert_int_equal(b.signs, 0);
	pair_fini(&p);
	bench_fini(&b);
}

/* RSA key exchange would need the key's holder to decrypt. */
static void test_old(void **state)
{
	(void)state;
	old_version("DEFAULT@SECLEVEL=0", TLS1_1_VERSION);
	old_version("kRSA@SECLEVEL=0", TLS1_2_VERSION);
}

static void bound(int version, enum tls_binding kind, int expected)
{
	struct bench b;
	struct pair p;
	struct buf x, y;
	bench_init(&b, both);
	pair_init(&p, &b);
	pair_start(&p, "", version, NULL);
	buf_init(&x, 100);
	buf_init(&y, 100);
	assert_int_equal(stream_channel_binding(p.server.s, kind, &x), ERR_UNSUPPORTED);
	exchange(&p);
	assert_int_equal(stream_channel_binding(p.server.s, kind, &x), expected);
	assert_int_equal(stream_channel_binding(p.client.s, kind, &y), expected);
	assert_int_equal(buf_len(&x) > 0, expected == ERR_OK);
	assert_true(view_eq(buf_view(&x), buf_view(&y)));
	buf_fini(&x);
	buf_fini(&y);
	pair_fini(&p);
	bench_fini(&b);
}

static void test_binding(void **state)
{
	(void)state;
	bound(TLS1_3_VERSION, TLS_BINDING_EXPORTER, ERR_OK);
	bound(TLS1_2_VERSION, TLS_BINDING_EXPORTER, ERR_UNSUPPORTED);
	bound(TLS1_3_VERSION, TLS_BINDING_SERVER_END_POINT, ERR_OK);
	bound(TLS1_2_VERSION, TLS_BINDING_SERVER_END_POINT, ERR_OK);
	bound(TLS1_3_VERSION, TLS_BINDING_UNIQUE, ERR_UNSUPPORTED);
	bound(TLS1_2_VERSION, TLS_BINDING_UNIQUE, ERR_OK);
}

/* A verifying client takes the certificate of the name it asked for, from the authority it knows, and no other. */
static void verified(struct bench *b, struct tls_client *verifier, const char *host, bool good)
{
	struct pair p;
	struct stream_tls_info i;
	pair_init(&p, b);
	assert_int_equal(stream_starttls_server(p.server.s, b->server), ERR_OK);
	assert_int_equal(stream_starttls_client(p.client.s, verifier, view_of(host)), ERR_OK);
	if (good) {
		bench_run(b, pair_secure, &p);
		assert_true(stream_tls_info(p.client.s, &i) && i.verified);
	} else {
		bench_run(b, pair_closed, &p);
		assert_int_equal(p.client.why, STREAM_END_TLS);
		assert_string_not_equal(stream_tls_error(p.client.s), "unknown");
	}
	pair_fini(&p);
}

static void test_verify(void **state)
{
	struct bench b;
	struct tls_client *verifier = NULL;
	char path[] = "/tmp/postrider-test-ca-XXXXXX";
	int fd = mkstemp(path);
	(void)state;
	assert_true(fd >= 0);
	bench_init(&b, both);
	b.named = credentials_key("p256", "named.test");
	struct view ca = sign_key_chain(b.named);
	assert_int_equal(write(fd, ca.p, ca.n), (ssize_t)ca.n);
	close(fd);
	assert_int_equal(tls_client_new(true, path, &verifier), ERR_OK);
	unlink(path);
	verified(&b, verifier, "named.test", true);
	verified(&b, verifier, "other.test", false);
	tls_client_free(verifier);
	assert_int_equal(tls_client_new(true, "/nonexistent", &verifier), ERR_INVALID);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_ticket_keys),
		cmocka_unit_test(test_ticket_keys_awaited),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_bounded),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_certificate_not_askable),
		cmocka_unit_test(test_no_certificate),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_verify),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
