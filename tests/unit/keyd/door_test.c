/* SPDX-License-Identifier: ISC */
/*
 * A door and keyd in one process, joined by a real channel: clients shake hands with certificates and signatures from files, while keyd comes and goes. And
 * what a captured door may try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/keys.h"
#include "daemon/state.h"
#include "keyd/answers.h"
#include "sys/file.h"
#include "sys/sock.h"
#include "tests/unit/tls/credentials.h"
#include "tests/unit/tls/pair.h"
#include "tls/digest.h"

/* Answers as the captured door hears them. */
struct heard {
	size_t n, done, octets;
	uint8_t outcome;
};

struct side {
	struct daemon d;
	struct daemon_state state;
	struct daemon_hooks hooks;
	struct ipc_channel *channel;
};

struct scene {
	struct bench b; /* for its loop and its client */
	struct side door, keyd;
	char path[64];
	int dir;
	struct heard heard;
};

static void on_lost(void *d, struct ipc_channel *c, enum ipc_kind kind, uint64_t id)
{
	keys_on_lost(d, c, kind, id);
}

static void on_up(void *d, struct ipc_channel *c)
{
	keys_on_up(d, c);
}

static void captured_signed(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct heard *h = d->user;
	const struct ipc_signed_tls *m = msg;
	(void)from, (void)fds, (void)nfds;
	h->n++;
	h->outcome = m->outcome;
	h->octets += m->signature.n;
	h->done += m->outcome == IPC_DONE;
}

static void captured_certificate(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct heard *h = d->user;
	const struct ipc_certificate_is *m = msg;
	(void)from, (void)fds, (void)nfds;
	h->n++;
	h->outcome = m->outcome;
	h->done += m->outcome == IPC_DONE;
	h->octets += m->chains.count;
}

static const struct ipc_handler door_handlers[] = { KEYS_HANDLERS, { 0 } };
static const struct ipc_handler captured_handlers[] = {
	{ IPC_SIGNED_TLS, captured_signed }, { IPC_CERTIFICATE_IS, captured_certificate }, { 0 },
};

static void side_init(struct scene *s, struct side *x, enum ipc_role role, enum ipc_role peer, const struct ipc_handler *handlers)
{
	memset(x, 0, sizeof *x);
	x->d.loop = s->b.loop;
	x->d.role = role;
	x->d.name = ipc_role_name(role);
	x->d.state = &x->state;
	x->hooks.handlers = handlers;
	if (handlers == door_handlers) {
		x->hooks.on_lost = on_lost;
		x->hooks.on_up = on_up;
	}
	x->state.hooks = &x->hooks;
	x->channel = daemon_add_channel(&x->d, peer, 0);
}

static void connect_both(struct scene *s)
{
	int fds[2];
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	ipc_channel_connect(s->door.channel, fds[0]);
	ipc_channel_connect(s->keyd.channel, fds[1]);
}

static void put_key(struct scene *s, const char *file, const char *kind)
{
	struct buf b;
	buf_init(&b, 65536);
	credentials_put(&b, kind, "mail.test");
	assert_int_equal(file_replace(s->dir, file, buf_view(&b), 0600), ERR_OK);
	buf_fini(&b);
}

static void keyd_born(struct scene *s)
{
	side_init(s, &s->keyd, ROLE_KEYD, ROLE_SMTPD_MX, keyd_handlers);
	s->keyd.d.user = keyd_new(s->dir);
}

static void keyd_dies(struct scene *s)
{
	ipc_channel_free(s->keyd.channel);
	keyd_free(s->keyd.d.user);
}

