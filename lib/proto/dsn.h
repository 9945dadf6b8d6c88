/* SPDX-License-Identifier: ISC */
/*
 * Delivery status notifications: writes the message of RFC 3464 (multipart/report, RFC 6522) that tells a sender what became of recipients;
 * with UTF-8 in addresses the forms of RFC 6533. Pure: who is told, and whether, is decided elsewhere (dsn_wanted says what RFC 3461 has to
 * say on it). Nothing from outside reaches a header of the notification but in printable, bounded form.
 */
#ifndef POSTRIDER_PROTO_DSN_H
#define POSTRIDER_PROTO_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

/* NOTIFY, RFC 3461 4.1, as it stands in IPC and in the spool; 0 when the client gave none. */
enum { DSN_NEVER = 1, DSN_SUCCESS = 2, DSN_FAILURE = 4, DSN_DELAY = 8, DSN_NOTIFY = 15 };
/* Beside it in the spool: what this recipient came of was an alias of several, of which this success is told when this one is settled. */
enum { DSN_EXPAND = 16 };

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

/*
 * What one of an alias' several addresses gets of the alias' NOTIFY (RFC 3461 5.2.7.3 (c)): all but SUCCESS, which the first has as DSN_EXPAND; NEVER
 * where nothing is left, for no NOTIFY at all would ask for failures.
 */
uint8_t dsn_of_alias(uint8_t notify, bool first);

/* Does this NOTIFY ask for a notification of this action? Absent means failure and delay (RFC 3461 4.1). */
bool dsn_wanted(uint8_t notify, enum dsn_action action);

struct dsn_recipient {
	enum dsn_action action;
	struct view address; /* as it came in the envelope */
	struct view orcpt;   /* the ORCPT parameter decoded ("rfc822;user@example.org"), or empty */
	struct view status;  /* RFC 3463 */
	struct view remote;  /* the host that said so, or empty: ourselves */
	struct view text;    /* what was said */
};

struct dsn {
	struct view host;      /* our name */
	struct view sender;    /* to whom this goes */
	struct view queue_id;  /* of the message that it speaks of */
	struct view envid;     /* ENVID decoded, or empty */
	struct view token;     /* random letters and digits: the boundary and Message-ID are made of it */
	uint64_t arrived, now; /* seconds since 1970 */
	uint64_t until;        /* DSN_DELAYED: how long it will be tried */
	bool utf8;             /* RFC 6533's forms */
	bool full;             /* original is the whole message, not only its header */
	struct view original;  /* octets of the original message, CRLF lines */
};

/* Adds the notification to b. There is at least one recipient. */
void dsn_put(struct buf *b, const struct dsn *d, const struct dsn_recipient *r, size_t n);

#endif
