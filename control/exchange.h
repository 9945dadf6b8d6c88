/* SPDX-License-Identifier: ISC */
/*
 * One account's home exchanged for a snapshot's, beside a running suite or a stopped one: postrider-mailbox(5), Exchange of a home, says in which
 * steps, and what an end at each of them leaves.
 */
#ifndef POSTRIDER_CONTROL_EXCHANGE_H
#define POSTRIDER_CONTROL_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"
#include "mailbox/carry.h"
#include "tree.h"

struct exchange {
	const struct cli *c;
	uint32_t uid;
	int mail;                   /* the mail directory */
	int shard;                  /* the one in it where the home stands */
	int from;                   /* the snapshot's home */
	struct tree_owner delivery; /* who writes incoming streams */
	const char *snapshot;       /* a word that names the snapshot among all */
	bool running;               /* the suite is */

	/* Given back. */
	char aside[40]; /* in the mail directory: what was there before; empty when there was nothing */
	bool earlier;   /* an earlier call for this snapshot had done it but for its end, which was made now; nothing below is known */
	bool unread;    /* what was there cannot be read */
	struct carry_result carried;
};
/* The exit code; what went wrong was told. Unless the exchange is done, nothing was changed. */
MUST_CHECK int exchange_home(struct exchange *x);

#endif
