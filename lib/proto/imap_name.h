/* SPDX-License-Identifier: ISC */
/*
 * Mailbox names: UTF-8 inside, modified UTF-7 on the wire (RFC 3501 5.1.3), levels separated by '/'. INBOX is the same in any case
 * (RFC 3501 5.1); so it is as the first level of its children.
 */
#ifndef POSTRIDER_PROTO_IMAP_NAME_H
#define POSTRIDER_PROTO_IMAP_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/view.h"

#define IMAP_NAME_MAX 1000  /* octets of a name in UTF-8 */
#define IMAP_LEVEL_MAX 255  /* octets of one level */
#define IMAP_LEVELS_MAX 64
#define IMAP_PATTERN_MAX 1000

/* Modified UTF-7 to UTF-8; false, with part of it added, where v is not in the form: also for what could be said shorter. */
bool imap_name_decode(struct buf *utf8, struct view v);
void imap_name_encode(struct buf *out, struct view utf8);
/*
 * May a mailbox have this name? Levels are not empty, not "." or "..", do not begin with '.' or '~' nor hold wildcards, and there
 * is no control in them: so that a name stays harmless where it is exported to files.
 */
bool imap_name_ok(struct view utf8);
/* Decodes a name that a client gave, with INBOX upper-case and one '/' at the end dropped. False: not a name. */
bool imap_name_read(struct buf *utf8, struct view wire);
/* How many octets at the front mean INBOX (5 or 0). */
size_t imap_name_inbox(struct view name);

/* A pattern of LIST, made so that matching takes time linear in name × pattern, whatever the wildcards. */
struct imap_pattern {
	char c[IMAP_PATTERN_MAX];
	bool wild[IMAP_PATTERN_MAX];
	size_t n;
};
/* From reference and pattern put together, as on the wire. False when it is too long: it matches nothing. */
bool imap_pattern_make(struct imap_pattern *p, struct view reference, struct view pattern);
/* name: as on the wire (modified UTF-7). */
bool imap_pattern_match(const struct imap_pattern *p, struct view name);

#endif
