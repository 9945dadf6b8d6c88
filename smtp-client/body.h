/* SPDX-License-Identifier: ISC */
/*
 * A message as it goes through DATA (RFC 5321 4.5.2): dots at the begin of lines doubled, every line ended by CRLF, and by nothing that
 * another could take for an end: a CR or LF that stands alone becomes a CRLF (RFC 5321 2.3.8), so that no smuggled shape ever leaves us. Pure.
 */
#ifndef POSTRIDER_SMTP_CLIENT_BODY_H
#define POSTRIDER_SMTP_CLIENT_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/view.h"

struct body {
	struct view parts[2]; /* headers, content */
	size_t part, at;
	bool bol, cr; /* at the begin of a line; the last octet was a CR */
	bool ended;
};

void body_begin(struct body *b, struct view headers, struct view content);
/* Adds the coding of at most `most` more octets of the message to out; with the last of it the end: CRLF "." CRLF. False when all was given. */
bool body_next(struct body *b, struct buf *out, size_t most);

#endif
