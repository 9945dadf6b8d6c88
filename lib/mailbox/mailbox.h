/* SPDX-License-Identifier: ISC */
/*
 * An account's mail (postrider-mailbox(5) is its specification): mailboxes, their messages, flags and keywords, kept as records of
 * the account's `journal`, with content either there or, by reference, in its `incoming` stream, from where it is adopted.
 *
 * A store is one account's mail, as one process sees it. Several processes may have the same account's store open, and several
 * sessions of one process share one store. What a call changes is seen at once by every session of this process; it
 * is on stable storage when a store_flush that was asked for after it calls back, and only then a client may be told OK.
 * Calls that change something catch up with other writers by themselves; they give ERR_NOT_FOUND, ERR_EXISTS … as of then.
 *
 * What a session has selected is a mailbox_view: sequence numbers and UIDs that stay as they are until the session takes the changes.
 * New messages come into a view only when their record (and content) is durable, so that a UID once shown never names another message.
 *
 * Names of mailboxes are UTF-8 with '/' between the levels, as people read them (IMAP's modified UTF-7 is imapd's matter).
 * INBOX is matched in any case and always exists. A `struct mailbox *` is valid until the next call that changes or refreshes
 * the store; a view stays valid whatever happens. Everything runs in the loop's thread; the store may not be closed inside one of its callbacks. ERR_FULL, ERR_IO of a
 * changing call: nothing was changed. ERR_LIMIT: the account has as many as it may.
 */
#ifndef POSTRIDER_MAILBOX_MAILBOX_H
#define POSTRIDER_MAILBOX_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/view.h"
#include "event/loop.h"
#include "mailbox/flags.h"
#include "mailbox/summary.h"
#include "mailbox/uidset.h"

struct journal_seam;
struct store;
struct mailbox;
struct mailbox_view;

#define MAILBOX_NAME_MAX 1000   /* octets of a whole name */
#define MAILBOX_DEPTH_MAX 32    /* levels */
#define MAILBOX_COUNT_MAX 10000 /* of an account */
#define STORE_COLUMNS_LEAST (UINT64_C(256) << 10) /* less mail has no index/columns */
#define STORE_MESSAGES_MAX 5000000 /* of an account, for COPY: a copy costs its user nothing, but us memory */
#define MAILBOX_SEPARATOR '/'

/* ---- the store ---- */
struct store_options {
	struct pool *pool;     /* flushes run there; NULL: in the loop, one at the end of a turn */
	uint64_t message_max;  /* the largest message that can be appended; 0: 64 MiB less 64 KiB (also the most) */
	uint64_t segment_size; /* of the account's journal; 0: the journal's default */
	const struct journal_seam *seam; /* of the account's journal, for tests (journal/seam.h); NULL in service */
	bool alone;            /* no other process may open the account until store_close (ERR_BUSY: one has it open); nothing is adopted */
	uint64_t tidy_least;   /* store_tidy does nothing for less octets than these; 0: 1 MiB (a checkpoint, an index: a quarter) */
};
/*
 * Opens the mail in homefd (a directory, kept as a copy): makes `journal` and the default mailboxes (INBOX, Drafts, Sent,
 * Trash, Junk, Archive) where there are none, reads the state, adopts what has come. Blocks while it reads. `incoming` may be missing.
 * l may be NULL for tools: then nothing is flushed or told but by store_flush_now.
 */
MUST_CHECK int store_open(struct loop *l, int homefd, const struct store_options *o, struct store **out);
/* Close views, appends and waits before. Does not flush. */
void store_close(struct store *s);

/*
 * Catches up with what other processes wrote, and adopts what has arrived in `incoming`. Call it on `news` and before a command that
 * must see the present (SELECT, STATUS, NOOP, CHECK, at intervals in IDLE): it is cheap where nothing is new. What was adopted appears in the
 * views a little later, when it is durable; watchers are called then. What cannot be adopted now (a full disk) waits, and is told to the log.
 */
MUST_CHECK int store_refresh(struct store *s);

/* A wait for durability, in the caller's memory. fn gets ERR_OK, or ERR_IO, ERR_FULL: what was changed since the last success is undone. */
struct store_wait {
	struct list node;
	uint64_t until;
	int err; /* what it will be told: what it waits for is lost already */
	void (*fn)(void *arg, int err);
	void *arg;
};
/* fn is called once, from the loop (never from inside this call), when everything that was changed so far is durable. */
void store_flush(struct store *s, struct store_wait *w, void (*fn)(void *arg, int err), void *arg);
/* The wait is over without a call; harmless when it is over already or was never begun (all zeroes). */
void store_wait_cancel(struct store_wait *w);
/* The same, blocking: for tools and tests. Where it fails, all waits that are pending are told so from the loop. */
MUST_CHECK int store_flush_now(struct store *s);

