/* SPDX-License-Identifier: ISC */
/* Replies of an SMTP or LMTP server: RFC 5321 4.2 with the enhanced status codes of RFC 2034. */
#ifndef POSTRIDER_PROTO_SMTP_REPLY_H
#define POSTRIDER_PROTO_SMTP_REPLY_H

#include "base/buf.h"
#include "base/view.h"

/* One reply as a constant: what a check that failed gives back. */
struct smtp_reply {
	unsigned code;
	const char *status; /* "5.5.1", NULL for replies that carry none (RFC 2034 4) */
	const char *text;
};

/* Adds "code status text CRLF". */
void smtp_reply_put(struct buf *b, const struct smtp_reply *r);
/* The same from parts; the text may come from elsewhere: octets that are not printable become "?", and 400 octets are kept at most. */
void smtp_reply_text(struct buf *b, unsigned code, struct view status, struct view text);
/* One line of a reply of many; the last has last = true. */
void smtp_reply_line(struct buf *b, unsigned code, bool last, struct view text);

#endif
