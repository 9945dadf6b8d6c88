/* SPDX-License-Identifier: ISC */
/* What maildir.c and mbox.c share: walks over a store's messages, and messages on their way in. Not for others. */
#ifndef POSTRIDER_MAILBOX_TRANSFER_H
#define POSTRIDER_MAILBOX_TRANSFER_H

#include "mailbox/maildir.h"

#define KEYWORD_LETTERS 26

struct transfer_walk {
	struct store *s;
	struct mailbox_view *view;
	const char *mailbox;
	const struct tool_report *report;
	struct tool_result *r;
	int cur; /* export: where the messages go: a directory, or a file */
	struct buf text;
};

typedef int transfer_message_fn(struct transfer_walk *w, const struct message_info *i, struct view content);

void transfer_bad(const struct tool_report *report, struct tool_result *r, const char *what, int err);
void transfer_count(const struct tool_report *report, struct tool_result *r, uint64_t octets);
/* Each message of w->view, or each mailbox with w->view and w->mailbox set; ends at an error of fn. A message that cannot be read is told and passed over. */
MUST_CHECK int transfer_each_message(struct transfer_walk *w, transfer_message_fn *fn);
MUST_CHECK int transfer_each_mailbox(struct transfer_walk *w, int (*fn)(struct transfer_walk *w));
/* Line ends CRLF made LF, and LF made CRLF. */
void transfer_put_lf(struct buf *b, struct view v);
void transfer_put_crlf(struct buf *b, struct view v);

struct transfer {
	struct store *s;
	const struct tool_report *report;
	struct tool_result *r;
	struct view mailbox;
	int bits[KEYWORD_LETTERS]; /* letter → the account's keyword, or -1 */
	struct store_append *append;
	unsigned pending;
	struct buf raw, text;
};

/* Appends im->text; in groups, of which transfer_commit ends the last. */
MUST_CHECK int transfer_append(struct transfer *im, int64_t date, struct mail_flags flags);
MUST_CHECK int transfer_commit(struct transfer *im);

/* mbox.c: a file, into im->mailbox; not committed. ERR_INVALID: no mbox. */
MUST_CHECK int mbox_import(struct transfer *im, int fd);

#endif