static void set_up(struct scene *s, const struct ipc_handler *handlers)
{
	memset(s, 0, sizeof *s);
	bench_init(&s->b, (const char *const[]){ NULL });
	(void)snprintf(s->path, sizeof s->path, "/tmp/postrider-keys-XXXXXX");
	assert_non_null(mkdtemp(s->path));
	assert_int_equal(file_open_dir(AT_FDCWD, s->path, &s->dir), ERR_OK);
	put_key(s, "default.rsa.pem", "rsa");
	put_key(s, "mail.test.ecdsa.pem", "p256");
	side_init(s, &s->door, ROLE_SMTPD_MX, ROLE_KEYD, handlers);
	s->door.d.user = &s->heard;
	keyd_born(s);
	connect_both(s);
	if (handlers == door_handlers) {
		tls_server_free(s->b.server);
		s->b.server = keys_init(&s->door.d);
		keys_on_up(&s->door.d, s->door.channel);
	}
	bench_wait(&s->b, 20);
}

static int remove_one(const char *name, void *arg)
{
	const struct scene *s = arg;
	return unlinkat(s->dir, name, 0);
}

static void tear_down(struct scene *s)
{
	keyd_dies(s);
	bench_wait(&s->b, 5);
	assert_int_equal(file_list(s->dir, remove_one, s), 0);
	close(s->dir);
	rmdir(s->path);
	keys_fini(&s->door.d);
	if (s->door.hooks.handlers == door_handlers)
		s->b.server = NULL;
	ipc_channel_free(s->door.channel);
	bench_fini(&s->b);
}

static void shake(struct scene *s, const char *host, int version, int type)
{
	struct pair p;
	pair_init(&p, &s->b);
	pair_start(&p, host, version, NULL);
	bench_run(&s->b, pair_secure, &p);
	X509 *x = SSL_get0_peer_certificate(p.client.s->tls->ssl);
	assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(x)), type);
	pair_fini(&p);
}

static void test_door(void **state)
{
	struct scene s;
	(void)state;
	set_up(&s, door_handlers);
	shake(&s, "mail.test", TLS1_3_VERSION, EVP_PKEY_EC);
	shake(&s, "other.test", TLS1_3_VERSION, EVP_PKEY_RSA);
	shake(&s, "", TLS1_2_VERSION, EVP_PKEY_RSA);
	tear_down(&s);
}

static void resume(struct scene *s)
{
	struct pair p;
	struct stream_tls_info i;
	pair_init(&p, &s->b);
	pair_start(&p, "", TLS1_3_VERSION, s->b.session);
	bench_run(&s->b, pair_secure, &p);
	assert_true(stream_tls_info(p.server.s, &i) && i.resumed);
	pair_fini(&p);
}

/* Handshakes that wait when keyd dies are finished by its successor; tickets of before still serve. */
static void test_keyd_killed(void **state)
{
	enum { N = 20 };
	struct scene s;
	struct pair p[N];
	(void)state;
	set_up(&s, door_handlers);
	pair_init(&p[0], &s.b);
	pair_start(&p[0], "", TLS1_3_VERSION, NULL);
	bench_run(&s.b, pair_secure, &p[0]);
	stream_puts(p[0].server.s, "x");
	bench_wait(&s.b, 20); /* the ticket comes */
	pair_fini(&p[0]);
	for (size_t i = 0; i < N; i++) {
		pair_init(&p[i], &s.b);
		pair_start(&p[i], i % 2 ? "mail.test" : "new.test", TLS1_3_VERSION, NULL);
	}
	for (int i = 0; i < 3; i++) {
		keyd_dies(&s);
		bench_wait(&s.b, 3);
		keyd_born(&s);
		connect_both(&s);
		bench_wait(&s.b, 1);
	}
	for (size_t i = 0; i < N; i++)
		bench_run(&s.b, pair_secure, &p[i]);
	for (size_t i = 0; i < N; i++)
		pair_fini(&p[i]);
	bench_wait(&s.b, 10);
	assert_non_null(s.b.session);
	resume(&s);
	tear_down(&s);
}