/* Told from the loop, at the end of a turn in which something changed that sessions may want to know (messages, flags, mailboxes). */
struct store_watch {
	struct list node;
	void (*fn)(void *arg);
	void *arg;
};
void store_watch(struct store *s, struct store_watch *w, void (*fn)(void *arg), void *arg);
void store_unwatch(struct store_watch *w);

/* Housekeeping, a slice at a time: a checkpoint where it is due, compaction, release of `incoming`. Call when idle and after the last session.
 * *more: call again soon. */
MUST_CHECK int store_tidy(struct store *s, bool *more);
/* All of it at once, due or not, blocking: for tools. */
MUST_CHECK int store_compact(struct store *s);
/*
 * Gives every mailbox a new UIDVALIDITY, greater than any that the account had and than `above`: after a restore UIDs may name other messages than
 * clients remember (RFC 3501 2.3.1.1). Not durable before a flush.
 */
MUST_CHECK int store_renew(struct store *s, uint32_t above);
/* What a home tells the one that takes its place: up to where `incoming` is adopted, and the greatest UIDVALIDITY that it has given. */
void store_heritage(const struct store *s, uint64_t *adopted, uint32_t *uidvalidity);

/* ---- keywords ---- */
/* The keywords that the account has: the i-th name (in the case it was first given), i < store_keyword_count. */
unsigned store_keyword_count(const struct store *s);
const char *store_keyword(const struct store *s, unsigned i);
/* The bit number of a keyword (ASCII case ignored), or -1. */
int store_keyword_find(const struct store *s, struct view name);
/* The same, adding it where it is new. Not checked for IMAP's atom syntax. ERR_LIMIT: 64 are there; ERR_TOO_BIG. */
MUST_CHECK int store_keyword_add(struct store *s, struct view name, unsigned *bit);

/* ---- mailboxes ---- */
/* RFC 6154 uses, as bits of mailbox_uses(). */
#define MAILBOX_USE_TABLE(X)      \
	X(ALL, 1, "\\All")             \
	X(ARCHIVE, 2, "\\Archive")     \
	X(DRAFTS, 4, "\\Drafts")       \
	X(FLAGGED, 8, "\\Flagged")     \
	X(JUNK, 16, "\\Junk")          \
	X(SENT, 32, "\\Sent")          \
	X(TRASH, 64, "\\Trash")        \
	X(IMPORTANT, 128, "\\Important")
enum mailbox_use {
#define X(name, bit, text) MAILBOX_USE_##name = bit,
	MAILBOX_USE_TABLE(X)
#undef X
	MAILBOX_USE_NONE = 0
};

/* False for what can be no name: empty, too long, too deep, empty levels, controls, '%', '*', malformed UTF-8, levels "." and "..". */
bool mailbox_name_valid(struct view name);
/* By name, or NULL. */
struct mailbox *store_mailbox(struct store *s, struct view name);
/* The i-th of store_mailbox_count in the order of names (octets; INBOX first). */
size_t store_mailbox_count(const struct store *s);
struct mailbox *store_mailbox_at(struct store *s, size_t i);
const char *mailbox_name(const struct mailbox *m);
uint32_t mailbox_id(const struct mailbox *m); /* never used again in this account: RFC 8474 MAILBOXID */
unsigned mailbox_uses(const struct mailbox *m);
bool mailbox_has_children(const struct store *s, const struct mailbox *m);

/* What STATUS and SELECT tell. */
struct mailbox_status {
	uint32_t uidvalidity, uidnext;
	uint32_t messages, unseen, recent, deleted;
	uint64_t size; /* octets of all messages */
	uint64_t highestmodseq;
};
void mailbox_status(const struct mailbox *m, struct mailbox_status *st);

