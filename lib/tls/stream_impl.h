/* SPDX-License-Identifier: ISC */
/* Inside of lib/tls: what a stream is. stream.c is the plain engine, stream_tls.c what TLS adds. */
#ifndef POSTRIDER_TLS_STREAM_IMPL_H
#define POSTRIDER_TLS_STREAM_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "event/loop.h"
#include "tls/server.h"
#include "tls/stream.h"

enum stream_phase { STREAM_CONNECTING, STREAM_PLAIN, STREAM_HANDSHAKE, STREAM_SECURE };

/* What is left for the end of the turn. */
enum {
	WORK_STEP = 1 << 0,    /* go on with the handshake, or read what TLS holds */
	WORK_DATA = 1 << 1,    /* show the input again */
	WORK_DRAINED = 1 << 2, /* tell that the output is down */
	WORK_END = 1 << 3,     /* tell the end, whatever input is left */
	WORK_FLUSH = 1 << 4,   /* send */
};

struct stream_tls {
	SSL *ssl;
	struct buf clear; /* output that is not encrypted yet */
	struct handshake handshake;
	bool server;
	bool waiting;     /* the handshake waits for an answer, not for the peer */
	bool eof;         /* TCP's end was seen */
	bool broken;      /* a fault of the connection was seen */
	bool must_verify;
	const char *error;
};

struct stream {
	struct loop *loop;
	struct io *io;
	struct timer *timer; /* NULL until one is needed */
	struct later later;
	const struct stream_callbacks *cb;
	void *arg;
	int fd;
	enum stream_phase phase;
	struct buf in;
	struct buf wire; /* output as it goes out; the wire takes it from its front */
	struct stream_tls *tls;
	size_t high, max;
	uint64_t idle_ms, handshake_ms;
	size_t lingered;
	unsigned work;
	unsigned busy;   /* depth of calls from the loop: it is not destroyed within */
	enum stream_end why;
	bool paused;
	bool choked;     /* the output has passed the high-water mark */
	bool deaf;       /* readability is not waited for */
	bool blocked;    /* writability is */
	bool end_seen;   /* why is set */
	bool ended;      /* and was told */
	bool mute;       /* output is dropped */
	bool closing, linger, lingering, said_goodbye;
	bool in_io;      /* work is done, or put off, at the end of the call that is under way */
	bool dead;
};

/* Adds to the work at the end of the turn. */
void stream_schedule(struct stream *s, unsigned work);
/* Progress by the peer: the idle time begins anew. */
void stream_touch(struct stream *s);
/* Shows new input, then the end when that was seen. */
void stream_deliver(struct stream *s);
/* The end was seen while reading: it is told behind the input. */
void stream_see_end(struct stream *s, enum stream_end why);
/* The end, whatever input is left; told at the end of the turn. */
void stream_fail(struct stream *s, enum stream_end why);
/* True while input is welcome. */
bool stream_wants_read(const struct stream *s);
/* Starts or moves the one timer. */
void stream_arm(struct stream *s, uint64_t ms);
/* Sends what can be sent; tells nothing. */
void stream_send(struct stream *s);

/* In stream_tls.c. */
void stream_tls_free(struct stream *s);
/* Goes on with the handshake, or reads. */
void stream_tls_step(struct stream *s);
/* True where TLS holds octets that a readable socket would not tell of. */
bool stream_tls_pending(const struct stream *s);
/* Encrypts waiting output into the wire, up to a bound. */
void stream_tls_encrypt(struct stream *s);
/* Puts close_notify on the wire. */
void stream_tls_goodbye(struct stream *s);

#endif
