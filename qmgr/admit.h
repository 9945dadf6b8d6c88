/* SPDX-License-Identifier: ISC */
/*
 * What a receiver may put into the spool. A commit comes from a process that strangers talk to, so it is believed in nothing that
 * matters: where mail goes is lookup's sealed word, who sends from inside is auth's, and the class is the channel's. Pure.
 */
#ifndef POSTRIDER_QMGR_ADMIT_H
#define POSTRIDER_QMGR_ADMIT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/messages.h"
#include "qmgr/records.h"
#include "tls/seal.h"

/* As it stands in records: never change a number. */
enum admit_class { CLASS_OWN = 0, CLASS_MX = 1, CLASS_SUBMISSION = 2, CLASS_LOCAL = 3, CLASS_LMTP = 4, CLASS_RELAY = 5 };
#define CLASS_COUNT 6

/*
 * A seal is made when a session begins (log-in) or at RCPT (route) and used when the message is complete: it may have run out by at most this many
 * seconds. smtpd tells a session that lasts half as long to log in again (LOGIN_LIFE): this is the bound on one that is captured.
 */
#define ADMIT_GRACE 3600
#define ADMIT_TARGETS_MAX 100000

struct admit_keys {
	const struct seal_key *route; /* lookup's for qmgr */
	const struct seal_key *login; /* auth's for qmgr */
};

/* What is said to the client when a commit is not taken. */
struct admit_refusal {
	uint8_t outcome; /* enum ipc_outcome */
	const char *status, *reason;
};

/*
 * Checks the commit and fills *out, whose views point into c and into rcpts (to which the list of recipients, without doubles, is
 * added). ERR_DENIED: *why says what is told to the client.
 */
MUST_CHECK int admit(const struct admit_keys *keys, enum admit_class class, const struct ipc_commit *c, uint64_t now, struct buf *rcpts,
	struct spool_message *out, struct admit_refusal *why);
/* Opens lookup's answer for one address: the targets are added to rcpts. For our own notifications. */
MUST_CHECK int admit_route(const struct admit_keys *keys, struct view sealed, struct view address, uint64_t now, struct ipc_route *out);

#endif
