/* SPDX-License-Identifier: ISC */
/* What a receiver looks at in a message's header, and the fields it puts before it. The content itself is never changed. */
#ifndef POSTRIDER_SMTPD_MESSAGE_H
#define POSTRIDER_SMTPD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "smtpd/session.h"

struct message_facts {
	size_t size;       /* octets of the header, with the empty line */
	unsigned fields;
	unsigned received; /* Received fields: hops */
	unsigned froms;
	bool date, id;
	bool headless;     /* it begins with something that is no field: an empty line must follow what is put before it */
};

/* Looks at no more than max octets and HEADER_FIELDS + 1 fields; what is beyond shows in size > max or fields > HEADER_FIELDS. */
void message_look(struct view content, size_t max, struct message_facts *out);
/* Adds the value of each From field to list, separated by commas; false when one is not RFC 5322 3.4. each is called for every address. */
typedef bool message_from_fn(void *arg, struct view address);
bool message_from_each(struct view content, size_t header, message_from_fn *each, void *arg);

/* The trace field (RFC 5321 4.4). */
struct message_trace {
	struct view helo, peer, id, hostname;
	struct view rcpt; /* empty: not said (more than one) */
	const struct session_tls *tls;
	const char *with; /* "ESMTPSA" … (RFC 3848, RFC 6531 4.3) */
	bool local;       /* handed in by a program of this host: uid tells whose */
	uint32_t uid;
	int64_t now;
};
void message_received(struct buf *b, const struct message_trace *t);
/* "ESMTP", with the letters for TLS and AUTH and the prefix for SMTPUTF8. */
const char *message_with(bool extended, bool lmtp, bool tls, bool login, bool utf8);

#endif
