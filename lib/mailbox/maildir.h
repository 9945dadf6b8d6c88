/* SPDX-License-Identifier: ISC */
/*
 * For people who look after accounts: a check of all that is stored, and the way to and from Maildir++ (folders are directories ".a.b" beside
 * cur, new and tmp; flags are letters in file names, keywords the letters a to z by a file dovecot-keywords in each folder; the
 * internal date is the file's modification time). Blocking; the store is opened without a loop. Line ends are LF in a Maildir, CRLF here.
 */
#ifndef POSTRIDER_MAILBOX_MAILDIR_H
#define POSTRIDER_MAILBOX_MAILDIR_H

#include <stdint.h>

#include "mailbox/mailbox.h"

struct tool_result {
	uint64_t messages, octets; /* dealt with */
	uint64_t bad;              /* not readable, too big, not a message's file */
};
/* Told now and then, and for what is bad (err not 0; what: a mailbox and UID, a range of a stream, or a file). */
struct tool_report {
	void (*progress)(void *arg, const struct tool_result *so_far);
	void (*bad)(void *arg, const char *what, int err);
	void (*mailbox)(void *arg, const char *name, uint64_t messages, uint64_t octets); /* NULL, or told what each holds */
	void *arg;
};

/* Reads both streams from their starts, then every message's content against its sum. */
MUST_CHECK int tool_check(struct store *s, const struct tool_report *report, struct tool_result *r);
/* store_compact, told by octets that both streams take: r->octets is what was given back. */
MUST_CHECK int tool_compact(struct store *s, const struct tool_report *report, struct tool_result *r);
/* Writes all mailboxes into the directory, which is empty or a Maildir already. What it wrote is on stable storage afterwards. */
MUST_CHECK int tool_export(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r);
/*
 * The same as files NAME.mbox (names as of folders, without the first dot): "mboxrd", where a line of '>'s and "From " gets one more '>', flags in Status, X-Status and
 * X-Keywords, the internal date in the From_ line (UTC). Such fields that the message had itself are left out.
 */
MUST_CHECK int tool_export_mbox(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r);
/* Adds an mbox file to INBOX. Durable afterwards. */
MUST_CHECK int tool_import_mbox(struct store *s, int fd, const struct tool_report *report, struct tool_result *r);
/* Adds what the Maildir, or the files NAME.mbox of the directory, hold to the mailboxes of the same names, which are made and subscribed where they are new. Durable afterwards. */
MUST_CHECK int tool_import(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r);

/* A mailbox's name as a folder's (".Sent", ".a.b"; empty for INBOX), and back (false: not a folder's name). */
void maildir_folder(struct buf *out, struct view mailbox);
bool maildir_mailbox(struct buf *out, struct view folder);

#endif
