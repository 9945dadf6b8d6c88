/* SPDX-License-Identifier: ISC */
/*
 * TLS under a stream. OpenSSL reads the socket through a BIO of ours and writes into the stream's wire buffer, so that a write never
 * blocks within it and many records go out in one system call.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "sys/sock.h"
#include "tls/stream_impl.h"

enum {
	RECORD = 16384,          /* RFC 8446 5.1 */
	READ_BUDGET = 65536,     /* clear octets in one turn for one stream */
	WIRE_ENOUGH = 65536,     /* more is encrypted when this was sent */
};

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *out, int n)
{
	struct stream *s = BIO_get_data(b);
	BIO_clear_retry_flags(b);
	ssize_t got;
	do
		got = recv(s->fd, out, (size_t)n, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		return (int)got;
	if (got == 0)
		s->tls->eof = true;
	else if (errno == EAGAIN)
		BIO_set_retry_read(b);
	else
		s->tls->broken = true;
	return got == 0 ? 0 : -1;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct stream *s = BIO_get_data(b);
	BIO_clear_retry_flags(b);
	if (s->mute)
		return n;
	buf_add(&s->wire, p, (size_t)n);
	stream_schedule(s, WORK_FLUSH);
	return buf_ok(&s->wire) ? n : -1;
}

static long bio_ctrl(BIO *b, int command, long number, void *p)
{
	struct stream *s = BIO_get_data(b);
	(void)number, (void)p;
	if (command == BIO_CTRL_EOF)
		return s->tls->eof;
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

/* Constant once it is made. */
static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
	method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "stream");
	INVARIANT(method != NULL && BIO_meth_set_read(method, bio_read) == 1 && BIO_meth_set_write(method, bio_write) == 1 &&
	          BIO_meth_set_ctrl(method, bio_ctrl) == 1 && BIO_meth_set_create(method, bio_create) == 1);
}

static BIO *bio_for(struct stream *s)
{
	INVARIANT(pthread_once(&method_once, make_method) == 0);
	BIO *b = BIO_new(method);
	INVARIANT(b != NULL);
	BIO_set_data(b, s);
	return b;
}

/* ---- start and end ---- */

static void wake(void *arg)
{
	stream_schedule(arg, WORK_STEP);
}

static int start(struct stream *s, SSL_CTX *ctx, struct tls_server *server)
{
	if (s->phase != STREAM_PLAIN || buf_len(&s->in) > 0)
		return ERR_PROTOCOL;
	struct stream_tls *t = mem_new(sizeof *t);
	t->ssl = SSL_new(ctx);
	INVARIANT(t->ssl != NULL);
	t->server = server != NULL;
	t->error = "";
	buf_init(&t->clear, s->max);
	s->tls = t;
	BIO *b = bio_for(s);
	SSL_set_bio(t->ssl, b, b);
	handshake_init(&t->handshake, server, t->ssl, wake, s);
	s->phase = STREAM_HANDSHAKE;
	stream_arm(s, s->handshake_ms);
	return ERR_OK;
}

int stream_starttls_server(struct stream *s, struct tls_server *server)
{
	int err = start(s, server->ctx, server);
	if (err)
		return err;
	SSL_set_accept_state(s->tls->ssl);
	if (s->deaf) /* what came during a pause is looked at now */
		stream_schedule(s, WORK_STEP);
	return ERR_OK;
}

/* An address is checked as an address and never sent as a name (RFC 6066 3). */
static bool set_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	struct sock_addr a;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (sock_addr_parse(view_of(host), 0, &a) == ERR_OK)
		return X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 && X509_VERIFY_PARAM_set1_host(p, host, 0) == 1;
}

int stream_starttls_client(struct stream *s, struct tls_client *client, struct view host)
{
	char name[TLS_NAME_MAX + 1] = "";
	if (host.n > TLS_NAME_MAX || view_find(host, '\0') != SIZE_MAX)
		return ERR_INVALID;
	if (host.n > 0)
		memcpy(name, host.p, host.n);
	int err = start(s, client->ctx, NULL);
	if (err)
		return err;
	SSL_set_connect_state(s->tls->ssl);
	s->tls->must_verify = client->verify && host.n > 0;
	INVARIANT(host.n == 0 || set_host(s->tls->ssl, name));
	stream_schedule(s, WORK_STEP);
	return ERR_OK;
}