/* A new certificate is shown after a reload; who has still the old one gets its signatures. */
static void test_replaced(void **state)
{
	struct scene s;
	(void)state;
	set_up(&s, door_handlers);
	shake(&s, "mail.test", TLS1_3_VERSION, EVP_PKEY_EC);
	put_key(&s, "mail.test.ecdsa.pem", "p384");
	keyd_reload(s.keyd.d.user);
	shake(&s, "mail.test", TLS1_3_VERSION, EVP_PKEY_EC);
	keys_on_reload(&s.door.d);
	assert_int_equal(SSL_CTX_set1_sigalgs_list(s.b.client->ctx, "ECDSA+SHA384"), 1);
	shake(&s, "mail.test", TLS1_3_VERSION, EVP_PKEY_EC);
	tear_down(&s);
}

static uint8_t try(struct scene *s, struct view key, uint16_t scheme, struct view text)
{
	struct ipc_sign_tls m = { .id = ipc_next_id(s->door.channel), .key = key, .scheme = scheme, .text = text };
	size_t before = s->heard.n;
	assert_int_equal(ipc_request(s->door.channel, IPC_SIGN_TLS, &m, NULL, 0), ERR_OK);
	bench_wait(&s->b, 10);
	assert_int_equal(s->heard.n, before + 1);
	return s->heard.outcome;
}

static void test_captured(void **state)
{
	static const char *const names[] = { "", "default", "../default.rsa.x", "mail.test.ecdsa.0000000000000000", "/etc/ssl/private/x.rsa.y" };
	char text[TLS_TEXT_MAX] = "";
	struct scene s;
	(void)state;
	set_up(&s, captured_handlers);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(try(&s, view_of(names[i]), 0x0804, view_make(text, 130)), IPC_NEVER);
	struct ipc_certificate m = { .id = ipc_next_id(s.door.channel), .name = VIEW("mail.test") };
	assert_int_equal(ipc_request(s.door.channel, IPC_CERTIFICATE, &m, NULL, 0), ERR_OK);
	bench_wait(&s.b, 10);
	assert_int_equal(s.heard.done, 1);
	m.id = ipc_next_id(s.door.channel);
	m.name = VIEW("../mail.test");
	assert_int_equal(ipc_request(s.door.channel, IPC_CERTIFICATE, &m, NULL, 0), ERR_OK);
	bench_wait(&s.b, 10);
	assert_int_equal(s.heard.outcome, IPC_NEVER);
	assert_int_equal(s.heard.done, 1);
	tear_down(&s);
}

/* A key that exists, with texts that no server signs. */
static void test_captured_text(void **state)
{
	struct scene s;
	char text[TLS_TEXT_MAX];
	(void)state;
	set_up(&s, captured_handlers);
	char id[300];
	struct buf pem;
	struct sign_key *k = NULL;
	const char *why = NULL;
	uint8_t sum[SHA256_OCTETS];
	buf_init(&pem, 65536);
	assert_int_equal(file_slurp(s.dir, "mail.test.ecdsa.pem", &pem), ERR_OK);
	assert_int_equal(sign_key_read(buf_view(&pem), &k, &why), ERR_OK);
	sha256(sign_key_chain(k), sum);
	(void)snprintf(id, sizeof id, "mail.test.ecdsa.%02x%02x%02x%02x%02x%02x%02x%02x", sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]);
	memset(text, ' ', sizeof text);
	static const size_t lengths[] = { 0, 1, 32, 64, 130, 1024 };
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		assert_int_equal(try(&s, view_of(id), 0x0403, view_make(text, lengths[i])), IPC_REFUSED);
	memcpy(text + 64, "TLS 1.3, server CertificateVerify", 34);
	assert_int_equal(try(&s, view_of(id), 0x0203, view_make(text, 130)), IPC_REFUSED);
	assert_int_equal(try(&s, view_of(id), 0x0804, view_make(text, 130)), IPC_REFUSED);
	assert_int_equal(s.heard.octets, 0);
	assert_int_equal(try(&s, view_of(id), 0x0403, view_make(text, 130)), IPC_DONE);
	sign_key_free(k);
	buf_fini(&pem);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_door), cmocka_unit_test(test_keyd_killed), cmocka_unit_test(test_replaced), cmocka_unit_test(test_captured),
		cmocka_unit_test(test_captured_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
