/* SPDX-License-Identifier: ISC */
/*
 * An account's home in the hands of postrider(1), run by root. What a home holds is read by processes that have become the account, or who delivers,
 * and are confined to it; root itself only copies files and renames directories.
 */
#ifndef POSTRIDER_CONTROL_HOME_H
#define POSTRIDER_CONTROL_HOME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mailbox/carry.h"
#include "tree.h"

/* Copies a snapshot's home into the empty one; delivery: who writes incoming streams. */
MUST_CHECK int home_fill(int from, int home, uint32_t uid, const struct tree_owner *delivery);
/* New UIDVALIDITYs for all its mailboxes, greater than `above`: they are not what mail programs know. Durable when it returns. */
MUST_CHECK int home_renew(int home, uint32_t uid, uint32_t above);

/* A process that holds the lock of one of a home's streams until it is let go, or this process ends, however it does. */
struct keeper {
	pid_t pid; /* 0: none */
	int fd;
};
void keeper_let_go(struct keeper *k);

struct home_heritage {
	uint64_t adopted;
	uint32_t uidvalidity;
};
/* Waits until no session, and no other program, has the account's journal open, and keeps them out. ERR_BUSY: they do not go. */
MUST_CHECK int home_keep_journal(int home, uint32_t uid, struct keeper *k, struct home_heritage *h);
/*
 * The same for the incoming stream; what stands in it at `adopted` or behind it, and not in the one of the home `to`, is carried over. *unread: the
 * stream cannot be opened, and with an error that is permanent, by nobody. The account's keeper is `other`.
 */
MUST_CHECK int home_keep_incoming(int home, int to, const struct tree_owner *delivery, uint64_t adopted, const struct keeper *other,
	struct keeper *k, struct carry_result *r, bool *unread);

#endif
