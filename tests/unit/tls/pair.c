/* SPDX-License-Identifier: ISC */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "credentials.h"
#include "sys/sock.h"

enum { LIMIT_MS = 10000 };

/* ---- the fake keyd ---- */

static void answer_certificate(struct bench *b, const struct question_heard *q)
{
	struct tls_chain chains[BENCH_KEYS];
	size_t n = 0;
	char names[BENCH_KEYS][2];
	if (strcmp(q->name, "named.test") == 0 && b->named) {
		chains[n++] = (struct tls_chain){ VIEW("n"), sign_key_chain(b->named) };
	} else if (q->name[0] == '\0') {
		for (; n < BENCH_KEYS && b->keys[n]; n++) {
			names[n][0] = (char)('0' + n);
			chains[n] = (struct tls_chain){ view_make(names[n], 1), sign_key_chain(b->keys[n]) };
		}
	}
	tls_server_certificate(b->server, q->id, n > 0, chains, n);
}

static void answer_signature(struct bench *b, const struct question_heard *q)
{
	struct buf sig;
	const struct sign_key *k = q->name[0] == 'n' ? b->named : b->keys[q->name[0] - '0'];
	buf_init(&sig, TLS_SIGNATURE_MAX);
	int err = b->refuse ? ERR_DENIED : sign_tls(k, q->scheme, view_make(q->text, q->text_n), &sig);
	if (!b->refuse)
		assert_int_equal(err, ERR_OK);
	tls_server_signed(b->server, q->id, err == ERR_OK, buf_view(&sig));
	buf_fini(&sig);
}

void bench_answer_all(struct bench *b)
{
	size_t n = b->waiting_n;
	struct question_heard *now[BENCH_WAITING];
	memcpy(now, b->waiting, sizeof now);
	b->waiting_n = 0;
	for (size_t i = 0; i < n; i++) {
		if (b->lose && !now[i]->certificate)
			tls_server_lost(b->server, now[i]->id);
		else if (now[i]->certificate)
			answer_certificate(b, now[i]);
		else
			answer_signature(b, now[i]);
		free(now[i]);
	}
}

static void on_answer(void *arg)
{
	bench_answer_all(arg);
}

static uint64_t hear(struct bench *b, struct view name, bool certificate, uint16_t scheme, struct view text)
{
	struct question_heard *q = mem_new(sizeof *q);
	assert_true(b->waiting_n < BENCH_WAITING && name.n < sizeof q->name && text.n <= sizeof q->text);
	q->id = ++b->next_id;
	q->certificate = certificate;
	q->scheme = scheme;
	memcpy(q->name, name.p ? name.p : "", name.n);
	memcpy(q->text, text.p ? text.p : "", text.n);
	q->text_n = text.n;
	b->waiting[b->waiting_n++] = q;
	if (!b->silent && !timer_armed(b->answer))
		timer_set(b->answer, b->delay);
	return q->id;
}

static uint64_t ask_certificate(void *arg, struct view name)
{
	struct bench *b = arg;
	b->certificates++;
	return b->down ? 0 : hear(b, name, true, 0, VIEW_NONE);
}

static uint64_t ask_signature(void *arg, struct view key, uint16_t scheme, struct view text)
{
	struct bench *b = arg;
	b->signs++;
	return b->down ? 0 : hear(b, key, false, scheme, text);
}

static void forget(void *arg, uint64_t id)
{
	struct bench *b = arg;
	(void)id;
	b->forgotten++;
}

/* ---- the bench ---- */

