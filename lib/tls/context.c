/* SPDX-License-Identifier: ISC */
#include "tls/context.h"

#include <openssl/async.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "sys/clock.h"
#include "tls/digest.h"
#include "tls/scheme.h"
#include "tls/server.h"

enum { NAMES_MAX = 1024, JOBS_MAX = 256 };

/* The parts of a ticket key, in their order. */
enum { TICKET_NAME = 16, TICKET_MAC = 32, TICKET_CIPHER = 32, TICKET_IV = 16 };

static void init_once(void)
{
	uint8_t out[SHA256_OCTETS];
	INVARIANT(OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) == 1);
	INVARIANT(ASYNC_init_thread(JOBS_MAX, 0) == 1);
	sha256(VIEW(""), out);
}

void tls_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	INVARIANT(pthread_once(&once, init_once) == 0);
}

static void set_schemes(SSL_CTX *ctx)
{
	struct buf b;
	buf_init(&b, 1024);
	for (size_t i = 0; scheme_at(i); i++)
		buf_printf(&b, "%s%s", i ? ":" : "", scheme_at(i)->name);
	INVARIANT(SSL_CTX_set1_sigalgs_list(ctx, buf_str(&b)) == 1);
	buf_fini(&b);
}

void tls_context_common(SSL_CTX *ctx)
{
	INVARIANT(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	INVARIANT(SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL") == 1);
	INVARIANT(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1);
}

/* ---- session tickets (RFC 5077, RFC 8446 4.6.1) ---- */

static bool ticket_start(struct tls_server *t, const uint8_t *key, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const uint8_t *iv, int encrypt)
{
	char digest[] = "SHA256";
	uint8_t mac_key[TICKET_MAC];
	memcpy(mac_key, key + TICKET_NAME, sizeof mac_key);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof mac_key),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	bool ok = EVP_CipherInit_ex2(cipher, t->ticket_cipher, key + TICKET_NAME + TICKET_MAC, iv, encrypt, NULL) == 1 &&
	          EVP_MAC_CTX_set_params(mac, params) == 1;
	mem_wipe(mac_key, sizeof mac_key);
	return ok;
}

static const uint8_t *ticket_key_named(const struct tls_server *t, const unsigned char *name)
{
	for (size_t i = 0; i <= (size_t)t->ticket_previous; i++)
		if (memcmp(name, t->ticket_keys[i], TICKET_NAME) == 0)
			return t->ticket_keys[i];
	return NULL;
}

/* 1: good; 2: good, and a new ticket is due: with the old key, and always in TLS 1.3, whose tickets serve once; 0: do without; -1: fault. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	struct tls_server *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const uint8_t *key = encrypt ? t->ticket_keys[0] : ticket_key_named(t, name);
	if (!key)
		return 0;
	if (encrypt) {
		memcpy(name, key, TICKET_NAME);
		random_bytes(iv, TICKET_IV);
	}
	if (!ticket_start(t, key, cipher, mac, iv, encrypt))
		return -1;
	return encrypt || (key == t->ticket_keys[0] && SSL_version(ssl) < TLS1_3_VERSION) ? 1 : 2;
}

/* Before anything of the hello counts: the ticket in it is opened right afterwards. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tls_server *t = arg;
	(void)ssl, (void)alert;
	return t->await_tickets ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS;
}

void tls_server_await_ticket_keys(struct tls_server *t)
{
	t->await_tickets = true;
}

static void wake_ticketless(struct tls_server *t)
{
	LIST_EACH(it, tmp, &t->ticketless) {
		struct handshake *h = LIST_OF(it, struct handshake, waits);
		list_remove(it);
		h->wake(h->arg);
	}
}

int tls_server_ticket_keys(struct tls_server *t, struct view current, struct view previous)
{
	if (current.n != TLS_TICKET_KEY || (previous.n != TLS_TICKET_KEY && previous.n != 0))
		return ERR_INVALID;
	if (previous.n > 0)
		memcpy(t->ticket_keys[1], previous.p, TLS_TICKET_KEY);
	else
		memcpy(t->ticket_keys[1], t->ticket_keys[0], TLS_TICKET_KEY);
	memcpy(t->ticket_keys[0], current.p, TLS_TICKET_KEY);
	t->ticket_previous = true;
	t->await_tickets = false;
	wake_ticketless(t);
	return ERR_OK;
}

/* ---- the server's context ---- */

/* Says only that the name was heard: which certificate it gets is cert_choose's matter. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *server_context(struct tls_server *t, struct view session_context)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(remote_keys_context(t->keys), NULL, TLS_server_method());
	INVARIANT(ctx != NULL);
	tls_context_common(ctx);
	set_schemes(ctx);
	SSL_CTX_set_mode(ctx, SSL_MODE_ASYNC);
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	INVARIANT(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)session_context.p, (unsigned)session_context.n) == 1);
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_client_hello_cb(ctx, on_hello, t);
	SSL_CTX_set_cert_cb(ctx, cert_choose, t);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	INVARIANT(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1);
	return ctx;
}

struct tls_server *tls_server_new(struct view session_context, const struct tls_server_callbacks *cb, size_t names_max)
{
	struct tls_server *t = mem_new(sizeof *t);
	tls_init();
	INVARIANT(session_context.n >= 1 && session_context.n <= SSL_MAX_SID_CTX_LENGTH);
	t->cb = *cb;
	t->names_max = names_max ? names_max : NAMES_MAX;
	t->asked = map64_new();
	t->certs = map_new();
	list_init(&t->unasked);
	list_init(&t->starved);
	list_init(&t->ticketless);
	list_init(&t->found);
	list_init(&t->none);
	t->keys = remote_keys_new(handshake_sign, t);
	t->ticket_cipher = EVP_CIPHER_fetch(remote_keys_context(t->keys), "AES-256-CBC", NULL);
	INVARIANT(t->ticket_cipher != NULL);
	random_bytes(t->ticket_keys[0], TLS_TICKET_KEY);
	t->ctx = server_context(t, session_context);
	return t;
}

void tls_server_free(struct tls_server *t)
{
	if (!t)
		return;
	certs_free_all(t);
	INVARIANT(list_empty(&t->unasked) && list_empty(&t->starved) && list_empty(&t->ticketless));
	SSL_CTX_free(t->ctx);
	EVP_CIPHER_free(t->ticket_cipher);
	remote_keys_free(t->keys);
	map64_free(t->asked);
	map_free(t->certs);
	mem_wipe(t->ticket_keys, sizeof t->ticket_keys);
	free(t);
}

/* ---- the client's context ---- */

/* Where systems keep their bundle. OpenSSL's own default may be a directory, which would be read later, when nothing can be opened. */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
};

static int load_authorities(SSL_CTX *ctx, const char *ca_file)
{
	bool ok = ca_file && SSL_CTX_load_verify_file(ctx, ca_file) == 1;
	for (size_t i = 0; !ca_file && !ok && i < sizeof bundles / sizeof *bundles; i++)
		ok = SSL_CTX_load_verify_file(ctx, bundles[i]) == 1;
	ERR_clear_error();
	return ok ? ERR_OK : ca_file ? ERR_INVALID : ERR_NOT_FOUND;
}

int tls_client_new(bool verify, const char *ca_file, struct tls_client **out)
{
	tls_init();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	INVARIANT(ctx != NULL);
	tls_context_common(ctx);
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	int err = verify ? load_authorities(ctx, ca_file) : ERR_OK;
	if (err) {
		SSL_CTX_free(ctx);
		return err;
	}
	struct tls_client *t = mem_new(sizeof *t);
	t->ctx = ctx;
	t->verify = verify;
	*out = t;
	return ERR_OK;
}

void tls_client_free(struct tls_client *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}
