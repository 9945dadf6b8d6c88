/* SPDX-License-Identifier: ISC */
/* The inside of a session's view, shared by the files of this library only. */
#ifndef POSTRIDER_MAILBOX_VIEWING_H
#define POSTRIDER_MAILBOX_VIEWING_H

#include "mailbox/mailbox.h"
#include "mailbox/store.h"

struct mailbox_view {
	struct store *store;
	uint32_t mailbox; /* id */
	bool read_only;
	uint32_t *uids; /* by sequence number less one */
	uint32_t n, cap;
	uint32_t next;       /* UIDs below are in the view, or are gone */
	uint64_t seen;       /* flags changed by records up to here are known */
	uint64_t expunged;   /* the mailbox' last expunge that was taken whole */
	uint64_t own;        /* the last change of flags that the session made and knows; nobody else's lies before it and behind seen */
	struct uidset recent;
	size_t hint;         /* the index in the mailbox of the message that was asked for last */
};

#endif
