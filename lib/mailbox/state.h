/* SPDX-License-Identifier: ISC */
/*
 * An account's mail in memory: what applying the journal's records one after the other gives. No input or output: records
 * in, state changed; the same function serves replay, other writers' records, and one's own. A record that does not fit the state changes
 * nothing that it does not name, and is counted.
 */
#ifndef POSTRIDER_MAILBOX_STATE_H
#define POSTRIDER_MAILBOX_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/view.h"
#include "mailbox/flags.h"
#include "mailbox/uidset.h"

/* Bit 63 of a content's position: it lies in the account's journal, not in incoming. */
#define MESSAGE_OWN (UINT64_C(1) << 63)

/* A message in a mailbox: 48 octets. */
struct message {
	uint64_t modseq;   /* position of the record that last changed it */
	uint64_t keywords;
	uint64_t position; /* of the frame with its content, and MESSAGE_OWN */
	int64_t date;
	uint32_t uid, size;
	uint32_t offset;   /* of the content in the frame's payload */
	uint8_t flags;
};

struct mailbox {
	uint32_t id, uidvalidity, uidnext;
	uint32_t recent; /* UIDs from here on no session has seen */
	unsigned uses;
	char *name;
	struct message *messages; /* by uid */
	size_t n, cap;
	uint32_t unseen, deleted;
	uint64_t size;
	uint64_t highestmodseq;
	uint64_t added;   /* position of the last record that added messages */
	uint64_t flagged; /* … that changed flags */
	uint64_t expunged;/* … that took messages away */
	uint32_t shown_next; /* UIDs below are durable, and may be shown */
};

struct state {
	struct mailbox **mailboxes; /* by name, INBOX first */
	size_t n, cap;
	struct map64 *by_id;
	char **subscriptions; /* by name */
	size_t nsubscriptions, subscriptions_cap;
	char *keywords[MAIL_KEYWORDS_MAX];
	unsigned nkeywords;
	uint32_t next_id;     /* for the next mailbox */
	uint32_t uidvalidity; /* the highest that was given */
	uint64_t incoming;    /* adopted up to here */
	uint64_t back;        /* below, local-delivery needs incoming no more */
	uint64_t *contents;   /* positions of the content frames right before the next record */
	size_t ncontents, contents_cap;
	struct map64 *moved;  /* frame of incoming → where its content is now, plus 1: for those who still hold the old place; or NULL */
	struct state *shadow; /* a checkpoint that is being read */
	uint64_t parts;       /* of a shadow: parts that were read */
	uint64_t records;     /* applied so far, contents and checkpoints not counted */
	uint64_t refused;     /* of them, those that did not fit */
	uint64_t changes;     /* grows with every change */
};

struct state *state_new(void);
void state_free(struct state *st); /* NULL is ignored */

/*
 * Applies the record of this kind at position. load: take checkpoints (a replay from the start or from one); else take one only where it
 * speaks for records that this state has not seen (they were compacted away). False where the record was malformed or did not fit.
 */
bool state_apply(struct state *st, unsigned kind, uint64_t position, struct view payload, bool load);

/* The index of a mailbox, or where it would stand. */
size_t state_name_at(const struct state *st, struct view name, bool *found);
struct mailbox *state_by_name(const struct state *st, struct view name); /* NULL: none */
struct mailbox *state_by_id(const struct state *st, uint64_t id);
int state_keyword(const struct state *st, struct view name); /* -1: none */
/* No controls, no blanks, not empty, not over MAIL_KEYWORD_LENGTH_MAX. */
bool state_keyword_valid(struct view name);
/* The index of a subscription, or where it would stand. */
size_t state_subscription_at(const struct state *st, struct view name, bool *found);
/* Walks the mailboxes below name ("name/…"): start with *i = 0. */
struct mailbox *state_next_child(const struct state *st, struct view name, size_t *i);

/* Are the names that the children would get by this renaming valid (else ERR_INVALID) and free (else ERR_EXISTS)? */
MUST_CHECK int state_children_fit(const struct state *st, struct view from, struct view to);

/* The first message with this UID or a higher one: an index, n when there is none. */
size_t mailbox_lower(const struct mailbox *m, uint32_t uid);
struct message *mailbox_find(const struct mailbox *m, uint32_t uid); /* NULL: none */
/* The messages of m that are in uids, one by one: begin with *range = *at = 0. */
struct message *mailbox_next_in(const struct mailbox *m, const struct uidset *uids, size_t *range, size_t *at);
bool mailbox_is_inbox(struct view name);
/* Moves shown_next over what lies below durable. True when it moved. */
bool mailbox_show(struct mailbox *m, uint64_t durable);

/*
 * The n rows behind m's messages (there is room, and they are filled in) become messages, where they are such as this state can have
 * when all records lie below end; false where one is not.
 */
bool state_take_rows(const struct state *st, struct mailbox *m, size_t n, uint64_t end);
/* Do both say the same of mailboxes, messages, subscriptions and keywords? What only a running session knows is left out. */
bool state_same(const struct state *a, const struct state *b);
/* The octets of all mail. */
uint64_t state_octets(const struct state *st);

/* The contents in the account's journal (own) or in incoming that messages refer to: by position, each once; free() it. */
struct content {
	uint64_t position;
	uint32_t size, offset;
};
struct content *state_contents(const struct state *st, bool own, size_t *n);

#endif
