/* SPDX-License-Identifier: ISC */
/*
 * SMTP and LMTP command lines (RFC 5321 4.1.1, RFC 2033) and the arguments of MAIL, RCPT and BDAT with their parameters: SIZE (RFC 1870),
 * BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), AUTH (RFC 4954), RET, ENVID, NOTIFY and ORCPT (RFC 3461). A line is given without its CRLF.
 */
#ifndef POSTRIDER_PROTO_SMTP_COMMAND_H
#define POSTRIDER_PROTO_SMTP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"
#include "proto/address.h"
#include "proto/smtp_reply.h"

/* The verb, and what stands behind the blank after it without blanks at its end. */
struct smtp_line {
	struct view verb;
	struct view arg;
};
struct smtp_line smtp_line_split(struct view line);
/* Does the line hold a control character (NUL, a bare CR, TAB …)? No command may (RFC 5321 4.1.2, 2.3.8). */
bool smtp_line_has_control(struct view line);
/* Does the first line of a session or a command show that another protocol is spoken: HTTP, TLS, SSH, the PROXY protocol? */
bool smtp_line_is_foreign(struct view line);

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
/* The bits of the commit message's rcpt.notify (lib/ipc/messages.tbl). */
enum smtp_notify { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8 };

enum { SMTP_ENVID_MAX = 100, SMTP_ORCPT_MAX = 500 };

struct smtp_mail {
	struct address sender;
	uint64_t size; /* UINT64_MAX for a number too big to be held; 0 when absent */
	enum smtp_body body;
	enum smtp_ret ret;
	bool utf8;
	size_t envid_n;
	char envid[SMTP_ENVID_MAX]; /* decoded, printable */
};

struct smtp_rcpt {
	struct address to;
	unsigned notify;
	size_t orcpt_n;
	char orcpt[SMTP_ORCPT_MAX]; /* "rfc822;user@example.org", decoded, printable */
};

/* MAIL and RCPT: arg stands behind the verb. NULL when out is filled, or the reply that says what is wrong. form: address.h. */
const struct smtp_reply *smtp_mail_read(struct view arg, unsigned form, struct smtp_mail *out);
/* With form ADDRESS_UTF8 when the transaction's MAIL said SMTPUTF8. */
const struct smtp_reply *smtp_rcpt_read(struct view arg, unsigned form, struct smtp_rcpt *out);

/* RFC 3030 2: "size [LAST]". */
struct smtp_chunk {
	uint64_t size;
	bool last;
};
const struct smtp_reply *smtp_chunk_read(struct view arg, struct smtp_chunk *out);

#endif
