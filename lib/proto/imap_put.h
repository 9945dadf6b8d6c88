/* SPDX-License-Identifier: ISC */
/* Building responses: strings in the form that the client can read (RFC 3501 4.3), never with a raw line end in quotes. */
#ifndef POSTRIDER_PROTO_IMAP_PUT_H
#define POSTRIDER_PROTO_IMAP_PUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

/* What printf would do for one number, where there is one for each of many messages. */
void imap_put_number(struct buf *b, const char *before, uint64_t n, const char *after);
/* Quoted where it can be, else a literal. NULs, which neither form may hold, are left out. */
void imap_put_string(struct buf *b, struct view v);
/* NIL for a null pointer. */
void imap_put_nstring(struct buf *b, struct view v);
/* At most max octets of v, unfolded (header.h) first; NIL for a null pointer. */
void imap_put_header(struct buf *b, struct view raw, size_t max);
/* Text behind OK, NO and BAD: controls and octets over 0x7e become '?'. */
void imap_put_text(struct buf *b, struct view v);
/* A mailbox name (UTF-8) as quoted modified UTF-7. */
void imap_put_mailbox(struct buf *b, struct view utf8);

#endif