/* Superior levels are made as well. ERR_EXISTS, ERR_INVALID (name), ERR_LIMIT. uses: MAILBOX_USE_ bits or 0 (RFC 6154 3). */
MUST_CHECK int store_create(struct store *s, struct view name, unsigned uses);
/* Messages go with it; children stay. ERR_NOT_FOUND; ERR_DENIED for INBOX. */
MUST_CHECK int store_delete(struct store *s, struct view name);
/*
 * RFC 3501 6.3.5: children move too; INBOX's messages move to the new mailbox, INBOX stays, as do its children. ERR_NOT_FOUND,
 * ERR_EXISTS (also where a child's new name is taken), ERR_INVALID (name, too long, or into itself).
 */
MUST_CHECK int store_rename(struct store *s, struct view from, struct view to);
/* Subscriptions are names, whether or not a mailbox of that name exists (RFC 3501 6.3.6). Doing it twice is no error. */
MUST_CHECK int store_subscribe(struct store *s, struct view name, bool on);
bool store_subscribed(const struct store *s, struct view name);
size_t store_subscription_count(const struct store *s);
const char *store_subscription(const struct store *s, size_t i); /* in the order of names */

/* ---- messages ---- */
/* Where content lies; equal for all copies of a message, and never used again: RFC 8474 EMAILID. */
struct message_ref {
	uint64_t position; /* bit 63: in the account's journal, else in incoming */
	uint32_t offset;   /* of the message's first octet in that frame's payload */
};
struct message_info {
	uint32_t uid;
	uint32_t size;      /* octets, RFC822.SIZE */
	struct mail_flags flags;
	int64_t date;       /* INTERNALDATE, seconds since 1970 */
	uint64_t modseq;
	struct message_ref ref;
};

/* The whole message. *content is valid until the next call on the store. ERR_NOT_FOUND: expunged by another and gone; ERR_DAMAGED. */
MUST_CHECK int store_read(struct store *s, const struct message_info *i, struct view *content);
/*
 * Whether the message can be read and is as it was stored: ask before it is handed out in parts. Remembered for the message asked for last, until the
 * stream that it is in grows.
 */
MUST_CHECK int store_check(struct store *s, const struct message_info *i);
/* n octets from offset on (which must lie in the message). Not checked by itself. */
MUST_CHECK int store_read_part(struct store *s, const struct message_info *i, uint64_t offset, void *p, size_t n);
/* The header with the empty line that ends it, added to b (as much as b's maximum lets: what is longer is cut). */
MUST_CHECK int store_read_header(struct store *s, const struct message_info *i, struct buf *b);

/* ---- what is derived of a message, and kept (mailbox/summary.h) ---- */
/* Before and after a command that asks for any. Nothing is kept for an account with less than STORE_SUMMARY_LEAST octets of mail. */
#define STORE_SUMMARY_LEAST (UINT64_C(256) << 10)
void store_summary_begin(struct store *s);
void store_summary_end(struct store *s);
/* The rendered text, valid until the next call on the store; false: render it from the message, and put it. */
bool store_summary_get(struct store *s, const struct message_info *i, enum summary_kind kind, struct view *text);
void store_summary_put(struct store *s, const struct message_info *i, enum summary_kind kind, struct view text);

/* ---- a session's view of one mailbox ---- */
/* read_only: EXAMINE; the view does not take \Recent from others. ERR_NOT_FOUND. Shows what is durable at this moment. */
MUST_CHECK int mailbox_view_open(struct store *s, struct view name, bool read_only, struct mailbox_view **out);
void mailbox_view_close(struct mailbox_view *v); /* NULL is ignored */
bool mailbox_view_read_only(const struct mailbox_view *v);
/* The mailbox, or NULL when it was deleted: then its messages are as if expunged. */
struct mailbox *mailbox_view_mailbox(const struct mailbox_view *v);

/* Messages in the view: sequence numbers 1 … count. Expunged ones stay until they are taken. */
uint32_t mailbox_view_count(const struct mailbox_view *v);
uint32_t mailbox_view_uid(const struct mailbox_view *v, uint32_t seq); /* seq in 1 … count */
/* The sequence number of a UID, or 0. */
uint32_t mailbox_view_seq(const struct mailbox_view *v, uint32_t uid);
/* The first message whose UID is at least uid, as a sequence number; count + 1 when there is none. */
uint32_t mailbox_view_seq_from(const struct mailbox_view *v, uint32_t uid);
/* What a message is now. ERR_NOT_FOUND: expunged, but the session has not taken that yet. Cheap in ascending order. */
MUST_CHECK int mailbox_view_info(struct mailbox_view *v, uint32_t seq, struct message_info *info);
bool mailbox_view_recent(const struct mailbox_view *v, uint32_t uid);
uint32_t mailbox_view_recent_count(const struct mailbox_view *v);
/* The sequence number of the first message without \Seen, or 0. */
uint32_t mailbox_view_first_unseen(struct mailbox_view *v);

