/* SPDX-License-Identifier: ISC */
/*
 * Replies of an SMTP server (RFC 5321 4.2), read line by line and bounded: a server that talks without end, or breaks the form, is given up.
 * What it says is kept as printable text, lines joined by blanks. Pure.
 */
#ifndef POSTRIDER_SMTP_CLIENT_REPLY_H
#define POSTRIDER_SMTP_CLIENT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

enum { REPLY_LINE_MAX = 2048, REPLY_LINES_MAX = 100, REPLY_TEXT_MAX = 8192 };

struct reply {
	unsigned code;      /* of the first line: it rules */
	unsigned lines;
	char text[REPLY_TEXT_MAX + 1]; /* what stands behind the codes, lines separated by '\n' */
	size_t n;
};

void reply_reset(struct reply *r);
/*
 * Takes lines off the front of in. ERR_OK: a whole reply is there (reset before the next). ERR_AGAIN: more is needed. ERR_PROTOCOL: a line is too long,
 * there are too many, or one is none.
 */
MUST_CHECK int reply_read(struct reply *r, struct buf *in);
/* The enhanced status code at the begin of the text (RFC 2034) where its class fits the code; else "4.0.0" or the like. At most 15 octets. */
void reply_status(const struct reply *r, char out[16]);
/* Code and all lines as one, cut to size (at least 8) with its NUL. */
void reply_text(const struct reply *r, char *out, size_t size);

#endif
