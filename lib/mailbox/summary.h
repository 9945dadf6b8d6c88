/* SPDX-License-Identifier: ISC */
/*
 * Summaries: what FETCH tells of a message again and again (ENVELOPE, BODY, BODYSTRUCTURE), rendered once and kept in the home's
 * index/summary (postrider-mailbox(5) has its format). All in it is derived: it may vanish, be cut, be another's or be damaged
 * at any moment, and then is as if it had never been. Nothing is flushed, and no answer waits for it or fails because of it.
 *
 * The file grows by entries, each with its sum and with what it speaks of: the place of a content, its size and its date. One process of
 * the account appends, under a lock; the others read. It is read by copies, never mapped: a mapped file that somebody cuts kills its reader.
 */
#ifndef POSTRIDER_MAILBOX_SUMMARY_H
#define POSTRIDER_MAILBOX_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

#define SUMMARY_DIR "index"
#define SUMMARY_NAME "index/summary"
#define SUMMARY_TEXT_MAX ((size_t)64 << 10)      /* a longer one is not kept */
#define SUMMARY_FILE_MAX (UINT64_C(1) << 30)     /* nor any beyond this */
#define SUMMARY_COMPACT_LEAST (UINT64_C(1) << 20) /* a smaller file is not compacted */

enum summary_kind { SUMMARY_ENVELOPE, SUMMARY_BODY, SUMMARY_BODYSTRUCTURE, SUMMARY_KINDS };

/* Which account in which life: a file that was made for another one is discarded. */
struct summary_identity {
	uint64_t home, journal; /* inodes: no two homes that there are have the same */
	uint32_t uid, uidvalidity; /* INBOX's: a restored home has another one */
	uint32_t version;       /* of the rendering */
};

/* Which message; two with the same content may share an entry. */
struct summary_key {
	uint64_t position; /* as in struct message_ref */
	int64_t date;
	uint32_t offset, size;
};

struct summary;
/* Opens nothing yet. home is the caller's, and stays open. least: SUMMARY_COMPACT_LEAST, or less in tests. */
struct summary *summary_new(int home, const struct summary_identity *id, uint64_t least);
/* Writes what waits. NULL is ignored. */
void summary_free(struct summary *s);
bool summary_is(const struct summary *s, const struct summary_identity *id);

/* Before a command that may ask: opens or makes the file, or opens it anew when it was deleted or replaced; sees what others added. */
void summary_refresh(struct summary *s);
/* *text is valid until the next call. False: not there, or not to be believed. */
bool summary_get(struct summary *s, const struct summary_key *k, enum summary_kind kind, struct view *text);
/* Keeps it, where this process may write and there is room. */
void summary_put(struct summary *s, const struct summary_key *k, enum summary_kind kind, struct view text);
/* After a command: writes what waits, and gives memory back. */
void summary_rest(struct summary *s);

/* Rewrites the file without what is dead, when more than half is: messages counts those of the account. */
bool summary_compaction_due(const struct summary *s, uint64_t messages);
typedef bool summary_live_fn(void *arg, const struct summary_key *k);
void summary_compact(struct summary *s, summary_live_fn *live, void *arg);

#endif
