/* SPDX-License-Identifier: ISC */
/*
 * login: the door of IMAP and POP3. It speaks TLS and the few commands before log-in, has auth check the credentials, hands the session to
 * host with auth's seal, and from then on carries octets between the TLS connection and the account's process.
 */
#ifndef POSTRIDER_LOGIN_H
#define POSTRIDER_LOGIN_H

#include "base/list.h"
#include "base/map.h"
#include "daemon/daemon.h"
#include "daemon/keys.h"
#include "proto/imap_read.h"
#include "tls/stream.h"

enum client_state {
	CLIENT_COMMAND,   /* reads commands */
	CLIENT_RESPONSE,  /* reads one line of a SASL exchange */
	CLIENT_FINAL,     /* logged in, reads the empty response to the last challenge */
	CLIENT_WAITING,   /* for auth, host or the TLS handshake: reads nothing */
	CLIENT_CARRIED,   /* after log-in: octets go through */
};

struct login {
	struct daemon *d;
	struct list clients;
	size_t count;
	struct map64 *asked; /* id of a request to auth or host → struct client */
};

struct client {
	struct list node;
	struct login *l;
	enum ipc_door door;
	enum client_state state;
	char session[17];
	char peer[64];
	struct stream *stream, *inner; /* to the client; to the account's process */
	bool starttls_told;            /* TLS begins when this reply is out */
	struct timer *deadline;        /* for everything before log-in */
	unsigned bad;                  /* commands that were none */
	struct imap_reader reader;
	struct buf tag;                /* of the command that is being answered */
	struct buf user;               /* POP3's USER */
	struct buf sealed;             /* auth's seal, until it is handed on */
	uint64_t asked;                /* what it waits for */
	struct ipc_channel *asked_of;
	int passed;                    /* the account's process' end of the pair, until host has it */
};

/* client.c */
void client_new(struct login *l, enum ipc_door door, bool implicit_tls, int fd, const struct sock_addr *peer);
void client_close(struct client *c);
/* Goes on with what the client has sent meanwhile. */
void client_go_on(struct client *c);
void client_start_tls(struct client *c);
/* Counts what is no command; false when the client was sent away. */
bool client_bad(struct client *c);
bool client_secure(const struct client *c);

#define LOGIN_NO_MECHANISM (IPC_STEP_GO_ON + 1) /* beside enum ipc_step */

/* What the protocols answer: imap.c and pop3.c, one of each for a door. */
struct protocol {
	void (*greet)(struct client *c);
	/* Takes what it can from the input in state CLIENT_COMMAND. */
	void (*take)(struct client *c, struct buf *in);
	/* step: IPC_STEP_LATER, _WRONG, _ILLEGAL; or the mechanism is not offered at all. */
	void (*refused)(struct client *c, unsigned step, const char *why);
	void (*farewell)(struct client *c, const char *why);
};
extern const struct protocol imap_protocol, pop3_protocol;
const struct protocol *client_protocol(const struct client *c);

/* sasl.c */
void sasl_start(struct client *c, struct view mechanism, bool has_initial, struct view initial);
/* initial is base64 as the client sent it ("=" is the empty one). */
void sasl_start_coded(struct client *c, struct view mechanism, bool has_initial, struct view coded);
/* User and password in the clear, as PLAIN. */
void sasl_plain(struct client *c, struct view user, struct view password);
void sasl_take_response(struct client *c, struct buf *in);
void sasl_abort(struct client *c);
void sasl_on_step(void *daemon, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
/* "AUTH=PLAIN AUTH=…" with this before each name. */
void sasl_put_mechanisms(const struct client *c, const char *before, struct buf *out);

/* carry.c */
void carry_start(struct client *c);
void carry_on_started(void *daemon, struct ipc_channel *from, const void *m, int *fds, size_t nfds);

#endif