void stream_tls_free(struct stream *s)
{
	struct stream_tls *t = s->tls;
	s->mute = true;
	handshake_fini(&t->handshake);
	SSL_free(t->ssl);
	buf_fini(&t->clear);
	free(t);
	s->tls = NULL;
}

void stream_tls_goodbye(struct stream *s)
{
	ERR_clear_error();
	(void)!SSL_shutdown(s->tls->ssl);
	ERR_clear_error();
}

/* ---- going on ---- */

static void note_error(struct stream_tls *t)
{
	unsigned long e = ERR_peek_last_error();
	long verify = SSL_get_verify_result(t->ssl);
	const char *text = e ? ERR_reason_error_string(e) : NULL;
	if (verify != X509_V_OK && t->must_verify)
		text = X509_verify_cert_error_string(verify);
	t->error = text ? text : t->eof ? "the peer closed the connection" : t->broken ? "the connection broke" : "unknown";
	ERR_clear_error();
}

static void failed(struct stream *s)
{
	struct stream_tls *t = s->tls;
	enum stream_end why = t->broken ? STREAM_END_RESET : STREAM_END_TLS;
	note_error(t);
	buf_reset(&t->clear);
	stream_see_end(s, why);
	s->mute = false;
	stream_send(s); /* the alert, which may find nobody */
	stream_fail(s, why);
}

static void became_secure(struct stream *s)
{
	struct stream_tls *t = s->tls;
	s->phase = STREAM_SECURE;
	SSL_clear_mode(t->ssl, SSL_MODE_ASYNC); /* no private key is used from now on, and jobs cost */
	timer_stop(s->timer);
	stream_touch(s);
	stream_schedule(s, WORK_FLUSH | (SSL_has_pending(t->ssl) ? WORK_STEP : 0U));
	if (s->cb->on_secure)
		s->cb->on_secure(s->arg, s);
}

static void handshake(struct stream *s)
{
	enum handshake_result r = handshake_step(&s->tls->handshake);
	s->tls->waiting = r == HANDSHAKE_WAIT;
	if (r == HANDSHAKE_FAILED)
		failed(s);
	else if (r == HANDSHAKE_DONE)
		became_secure(s);
}

/* What SSL_read's failure means; false: nothing is there yet. */
static bool read_end(struct stream *s, int error)
{
	struct stream_tls *t = s->tls;
	if (error == SSL_ERROR_WANT_READ)
		return false;
	if (error == SSL_ERROR_ZERO_RETURN) {
		stream_see_end(s, t->eof ? STREAM_END_TRUNCATED : STREAM_END_CLEAN);
		return true;
	}
	note_error(t);
	stream_see_end(s, t->broken ? STREAM_END_RESET : t->eof ? STREAM_END_TRUNCATED : STREAM_END_TLS);
	return true;
}

/* One record at most; what was read, 0 where nothing more can be had now. */
static size_t read_record(struct stream *s)
{
	size_t room = s->in.max - buf_len(&s->in), n = 0;
	char *to = buf_room(&s->in, room < RECORD ? room : RECORD);
	ERR_clear_error();
	int r = SSL_read_ex(s->tls->ssl, to, room < RECORD ? room : RECORD, &n);
	if (r == 1)
		buf_commit(&s->in, n);
	else
		read_end(s, SSL_get_error(s->tls->ssl, r));
	return r == 1 ? n : 0;
}

static void read_secure(struct stream *s)
{
	size_t got = 0, n = 1;
	while (n > 0 && got < READ_BUDGET && buf_len(&s->in) < s->in.max && (got == 0 || SSL_has_pending(s->tls->ssl)))
		got += n = read_record(s);
	if (got > 0)
		stream_touch(s);
	if (got > 0 || s->end_seen)
		stream_deliver(s);
	if (!s->dead && n > 0 && stream_wants_read(s) && SSL_has_pending(s->tls->ssl))
		stream_schedule(s, WORK_STEP);
}

bool stream_tls_pending(const struct stream *s)
{
	return SSL_has_pending(s->tls->ssl);
}

