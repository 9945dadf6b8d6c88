/* SPDX-License-Identifier: ISC */
/* The IMAP service for the sessions of one account, over its store and the loop. No process things here: main.c has these, and tests do without. */
#ifndef POSTRIDER_IMAPD_IMAPD_H
#define POSTRIDER_IMAPD_IMAPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/view.h"
#include "event/loop.h"
#include "mailbox/mailbox.h"

struct imapd {
	struct loop *loop;
	struct store *store;
	uint64_t message_max; /* APPENDLIMIT */
	struct list sessions;
	unsigned count;
	struct store_watch watch;
	/* The number of sessions changed. May be NULL. */
	void (*on_count)(void *arg, unsigned count);
	void *arg;
};

void imapd_init(struct imapd *d, struct loop *l, struct store *s, uint64_t message_max);
/* Ends all sessions at once. */
void imapd_fini(struct imapd *d);

struct imapd_client {
	int fd;          /* the session's own from now on; non-blocking is made so */
	struct view account, id, peer;
	struct view tag;   /* of the log-in command, to be answered */
	struct view input; /* octets that came behind it */
};
void imapd_add(struct imapd *d, const struct imapd_client *c);
/* Mail has arrived in `incoming`. */
void imapd_news(struct imapd *d);
/* Tells all clients that the server goes down, and closes when that has been sent. */
void imapd_stop(struct imapd *d);

#endif
