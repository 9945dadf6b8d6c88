/* SPDX-License-Identifier: ISC */
/*
 * A bench for streams: a loop, a server context whose questions a fake keyd answers at the end of the turn or after a delay, a client
 * context, and two streams joined by a socket pair. Each side gathers what it hears.
 */
#ifndef POSTRIDER_TESTS_TLS_PAIR_H
#define POSTRIDER_TESTS_TLS_PAIR_H

#include "event/loop.h"
#include "tls/sign.h"
#include "tls/stream.h"
#include "tls/stream_impl.h"

enum { BENCH_KEYS = 4, BENCH_WAITING = 600 };

struct question_heard {
	uint64_t id;
	bool certificate;
	char name[300];
	uint16_t scheme;
	char text[TLS_TEXT_MAX];
	size_t text_n;
};

struct bench {
	struct loop *loop;
	struct tls_server *server;
	struct tls_client *client;
	struct sign_key *keys[BENCH_KEYS]; /* of the default certificate; keys[1…] as present */
	struct sign_key *named;            /* of the name "named.test", or NULL */
	uint64_t delay;                    /* ms before an answer */
	bool refuse, lose, down, silent;
	size_t signs, certificates, forgotten;
	uint64_t next_id;
	struct question_heard *waiting[BENCH_WAITING];
	size_t waiting_n;
	struct timer *answer, *limit;
	bool timed_out;
	SSL_SESSION *session;              /* the last that the client got */
};

struct end {
	struct bench *b;
	struct stream *s;
	struct buf heard;
	bool secure, closed, keep; /* keep: leave input in the stream */
	enum stream_end why;
	size_t drained, data;
	void (*then)(struct end *e); /* called on every event */
};

/* kinds: names of credentials.h, NULL-terminated. */
void bench_init(struct bench *b, const char *const kinds[]);
void bench_fini(struct bench *b);
/* Runs until done(arg) or, failing the test, 10 s. */
void bench_run(struct bench *b, bool (*done)(void *arg), void *arg);
/* Runs for that long. */
void bench_wait(struct bench *b, uint64_t ms);
void bench_answer_all(struct bench *b);

struct pair {
	struct end server, client;
};
void pair_init(struct pair *p, struct bench *b);
void pair_init_fds(struct pair *p, struct bench *b, int server_fd, int client_fd);
void pair_fini(struct pair *p);
/* Starts TLS on both; host may be "". version: TLS1_2_VERSION or TLS1_3_VERSION; session may be NULL. */
void pair_start(struct pair *p, const char *host, int version, SSL_SESSION *session);
bool pair_secure(void *pair);
bool pair_closed(void *pair); /* both ends heard the end */
bool pair_any_closed(void *pair);

#endif
