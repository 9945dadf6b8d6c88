/* SPDX-License-Identifier: ISC */
/*
 * A stream: the one way in which smtpd, login and smtp-client talk to clients and servers on the network. It owns a
 * non-blocking socket, begins plain and can be raised to TLS, as server or client; its user reads and writes the same
 * buffers in either state and never cares.
 *
 * Reading is bounded: no more than the input maximum is held; past the output's high-water mark reading stops by itself
 * until the peer has taken what it is owed. Writes are gathered and go out once: those of a callback that got
 * input when it returns, all others at the end of the loop's turn. An idle stream holds no buffers.
 *
 * A stream may be closed or freed in any of its own callbacks. No callback comes from within a call of the user's.
 */
#ifndef POSTRIDER_TLS_STREAM_H
#define POSTRIDER_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"
#include "event/loop.h"

struct stream;
struct tls_server;
struct tls_client;

/* Why no more input will come. After those marked (w) what is written still goes out, so that a farewell can be said. */
enum stream_end {
	STREAM_END_CLEAN,     /* (w) the peer closed in order: TCP's end on a plain stream, close_notify in TLS */
	STREAM_END_IDLE,      /* (w) the peer did nothing for the idle time */
	STREAM_END_TRUNCATED, /* TLS ended without close_notify: what came may be cut off (RFC 8446 6.1) */
	STREAM_END_RESET,     /* reset, broken pipe or another fault of the connection; or connecting failed */
	STREAM_END_TLS,       /* the handshake failed, or a record was malformed; see stream_tls_error */
	STREAM_END_DEADLINE,  /* the handshake took too long */
	STREAM_END_OVERFLOW,  /* more was written than the output maximum: the user ignored stream_full */
};
/* "clean", "idle" … for logs. */
const char *stream_end_name(enum stream_end why);

/* Any may be NULL. */
struct stream_callbacks {
	/* There is new input in stream_input (or input is left, after stream_resume). Take what can be taken. */
	void (*on_data)(void *arg, struct stream *s);
	/* The output had passed the high-water mark and is down again. */
	void (*on_drained)(void *arg, struct stream *s);
	/* The TLS handshake is done. */
	void (*on_secure)(void *arg, struct stream *s);
	/* A connection begun with stream_new_connecting stands. */
	void (*on_connected)(void *arg, struct stream *s);
	/* No more input will come; called once, after the last on_data, and never after stream_close. The user then closes or frees. */
	void (*on_closed)(void *arg, struct stream *s, enum stream_end why);
};

/* Takes fd (non-blocking), begins to read. The callbacks stay the caller's and must outlive the stream. */
struct stream *stream_new(struct loop *l, int fd, const struct stream_callbacks *cb, void *arg);
/* The same for a socket whose connect is in progress (sock_connect gave ERR_AGAIN, or 0). */
struct stream *stream_new_connecting(struct loop *l, int fd, const struct stream_callbacks *cb, void *arg);
/* Drops everything at once and closes the descriptor. NULL is ignored. */
void stream_free(struct stream *s);
/*
 * Sends what was written (and close_notify in TLS), closes, frees itself; no callback comes any more. The peer has the idle
 * time, at most 30 s, to take it. When the peer may still be sending, use the lingering form: it throws input away for a while
 * (at most 2 s and 1 MiB), so that the last reply is not lost to a reset.
 */
void stream_close(struct stream *s);
void stream_close_linger(struct stream *s);

void stream_set_arg(struct stream *s, const struct stream_callbacks *cb, void *arg);
int stream_fd(const struct stream *s);

/*
 * The input: the user consumes from it (buf_consume), in on_data or later. A user that leaves it full gets no on_data until it has
 * consumed and called stream_resume.
 */
struct buf *stream_input(struct stream *s);
/* The most input held, in octets (64 KiB at the start). */
void stream_set_input_max(struct stream *s, size_t n);
/* Stop reading; read on. With input left, resume has on_data called again before the turn ends. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
bool stream_paused(const struct stream *s);
/* Throws the input away; how many octets there were. What must be asked before TLS is started (CVE-2011-0411). */
size_t stream_discard_input(struct stream *s);

/* Adds to the output, which goes out at the end of the turn. After the stream's end (but see (w)) it is dropped. */
void stream_write(struct stream *s, struct view v);
void stream_puts(struct stream *s, const char *text);
__attribute__((format(printf, 2, 3))) void stream_printf(struct stream *s, const char *fmt, ...);
/* The output buffer itself, to add to (never to consume from) within this turn. */
struct buf *stream_output(struct stream *s);
/* Octets that wait to be sent; whether they have passed the high-water mark: a producer then waits for on_drained. */
size_t stream_backlog(const struct stream *s);
bool stream_full(const struct stream *s);
/* The high-water mark (256 KiB at the start) and the maximum (16 MiB). */
void stream_set_output_marks(struct stream *s, size_t high, size_t max);
/* Sends now what can be sent. Rarely needed: the end of the turn does it. */
void stream_flush(struct stream *s);

/*
 * The idle time in ms (0: none, as at the start). It runs while the stream waits for its peer: for input, or to take output; not while
 * the user has paused it with nothing to send.
 */
void stream_set_idle(struct stream *s, uint64_t ms);
/* The time in ms that a handshake may take (60,000 at the start). Call before the start of TLS. */
void stream_set_handshake_deadline(struct stream *s, uint64_t ms);

/*
 * Raise to TLS. What was written before goes out before it in the clear, what is written from now on is encrypted. ERR_PROTOCOL, and nothing is
 * done, when plain input is still held: whoever pipelined it must be refused (RFC 3207 4.2, RFC 3501 6.2.1). The context must outlive the stream.
 * host (client) is the name sent as SNI and, with a verifying context, the one that the certificate must bear; empty: none.
 */
MUST_CHECK int stream_starttls_server(struct stream *s, struct tls_server *server);
MUST_CHECK int stream_starttls_client(struct stream *s, struct tls_client *client, struct view host);

/* True from the start of TLS on; true once the handshake is done. */
bool stream_is_tls(const struct stream *s);
bool stream_is_secure(const struct stream *s);

struct stream_tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
	int bits;            /* of the cipher */
	bool resumed;
	bool verified;       /* the peer showed a certificate, and it is valid for the name asked */
	const char *sni;     /* what the client asked for, "" for none */
};
/* False while the stream is not secure. The strings live as long as the stream. */
bool stream_tls_info(const struct stream *s, struct stream_tls_info *out);
/* What went wrong in TLS, for logs ("no shared cipher"); "" when nothing did. */
const char *stream_tls_error(const struct stream *s);

enum tls_binding {
	TLS_BINDING_EXPORTER,         /* RFC 9266, TLS 1.3 */
	TLS_BINDING_SERVER_END_POINT, /* RFC 5929 4 */
	TLS_BINDING_UNIQUE,           /* RFC 5929 3, TLS 1.2 with extended master secret */
};
/* Adds the channel binding's octets to out. ERR_UNSUPPORTED where this connection has none of the kind. */
MUST_CHECK int stream_channel_binding(const struct stream *s, enum tls_binding kind, struct buf *out);

/*
 * Gives the plain descriptor away: *fd is the caller's, unread input is added to rest, the stream is freed. ERR_UNSUPPORTED with TLS; ERR_AGAIN
 * while output waits (after trying to send it): the stream lives on, try again in on_drained or later.
 */
MUST_CHECK int stream_detach_fd(struct stream *s, int *fd, struct buf *rest);

#endif