void stream_tls_step(struct stream *s)
{
	if (s->phase == STREAM_HANDSHAKE)
		handshake(s);
	else if (stream_wants_read(s))
		read_secure(s);
}

void stream_tls_encrypt(struct stream *s)
{
	struct stream_tls *t = s->tls;
	while (buf_len(&t->clear) > 0 && buf_len(&s->wire) < WIRE_ENOUGH) {
		size_t n = 0;
		struct view v = view_head(buf_view(&t->clear), RECORD);
		ERR_clear_error();
		if (SSL_write_ex(t->ssl, v.p, v.n, &n) != 1) {
			note_error(t);
			buf_reset(&t->clear);
			stream_fail(s, STREAM_END_TLS);
			return;
		}
		buf_consume(&t->clear, n);
	}
	buf_shrink(&t->clear);
}

/* ---- what there is to know ---- */

const char *stream_tls_error(const struct stream *s)
{
	return s->tls ? s->tls->error : "";
}

static bool is_verified(const struct stream_tls *t)
{
	return t->must_verify && SSL_get0_peer_certificate(t->ssl) && SSL_get_verify_result(t->ssl) == X509_V_OK;
}

bool stream_tls_info(const struct stream *s, struct stream_tls_info *out)
{
	if (s->phase != STREAM_SECURE)
		return false;
	SSL *ssl = s->tls->ssl;
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	*out = (struct stream_tls_info){
		.version = SSL_get_version(ssl),
		.cipher = SSL_get_cipher_name(ssl),
		.bits = SSL_get_cipher_bits(ssl, NULL),
		.resumed = SSL_session_reused(ssl) == 1,
		.verified = is_verified(s->tls),
		.sni = sni ? sni : "",
	};
	return true;
}

static int bind_exporter(SSL *ssl, struct buf *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char b[32];
	if (SSL_version(ssl) < TLS1_3_VERSION || SSL_export_keying_material(ssl, b, sizeof b, label, sizeof label - 1, NULL, 0, 1) != 1)
		return ERR_UNSUPPORTED;
	buf_add(out, b, sizeof b);
	return ERR_OK;
}

/* The hash is that of the certificate's signature, SHA-256 in place of MD5 and SHA-1 (RFC 5929 4.1). */
static int bind_end_point(const struct stream_tls *t, struct buf *out)
{
	unsigned char b[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int md = NID_undef;
	const X509 *x = t->server ? SSL_get_certificate(t->ssl) : SSL_get0_peer_certificate(t->ssl);
	if (!x || X509_get_signature_info((X509 *)(uintptr_t)x, &md, NULL, NULL, NULL) != 1 || md == NID_undef)
		return ERR_UNSUPPORTED;
	const EVP_MD *how = md == NID_md5 || md == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(md);
	if (!how || X509_digest(x, how, b, &n) != 1)
		return ERR_UNSUPPORTED;
	buf_add(out, b, n);
	return ERR_OK;
}

/* The first Finished of the handshake: the client's, but the server's when a session was resumed (RFC 5929 3.1). */
static int bind_unique(const struct stream_tls *t, struct buf *out)
{
	unsigned char b[EVP_MAX_MD_SIZE];
	bool own = t->server == (SSL_session_reused(t->ssl) == 1);
	if (SSL_version(t->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(t->ssl) != 1)
		return ERR_UNSUPPORTED;
	size_t n = own ? SSL_get_finished(t->ssl, b, sizeof b) : SSL_get_peer_finished(t->ssl, b, sizeof b);
	if (n == 0 || n > sizeof b)
		return ERR_UNSUPPORTED;
	buf_add(out, b, n);
	return ERR_OK;
}

int stream_channel_binding(const struct stream *s, enum tls_binding kind, struct buf *out)
{
	if (s->phase != STREAM_SECURE)
		return ERR_UNSUPPORTED;
	switch (kind) {
	case TLS_BINDING_EXPORTER: return bind_exporter(s->tls->ssl, out);
	case TLS_BINDING_SERVER_END_POINT: return bind_end_point(s->tls, out);
	case TLS_BINDING_UNIQUE: return bind_unique(s->tls, out);
	}
	return ERR_UNSUPPORTED;
}
