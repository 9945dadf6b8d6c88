/* SPDX-License-Identifier: ISC */
/*
 * The protocol with the next host, without input or output: replies in, commands out (RFC 5321; PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN,
 * STARTTLS). One session carries one message after the other. A message's octets are sent only after 354, and only when a recipient was accepted.
 */
#ifndef POSTRIDER_SMTP_CLIENT_SESSION_H
#define POSTRIDER_SMTP_CLIENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "smtp-client/body.h"
#include "smtp-client/reply.h"

enum mail_outcome { MAIL_DONE, MAIL_LATER, MAIL_NEVER, MAIL_OPEN };

struct mail_rcpt {
	uint32_t index;
	uint8_t notify;
	struct view address, orcpt;
	enum mail_outcome outcome; /* MAIL_OPEN until it is known */
	char status[16];
	char text[500];
};

/* One message for one next host. The views are the owner's. */
struct mail {
	uint32_t flags; /* as in the message `commit` */
	struct view sender, envid, headers, content;
	struct mail_rcpt *rcpts;
	uint32_t n;
	bool noted; /* the next host was asked to notify (DSN) */
};
/* All recipients that are still open get this outcome. */
void mail_settle(struct mail *m, enum mail_outcome outcome, const char *status, const char *text);

enum session_event {
	SESSION_MORE,     /* wait for input */
	SESSION_IDLE,     /* ready for the next message; the last one's recipients are settled */
	SESSION_STARTTLS, /* raise the connection to TLS now, then session_secure */
	SESSION_BODY,     /* send session_body's octets, as fast as they go */
	SESSION_FAILED,   /* close the connection; the message's recipients are settled */
};

struct session {
	enum session_state {
		S_BANNER, S_EHLO, S_HELO, S_STARTTLS, S_HANDSHAKE, S_IDLE, S_MAIL, S_RCPT, S_DATA, S_BODY, S_END, S_RSET, S_QUIT,
	} state;
	struct view name;     /* ours */
	bool allow_tls, secure;
	unsigned extensions;
	uint64_t size_max;    /* what SIZE said; 0: no limit known */
	struct reply reply;
	struct mail *mail;
	uint32_t rcpt;        /* the one whose reply comes next */
	uint32_t sent;        /* RCPTs that were sent */
	bool data_sent, mail_ok, any;
	struct body body;
	char why[500];        /* why it failed */
};

/* name is what we say at EHLO. allow_tls: use STARTTLS where it is offered. */
void session_init(struct session *s, struct view name, bool allow_tls);
/* Takes the input and adds what is to be sent to out. */
enum session_event session_feed(struct session *s, struct buf *in, struct buf *out);
/* TLS stands. */
enum session_event session_secure(struct session *s, struct buf *out);
/* Begins a message on an idle session. SESSION_IDLE: it cannot be sent to this host at all, its recipients are settled. */
enum session_event session_mail(struct session *s, struct mail *m, struct buf *out);
/* Adds about 64 KiB of the body; false when all is sent, and the reply is waited for. */
bool session_body(struct session *s, struct buf *out);
void session_quit(struct session *s, struct buf *out);
/* The connection was lost, or took too long: settles what is open. */
void session_lost(struct session *s, const char *status, const char *text);
/* How long the server may take in this state, in seconds (RFC 5321 4.5.3.2). */
unsigned session_timeout(const struct session *s);

#endif
