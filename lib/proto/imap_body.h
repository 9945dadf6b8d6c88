/* SPDX-License-Identifier: ISC */
/* ENVELOPE, BODY and BODYSTRUCTURE of a message (RFC 3501 7.4.2), of bounded size whatever the message. */
#ifndef POSTRIDER_PROTO_IMAP_BODY_H
#define POSTRIDER_PROTO_IMAP_BODY_H

#include "base/buf.h"
#include "base/view.h"
#include "proto/mime.h"

#define IMAP_ADDRESSES_MAX 5000            /* of one field in an envelope */
#define IMAP_STRING_MAX ((size_t)32 << 10) /* octets of one string in an envelope or a body structure */
/* Raised with every change of what is rendered: what was kept of an older rendering is of no use then. */
#define IMAP_BODY_VERSION 2
#define IMAP_STRUCTURE_MAX ((size_t)4 << 20)

/* header: a message's header, or all of the message. */
void imap_put_envelope(struct buf *b, struct view header);
/* extended: BODYSTRUCTURE, else BODY. A structure past IMAP_STRUCTURE_MAX is given as one text part of the body's size. */
void imap_put_structure(struct buf *b, const struct mime_tree *t, bool extended);

#endif
