/* SPDX-License-Identifier: ISC */
/*
 * The process around the engine: clients (a stream and a session each), the questions that are open, and what all share. Internal to smtpd.
 */
#ifndef POSTRIDER_SMTPD_SMTPD_H
#define POSTRIDER_SMTPD_SMTPD_H

#include "base/list.h"
#include "base/map.h"
#include "daemon/daemon.h"
#include "smtpd/answers.h"
#include "smtpd/session.h"
#include "smtpd/settings.h"
#include "smtpd/users.h"
#include "sys/sock.h"
#include "tls/stream.h"

struct smtpd {
	struct daemon *d;
	struct settings settings;
	struct answers *routes; /* recipients that lookup found: key is the address */
	struct answers *owned;  /* senders that are an account's: account, NUL, address */
	struct map64 *asked;    /* struct question by id */
	uint64_t last_id;
	struct list clients;
	size_t nclients;
	struct map *addresses;  /* how many connections a client address, or a local user, has */
	struct users *users;
	struct timer *sweep;
	struct timer *last_call; /* at a stop: those that are in the middle of a transaction are sent away now */
	struct session_budget budget;
	size_t commits;         /* octets in commits without an answer */
	bool starved;           /* a commit waits for these to become fewer */
	bool full;              /* not accepting: too many clients */
	uint8_t random[1024];   /* octets of the kernel's, of which this many were not given out yet */
	size_t random_left;
};

struct client {
	struct list node;
	struct smtpd *smtpd;
	struct stream *stream;
	struct session *session;
	const struct class *class;
	char id[17];
	char peer[64];
	struct list questions;  /* its own, open */
	uint64_t exchange;      /* SASL */
	int content_fd;         /* the file of the message in hand, -1 */
	struct timer *timer;    /* of a delay or the greeting's pause; made when first needed */
	bool greeting;          /* the greeting waits */
	char counter[64];       /* as whom it counts in addresses; empty: not at all */
	uint64_t rate_since, rate_from; /* when this content was first looked at, and what had come then */
};

/* ---- client.c ---- */
void client_accepted(struct smtpd *m, const struct class *class, int fd, const struct sock_addr *peer);
/* After an answer: sends what is due, takes what input is left. The client may be gone behind it. */
void client_go_on(struct client *c);
/* Ends it with a word from our side; see session_shut. */
void client_shut(struct client *c, const char *status, const char *text, bool when_idle);
/* Looks whether content comes fast enough. */
void client_check_rate(struct client *c, uint64_t now);

/* ---- requests.c ---- */
extern const struct session_ops request_ops;
/* Forgets what a client that goes has asked; only its commits stay. */
void requests_forget(struct client *c);
/* Asks what found no credit, for all. */
void requests_retry(struct smtpd *m);
ipc_handler_fn on_recipient_is, on_owns_is, on_committed, on_content_opened, on_auth_step;
void requests_lost(struct smtpd *m, enum ipc_kind kind, uint64_t id);

#endif
