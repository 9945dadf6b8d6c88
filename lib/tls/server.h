/* SPDX-License-Identifier: ISC */
/*
 * Inside of lib/tls: the server context's parts, and handshakes that wait for answers. What waits is asked on the main stack, after the
 * handshake's job has paused: jobs have small stacks.
 */
#ifndef POSTRIDER_TLS_SERVER_H
#define POSTRIDER_TLS_SERVER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "tls/context.h"
#include "tls/remote_key.h"

/* What was asked, or is to be asked, of the context's user. */
enum question_kind { QUESTION_SIGN, QUESTION_CERTIFICATE };
struct question {
	enum question_kind kind;
	uint64_t id;        /* 0: not asked */
	struct list unasked; /* in tls_server.unasked, or alone */
};

/* One handshake. Embedded in a stream's TLS part. */
struct handshake {
	struct tls_server *server; /* NULL: a client's */
	SSL *ssl;
	void (*wake)(void *arg); /* it may go on: have handshake_step called soon, not from within */
	void *arg;
	struct list waits;       /* in a certificate's waiters, or in tls_server.starved or .ticketless */
	struct cert *cert;       /* that it waits for */
	struct question q;       /* QUESTION_SIGN */
	bool paused;             /* its job is paused, and must be run to its end before the SSL is freed */
	bool answered, ok;
	uint16_t scheme;
	struct view key, text;   /* alive while paused */
	struct buf signature;
};

enum handshake_result { HANDSHAKE_DONE, HANDSHAKE_READ, HANDSHAKE_WAIT, HANDSHAKE_FAILED };

void handshake_init(struct handshake *h, struct tls_server *server, SSL *ssl, void (*wake)(void *arg), void *arg);
enum handshake_result handshake_step(struct handshake *h);
/* Ends it in whatever state, so that the SSL may be freed. */
void handshake_fini(struct handshake *h);
/* The function that remote keys sign with; arg is the struct tls_server. */
remote_sign_fn handshake_sign;

/* Certificates of one name: a cache entry. */
enum cert_state { CERT_ASKED, CERT_FOUND, CERT_NONE };
struct cert_pair {
	X509 *leaf;
	STACK_OF(X509) *rest;
	EVP_PKEY *key;
};
struct cert {
	struct question q;
	struct list used; /* in tls_server.found or .none, the latest first */
	struct list waiters;
	enum cert_state state;
	char *name;
	size_t n;
	struct cert_pair pairs[TLS_CHAINS_MAX];
};
/* SSL_CTX_set_cert_cb's function; arg is the struct tls_server. */
int cert_choose(SSL *ssl, void *arg);
void certs_free_all(struct tls_server *t);

struct tls_server {
	struct tls_server_callbacks cb;
	struct remote_keys *keys;
	SSL_CTX *ctx;
	struct handshake *current; /* the one that is being stepped */
	struct map64 *asked;       /* id → struct question */
	struct list unasked;
	struct list starved;       /* handshakes for which there was no job */
	struct map *certs;         /* name → struct cert */
	struct list found, none;
	size_t found_n, none_n, names_max;
	EVP_CIPHER *ticket_cipher;
	uint8_t ticket_keys[2][TLS_TICKET_KEY];
	bool ticket_previous;
	bool await_tickets;        /* no handshake goes on before the keys were given */
	struct list ticketless;    /* handshakes that wait for that */
};

void question_init(struct question *q, enum question_kind kind);
void question_ask(struct tls_server *t, struct question *q);
/* No answer is wanted any more. */
void question_drop(struct tls_server *t, struct question *q);

/* What both sides' contexts have in common: versions, ciphers, schemes, groups, modes. */
void tls_context_common(SSL_CTX *ctx);

struct tls_client {
	SSL_CTX *ctx;
	bool verify;
};

#endif
