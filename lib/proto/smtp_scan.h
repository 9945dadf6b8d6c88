/* SPDX-License-Identifier: ISC */
/*
 * The scanner of message content as it comes over SMTP: DATA (RFC 5321 4.5.2: dots doubled, ended by CRLF "." CRLF and by nothing else)
 * and BDAT (RFC 3030: counted octets). It keeps its state between pieces of any size. What it finds besides is told by flags: a CR or LF
 * that stands alone (RFC 5321 2.3.8 forbids both; they are how messages are smuggled), NUL, and a line beyond the bound. Such octets never
 * end anything. Once a flag is set that makes the message refused, nothing more is stored, but the end is still looked for.
 */
#ifndef POSTRIDER_PROTO_SMTP_SCAN_H
#define POSTRIDER_PROTO_SMTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

enum smtp_scan_flag {
	SCAN_BARE_CR = 1,
	SCAN_BARE_LF = 2,
	SCAN_NUL = 4,
	SCAN_LONG_LINE = 8,
	SCAN_TOO_BIG = 16,
};

struct smtp_scan {
	enum { SCAN_BOL, SCAN_TEXT, SCAN_CR, SCAN_DOT, SCAN_DOT_CR, SCAN_END } state;
	bool dots;      /* DATA: undo the doubling, look for the end */
	bool binary;    /* BODY=BINARYMIME: every octet is content */
	bool normalize; /* make a bare CR or LF a CRLF instead of refusing the message */
	unsigned flags; /* what was found */
	size_t line;    /* octets of the current line so far */
	size_t line_max;
	uint64_t size;     /* octets of content stored so far */
	uint64_t size_max; /* beyond: SCAN_TOO_BIG */
};

/* For one message. */
void smtp_scan_init(struct smtp_scan *s, bool dots, bool binary, bool normalize, size_t line_max, uint64_t size_max);
/*
 * Takes octets of `in` and adds the content to out, which must have room for 2 * in.n + 2 octets. Gives how many were taken: all, or up to and with
 * the end of DATA (then s->state is SCAN_END).
 */
size_t smtp_scan(struct smtp_scan *s, struct view in, struct buf *out);
/* BDAT's last chunk is through: a CR may not be left alone. */
void smtp_scan_last(struct smtp_scan *s, struct buf *out);
/* Must the message be refused for what was found? */
bool smtp_scan_refused(const struct smtp_scan *s);

#endif