/* True when mailbox_view_take would tell something: cheap, for IDLE. */
bool mailbox_view_changed(const struct mailbox_view *v);
enum mailbox_change_type {
	MAILBOX_EXPUNGED, /* seq: its number at this moment (those behind it have moved up by one afterwards); uid */
	MAILBOX_FLAGS,    /* seq, uid: flags changed (ask mailbox_view_info) */
	MAILBOX_EXISTS,   /* seq: the new count; told once, last */
};
struct mailbox_change {
	enum mailbox_change_type type;
	uint32_t seq, uid;
};
typedef void mailbox_change_fn(void *arg, const struct mailbox_change *c);
/*
 * Takes the changes into the view and tells them in the order that IMAP wants: expunges (only when `expunges` is set: RFC 3501 7.4.1 forbids them
 * during FETCH, STORE, SEARCH; they are kept for later), flags, EXISTS. The numbers are right at the moment of each call; fn may ask the view for
 * messages only when told of flags and EXISTS. fn may be NULL.
 */
void mailbox_view_take(struct mailbox_view *v, bool expunges, mailbox_change_fn *fn, void *arg);

/* ---- changes of messages: one record each, however many messages ---- */
enum store_flags_how { STORE_FLAGS_SET, STORE_FLAGS_ADD, STORE_FLAGS_REMOVE };
struct store_flags_result {
	struct uidset changed;  /* whose flags are different now */
	struct uidset modified; /* not touched: modseq over unchanged_since (RFC 7162 3.1.3) */
	uint64_t modseq;        /* of the changed ones */
};
/*
 * UIDs of the view that no longer exist are passed over. unchanged_since: UINT64_MAX for no condition. own: the view takes these changes as known (the
 * session tells its client itself, or .SILENT). result may be NULL; free its sets.
 */
MUST_CHECK int mailbox_view_store(struct mailbox_view *v, const struct uidset *uids, enum store_flags_how how, struct mail_flags flags,
	uint64_t unchanged_since, bool own, struct store_flags_result *result);

struct store_copy_result {
	uint32_t uidvalidity;      /* of the destination */
	struct uidset from;        /* which there were */
	uint32_t to_first, to_last; /* their new UIDs, in the order of the old; 0 when there were none */
};
/* Copies (or moves: RFC 6851) by reference, flags and dates kept. ERR_NOT_FOUND: no such destination (TRYCREATE). The view itself is as before: take. */
MUST_CHECK int mailbox_view_copy(struct mailbox_view *v, const struct uidset *uids, struct view to, bool move,
	struct store_copy_result *result);
/* Expunges those of uids (NULL: all of the view) that have \Deleted; force: whether they have it or not (POP3). *gone may be NULL; the view itself is as before: take. */
MUST_CHECK int mailbox_view_expunge(struct mailbox_view *v, const struct uidset *uids, bool force, struct uidset *gone);

/* ---- append ---- */
/*
 * One APPEND or MULTIAPPEND (RFC 3502): for each message begin, write as its octets come, end; then commit, which makes all of them appear by one
 * record, or abort. The messages are held in memory, together at most STORE_APPEND_MAX octets. Freed by commit (also when it fails) and abort.
 */
struct store_append;
#define STORE_APPEND_MESSAGES_MAX 200
#define STORE_APPEND_MAX (UINT64_C(64) << 20)
MUST_CHECK int store_append_new(struct store *s, struct view mailbox, struct store_append **out); /* ERR_NOT_FOUND */
/* size: the octets to come, exactly. ERR_TOO_BIG over message_max, ERR_LIMIT over STORE_APPEND_MESSAGES_MAX or STORE_APPEND_MAX. */
MUST_CHECK int store_append_begin(struct store_append *a, uint64_t size, int64_t date, struct mail_flags flags);
/* ERR_TOO_BIG: more than was said. */
MUST_CHECK int store_append_write(struct store_append *a, struct view part);
/* ERR_INVALID: less than was said. */
MUST_CHECK int store_append_end(struct store_append *a);
struct store_append_result {
	uint32_t uidvalidity, uid_first, uid_last;
};
MUST_CHECK int store_append_commit(struct store_append *a, struct store_append_result *result);
void store_append_abort(struct store_append *a); /* NULL is ignored */

#endif
