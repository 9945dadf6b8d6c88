/* SPDX-License-Identifier: ISC */
/* A POP3 client's connection: moves octets between its descriptor (plain; TLS is login's) and the engine, and ends idle ones. */
#ifndef POSTRIDER_POP3D_CLIENT_H
#define POSTRIDER_POP3D_CLIENT_H

#include "base/list.h"
#include "event/loop.h"
#include "mailbox/mailbox.h"

struct client {
	struct list node; /* in the owner's list */
	struct loop *loop;
	int fd;
	struct io *io;
	struct timer *idle;
	struct later work;
	struct pop3 *pop3;
	bool ended; /* the client will send no more */
	void (*closed)(void *arg, struct client *c); /* it is over: call client_free */
	void *arg;
};

/* RFC 1939 3: at least ten minutes. */
#define CLIENT_IDLE_MS (UINT64_C(10) * 60 * 1000)

/* Takes fd. input: what the client sent behind its log-in. */
struct client *client_new(struct loop *l, struct store *s, int fd, struct view input, void (*closed)(void *arg, struct client *c), void *arg);
void client_free(struct client *c);

#endif
