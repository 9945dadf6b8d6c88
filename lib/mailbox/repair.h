/* SPDX-License-Identifier: ISC */
/*
 * The repair of an account whose journal or incoming is damaged (postrider-mailbox(5), Repair): what can be read of both streams becomes
 * a state, and that state a checkpoint, which every process of the account takes; the damaged files of the journal are set aside.
 */
#ifndef POSTRIDER_MAILBOX_REPAIR_H
#define POSTRIDER_MAILBOX_REPAIR_H

#include "mailbox/maildir.h"

#define REPAIR_MAILBOX "Recovered"
#define REPAIR_DIR "damaged" /* of a home: what was set aside, and */
#define REPAIR_KNOWN "incoming" /* in it, the ranges of incoming that were dealt with */

struct repair_result {
	uint64_t damaged;   /* ranges of both streams that cannot be read */
	bool records_lost;  /* changes may have been among them */
	uint64_t gone;      /* messages whose content cannot be read: they were taken out of their mailboxes */
	uint64_t recovered; /* contents that no record names: they are in REPAIR_MAILBOX */
	uint64_t adopted;   /* deliveries whose adoption was lost, adopted again */
	uint64_t renewed;   /* mailboxes with a new UIDVALIDITY */
	uint64_t aside;     /* files that were set aside in damaged/ */
};

/*
 * dry: only says what would be done. aside: what tells the directories of this repair, damaged/journal-ASIDE and damaged/incoming-ASIDE of the home, from
 * those of others; they take the damaged files. r: the messages that the account has afterwards, and how much was bad. ERR_BUSY: records may be lost, and
 * processes of this account run that knew them, or they write all the time; nothing was changed. Everything is durable afterwards; close the store.
 */
MUST_CHECK int tool_repair(struct store *s, bool dry, const char *aside, const struct tool_report *report, struct tool_result *r,
	struct repair_result *what);
/* Whether a repair has dealt with this range of incoming: all that could be read of it has been adopted, and what could not is gone. */
bool repair_knows(struct store *s, uint64_t from, uint64_t to);

#endif
