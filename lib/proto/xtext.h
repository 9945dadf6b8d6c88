/* SPDX-License-Identifier: ISC */
/* xtext, the coding of free text in SMTP parameters (RFC 3461 4). */
#ifndef POSTRIDER_PROTO_XTEXT_H
#define POSTRIDER_PROTO_XTEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/view.h"

/* Adds what v codes. Strict: "+" and two upper-case hex digits, no octet outside 0x21 to 0x7e; false, with nothing added, otherwise. */
bool xtext_get(struct buf *b, struct view v);
/* Adds the coding of v. */
void xtext_put(struct buf *b, struct view v);

#endif
