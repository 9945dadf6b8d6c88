/* SPDX-License-Identifier: ISC */
#include <openssl/async.h>
#include <openssl/err.h>
#include <string.h>

#include "base/mem.h"
#include "tls/server.h"

void question_init(struct question *q, enum question_kind kind)
{
	q->kind = kind;
	q->id = 0;
	list_init(&q->unasked);
}

static uint64_t put_question(struct tls_server *t, struct question *q)
{
	if (q->kind == QUESTION_CERTIFICATE)
		return t->cb.certificate(t->cb.arg, view_of(LIST_OF(q, struct cert, q)->name));
	const struct handshake *h = LIST_OF(q, struct handshake, q);
	return t->cb.sign(t->cb.arg, h->key, h->scheme, h->text);
}

void question_ask(struct tls_server *t, struct question *q)
{
	list_remove(&q->unasked);
	q->id = put_question(t, q);
	if (q->id == 0)
		list_append(&t->unasked, &q->unasked);
	else
		INVARIANT(map64_set(t->asked, q->id, q) == NULL);
}

void question_drop(struct tls_server *t, struct question *q)
{
	list_remove(&q->unasked);
	if (q->id == 0)
		return;
	map64_del(t->asked, q->id);
	if (t->cb.forget)
		t->cb.forget(t->cb.arg, q->id);
	q->id = 0;
}

void tls_server_lost(struct tls_server *t, uint64_t id)
{
	struct question *q = map64_del(t->asked, id);
	if (!q)
		return;
	q->id = 0;
	list_append(&t->unasked, &q->unasked);
}

/* Those that cannot be asked now come back to the list's end: only as many are asked as stood there. */
void tls_server_ask_again(struct tls_server *t)
{
	struct list now;
	list_init(&now);
	LIST_EACH(it, tmp, &t->unasked) {
		list_remove(it);
		list_append(&now, it);
	}
	LIST_EACH(it, tmp, &now)
		question_ask(t, LIST_OF(it, struct question, unasked));
}

/* Runs on the job's own stack, deep within OpenSSL. */
bool handshake_sign(void *arg, struct view key, uint16_t scheme, struct view text, uint8_t *out, size_t max, size_t *n)
{
	struct tls_server *t = arg;
	struct handshake *h = t->current;
	if (!h || !ASYNC_get_current_job())
		return false;
	h->key = key;
	h->scheme = scheme;
	h->text = text;
	h->answered = false;
	while (!h->answered)
		if (ASYNC_pause_job() != 1)
			return false;
	struct view sig = buf_view(&h->signature);
	if (!h->ok || sig.n == 0 || sig.n > max)
		return false;
	memcpy(out, sig.p, sig.n);
	*n = sig.n;
	return true;
}

void tls_server_signed(struct tls_server *t, uint64_t id, bool ok, struct view signature)
{
	struct question *q = map64_get(t->asked, id);
	if (!q || q->kind != QUESTION_SIGN)
		return;
	struct handshake *h = LIST_OF(q, struct handshake, q);
	map64_del(t->asked, id);
	q->id = 0;
	buf_addv(&h->signature, signature);
	h->ok = ok && buf_ok(&h->signature);
	h->answered = true;
	h->wake(h->arg);
}

void handshake_init(struct handshake *h, struct tls_server *server, SSL *ssl, void (*wake)(void *arg), void *arg)
{
	memset(h, 0, sizeof *h);
	h->server = server;
	h->ssl = ssl;
	h->wake = wake;
	h->arg = arg;
	list_init(&h->waits);
	question_init(&h->q, QUESTION_SIGN);
	buf_init(&h->signature, TLS_SIGNATURE_MAX);
}

static int run(struct handshake *h)
{
	ERR_clear_error();
	if (h->server)
		h->server->current = h;
	int error = SSL_get_error(h->ssl, SSL_do_handshake(h->ssl));
	if (h->server)
		h->server->current = NULL;
	h->paused = error == SSL_ERROR_WANT_ASYNC;
	return error;
}

/* The job went back to the pool: the first that lacked one may try again. */
static void feed_starved(struct tls_server *t)
{
	struct list *first = t ? list_first(&t->starved) : NULL;
	if (!first)
		return;
	struct handshake *h = LIST_OF(first, struct handshake, waits);
	list_remove(&h->waits);
	h->wake(h->arg);
}

static void wait_for_cert(struct handshake *h)
{
	INVARIANT(h->cert != NULL);
	list_remove(&h->waits);
	list_append(&h->cert->waiters, &h->waits);
	if (h->cert->q.id == 0 && list_empty(&h->cert->q.unasked))
		question_ask(h->server, &h->cert->q);
	h->cert = NULL;
}

static void wait_for_signature(struct handshake *h)
{
	if (!h->answered && h->q.id == 0 && list_empty(&h->q.unasked))
		question_ask(h->server, &h->q);
}

enum handshake_result handshake_step(struct handshake *h)
{
	list_remove(&h->waits);
	int error = run(h);
	switch (error) {
	case SSL_ERROR_WANT_ASYNC:
		wait_for_signature(h);
		return HANDSHAKE_WAIT;
	case SSL_ERROR_WANT_ASYNC_JOB:
		list_append(&h->server->starved, &h->waits);
		return HANDSHAKE_WAIT;
	case SSL_ERROR_WANT_X509_LOOKUP:
		wait_for_cert(h);
		feed_starved(h->server);
		return HANDSHAKE_WAIT;
	case SSL_ERROR_WANT_CLIENT_HELLO_CB:
		list_append(&h->server->ticketless, &h->waits);
		feed_starved(h->server);
		return HANDSHAKE_WAIT;
	default:
		feed_starved(h->server);
		return error == SSL_ERROR_NONE ? HANDSHAKE_DONE : error == SSL_ERROR_WANT_READ ? HANDSHAKE_READ : HANDSHAKE_FAILED;
	}
}

/* A paused job holds memory of OpenSSL's on its stack: it is run to its end, which the refused signature brings. */
static void unwind(struct handshake *h)
{
	h->answered = true;
	h->ok = false;
	run(h);
	INVARIANT(!h->paused);
	feed_starved(h->server);
}

void handshake_fini(struct handshake *h)
{
	list_remove(&h->waits);
	if (h->server)
		question_drop(h->server, &h->q);
	if (h->paused)
		unwind(h);
	buf_fini(&h->signature);
	ERR_clear_error();
}
