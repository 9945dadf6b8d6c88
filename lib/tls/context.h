/* SPDX-License-Identifier: ISC */
/*
 * TLS contexts: what the streams of one process share. The server's holds no private key and reads no file: it asks its user, by
 * callbacks, for certificates and signatures, and the user gives the answers later (lib/daemon/keys.h asks keyd). A handshake waits meanwhile; the
 * process does not. TLS 1.2 and 1.3 with forward secrecy only; no compression, no renegotiation, no early data.
 */
#ifndef POSTRIDER_TLS_CONTEXT_H
#define POSTRIDER_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/view.h"

#define TLS_TEXT_MAX 1024      /* of a text to be signed */
#define TLS_SIGNATURE_MAX 1024 /* of a signature */
#define TLS_NAME_MAX 253       /* of a host name (RFC 1035 2.3.4, without the last dot) */
#define TLS_KEY_NAME_MAX 255   /* of a key's name */
#define TLS_CHAIN_MAX 65536    /* of a chain in PEM */
#define TLS_CHAINS_MAX 4       /* chains for one name, each with a key of another kind */
#define TLS_TICKET_KEY 80      /* name 16, HMAC key 32, cipher key 32 */

/* Loads what OpenSSL loads late, so that nothing is opened after confinement. Call in init, in the thread that will run the loop; again is harmless. */
void tls_init(void);

/* A certificate chain, leaf first, and the name by which its key's holder knows the key. */
struct tls_chain {
	struct view key;
	struct view pem;
};

/*
 * What the server context asks. Each returns an id, never 0, that the answer names, and which its user chose; or 0: it cannot be asked now, and
 * tls_server_ask_again will be called when it can. Answers may not come from within the call.
 */
struct tls_server_callbacks {
	/* The certificates for this host name (lower case, a legal host name); empty: the default ones. */
	uint64_t (*certificate)(void *arg, struct view name);
	/* A signature by this key over the full text, with this scheme (RFC 8446 4.2.3). */
	uint64_t (*sign)(void *arg, struct view key, uint16_t scheme, struct view text);
	/* The answer is not wanted any more. May be NULL. */
	void (*forget)(void *arg, uint64_t id);
	void *arg;
};

struct tls_server;
/*
 * session_context (1 to 32 octets) names the class of listener: sessions are resumed only within it. names_max bounds the cache of
 * certificates (0: 1,024 names). The callbacks are copied.
 */
struct tls_server *tls_server_new(struct view session_context, const struct tls_server_callbacks *cb, size_t names_max);
/* No stream of it may be left. NULL is ignored. */
void tls_server_free(struct tls_server *t);

/*
 * The answer to `certificate`. found false: there is none of this name, and the default is used. Chains that cannot be read are left out. An
 * unknown id is ignored, as in all of these.
 */
void tls_server_certificate(struct tls_server *t, uint64_t id, bool found, const struct tls_chain *chains, size_t n);
/* The answer to `sign`. ok false: the handshake fails. */
void tls_server_signed(struct tls_server *t, uint64_t id, bool ok, struct view signature);
/* The question was lost with whoever was asked: it is kept, and asked again by tls_server_ask_again. */
void tls_server_lost(struct tls_server *t, uint64_t id);
/* Questions that could not be asked, or were lost, are asked (again). */
void tls_server_ask_again(struct tls_server *t);
/* Forgets all certificates but those in use: they are asked for anew. */
void tls_server_reload(struct tls_server *t);

/*
 * From now on handshakes wait for the first ticket keys, so that a client that comes right after a restart finds its ticket still good, and gets none
 * that only this process could open.
 */
void tls_server_await_ticket_keys(struct tls_server *t);
/*
 * Session ticket keys, TLS_TICKET_KEY octets each: new tickets are sealed with current; previous still opens (empty: what was current till now).
 * Until they are given tickets are sealed with keys of this context's own, or handshakes wait (tls_server_await_ticket_keys).
 */
MUST_CHECK int tls_server_ticket_keys(struct tls_server *t, struct view current, struct view previous);

struct tls_client;
/*
 * verify: the peer must show a certificate that is valid for the name and leads to one of the authorities in ca_file (PEM; NULL: the
 * system's), which is read here, before confinement. Without verify anything goes, and stream_tls_info tells nothing of the peer.
 * ERR_INVALID when the file cannot be used, ERR_NOT_FOUND when the system's is not found.
 */
MUST_CHECK int tls_client_new(bool verify, const char *ca_file, struct tls_client **out);
void tls_client_free(struct tls_client *t);

#endif