/* A copy: OpenSSL spoils the session of a connection that is dropped. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct bench *b = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	SSL_SESSION_free(b->session);
	b->session = SSL_SESSION_dup(session);
	return 0;
}

static void on_limit(void *arg)
{
	struct bench *b = arg;
	b->timed_out = true;
	loop_stop(b->loop);
}

void bench_init(struct bench *b, const char *const kinds[])
{
	memset(b, 0, sizeof *b);
	b->loop = loop_new();
	b->answer = timer_new(b->loop, on_answer, b);
	for (size_t i = 0; kinds[i]; i++)
		b->keys[i] = credentials_key(kinds[i], "default.test");
	struct tls_server_callbacks cb = { ask_certificate, ask_signature, forget, b };
	b->server = tls_server_new(VIEW("test"), &cb, 8);
	assert_int_equal(tls_client_new(false, NULL, &b->client), ERR_OK);
	SSL_CTX_set_app_data(b->client->ctx, b);
	SSL_CTX_set_session_cache_mode(b->client->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(b->client->ctx, on_session);
}

void bench_fini(struct bench *b)
{
	for (size_t i = 0; i < b->waiting_n; i++)
		free(b->waiting[i]);
	SSL_SESSION_free(b->session);
	tls_client_free(b->client);
	tls_server_free(b->server);
	for (size_t i = 0; i < BENCH_KEYS; i++)
		sign_key_free(b->keys[i]);
	sign_key_free(b->named);
	timer_free(b->answer);
	loop_free(b->loop);
}

struct until {
	struct bench *b;
	bool (*done)(void *arg);
	void *arg;
	struct timer *look;
};

static void look(void *arg)
{
	struct until *u = arg;
	if (u->done(u->arg))
		loop_stop(u->b->loop);
	else
		timer_set(u->look, 1);
}

void bench_run(struct bench *b, bool (*done)(void *arg), void *arg)
{
	struct until u = { b, done, arg, NULL };
	b->limit = timer_new(b->loop, on_limit, b);
	timer_set(b->limit, LIMIT_MS);
	u.look = timer_new(b->loop, look, &u);
	timer_set(u.look, 0);
	loop_run(b->loop);
	timer_free(u.look);
	timer_free(b->limit);
	assert_false(b->timed_out);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

void bench_wait(struct bench *b, uint64_t ms)
{
	struct until u = { b, never, NULL, NULL };
	b->limit = timer_new(b->loop, on_limit, b);
	timer_set(b->limit, ms);
	u.look = timer_new(b->loop, look, &u);
	timer_set(u.look, 0);
	loop_run(b->loop);
	timer_free(u.look);
	timer_free(b->limit);
	b->timed_out = false;
}

/* ---- two ends ---- */

static void then(struct end *e)
{
	if (e->then)
		e->then(e);
}

static void on_data(void *arg, struct stream *s)
{
	struct end *e = arg;
	struct buf *in = stream_input(s);
	e->data++;
	if (!e->keep) {
		buf_addv(&e->heard, buf_view(in));
		buf_consume(in, buf_len(in));
	}
	then(e);
}

static void on_drained(void *arg, struct stream *s)
{
	struct end *e = arg;
	(void)s;
	e->drained++;
	then(e);
}

static void on_secure(void *arg, struct stream *s)
{
	struct end *e = arg;
	(void)s;
	assert_false(e->secure);
	e->secure = true;
	then(e);
}

static void on_closed(void *arg, struct stream *s, enum stream_end why)
{
	struct end *e = arg;
	(void)s;
	assert_false(e->closed);
	e->closed = true;
	e->why = why;
	then(e);
}

static const struct stream_callbacks callbacks = {
	.on_data = on_data, .on_drained = on_drained, .on_secure = on_secure, .on_closed = on_closed,
};

static void end_init(struct end *e, struct bench *b, int fd)
{
	memset(e, 0, sizeof *e);
	e->b = b;
	buf_init(&e->heard, 64 * 1024 * 1024);
	e->s = stream_new(b->loop, fd, &callbacks, e);
}

void pair_init_fds(struct pair *p, struct bench *b, int server_fd, int client_fd)
{
	end_init(&p->server, b, server_fd);
	end_init(&p->client, b, client_fd);
}

void pair_init(struct pair *p, struct bench *b)
{
	int fds[2];
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	pair_init_fds(p, b, fds[0], fds[1]);
}

void pair_fini(struct pair *p)
{
	stream_free(p->server.s);
	stream_free(p->client.s);
	buf_fini(&p->server.heard);
	buf_fini(&p->client.heard);
}

void pair_start(struct pair *p, const char *host, int version, SSL_SESSION *session)
{
	SSL_CTX *ctx = p->client.b->client->ctx;
	SSL_CTX_set_max_proto_version(ctx, version);
	assert_int_equal(stream_starttls_server(p->server.s, p->server.b->server), ERR_OK);
	assert_int_equal(stream_starttls_client(p->client.s, p->client.b->client, view_of(host)), ERR_OK);
	if (session) {
		SSL_SESSION *copy = SSL_SESSION_dup(session);
		assert_int_equal(SSL_set_session(p->client.s->tls->ssl, copy), 1);
		SSL_SESSION_free(copy);
	}
}

bool pair_secure(void *pair)
{
	const struct pair *p = pair;
	return p->server.secure && p->client.secure;
}

bool pair_closed(void *pair)
{
	const struct pair *p = pair;
	return p->server.closed && p->client.closed;
}

bool pair_any_closed(void *pair)
{
	const struct pair *p = pair;
	return p->server.closed || p->client.closed;
}
