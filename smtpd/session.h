/* SPDX-License-Identifier: ISC */
/*
 * One SMTP or LMTP session as a protocol engine without I/O: octets of the client go in, replies come out in session_out, and what only other
 * processes know is asked through struct session_ops and answered by the functions below, at once or later. While an answer is outstanding the
 * session takes no input (but further recipients of a pipelined group, RFC 2920); replies keep the order of commands.
 *
 * After each call that may have changed something its user looks at session_state, sends session_out, and hands in what input is left.
 */
#ifndef POSTRIDER_SMTPD_SESSION_H
#define POSTRIDER_SMTPD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "ipc/messages.h"
#include "smtpd/answers.h"
#include "smtpd/class.h"
#include "smtpd/settings.h"

struct session;

/*
 * What a session asks. Those that give bool give false when there is no credit to ask now: session_retry asks again. Views are valid during the
 * call. An answer may come from within the call.
 */
struct session_ops {
	/* Where does mail for this address go? Answered by session_recipient with the same index. */
	bool (*recipient)(void *arg, unsigned index, struct view address, bool relay);
	/* May the account send as this address? session_owns. */
	bool (*owns)(void *arg, struct view account, struct view address);
	/* Take the message into the spool. session_committed. */
	bool (*commit)(void *arg, struct ipc_commit *m);
	/* A file for content of about this size (0: unknown). session_content_opened. */
	bool (*content_open)(void *arg, uint64_t size);
	/* Adds to that file: 0 or an ERR_ code. */
	int (*content_write)(void *arg, struct view v);
	/* No more will be written. */
	void (*content_close)(void *arg);
	/* The file is not wanted any more. */
	void (*content_drop)(void *arg, uint64_t content);
	/* SASL. session_auth. */
	bool (*auth_start)(void *arg, struct view mechanism, const struct view *initial);
	bool (*auth_continue)(void *arg, struct view response);
	void (*auth_abort)(void *arg);
	/* Seconds since 1970; random octets. */
	int64_t (*now)(void *arg);
	void (*random)(void *arg, void *p, size_t n);
};

/* What TLS says of itself, for the Received field. */
struct session_tls {
	const char *version; /* NULL: no TLS */
	const char *cipher;
	int bits;
};

/* Memory for content that sessions share; and transactions that ended, with their memory, for those that come. */
enum { SESSION_SPARES = 128 };
struct transaction;
struct session_budget {
	size_t held, max; /* octets */
	struct transaction *spare[SESSION_SPARES];
	unsigned spares;
};
/* When no session is left. */
void session_budget_fini(struct session_budget *b);

struct session_facts {
	const struct class *class;
	const struct settings *settings; /* must outlive the session */
	struct session_budget *budget;   /* the same; NULL: no bound but the session's own */
	struct view id;                  /* 16 hex digits */
	struct view peer;                /* the client's address as text */
	bool tls_offered;                /* STARTTLS can be done */
	struct view user;                /* class->kernel: the name of the client's user */
	uint32_t uid;
	bool user_trusted;               /* may name any sender */
};

/* Copies what the views show. The greeting stands in session_out at once, but with tls_at_once: then session_secured brings it. */
struct session *session_new(const struct session_facts *facts, const struct session_ops *ops, void *arg);
/* A commit that was asked stays asked; everything else that is open is given up (content_drop, auth_abort). */
void session_free(struct session *s);

/* Takes octets; how many were taken. The rest is to be offered again, with what follows it, once the session is not blocked. */
size_t session_input(struct session *s, struct view in);
/* The replies so far: the caller sends and then resets them, but not while session_delay is not 0. */
struct buf *session_out(struct session *s);

enum session_state {
	SESSION_READING,  /* wants input */
	SESSION_WAITING,  /* for an answer */
	SESSION_STARTTLS, /* send the replies, then make it TLS, then call session_secured */
	SESSION_ENDED,    /* send the replies, then close */
};
enum session_state session_state(const struct session *s);
/* Milliseconds that the replies are to be held back, and no input offered: then session_delayed. */
unsigned session_delay(const struct session *s);
void session_delayed(struct session *s);
/* Octets of content that have come in for the message in hand; false when none is coming (a reply or another process is waited for). */
bool session_content_coming(const struct session *s, uint64_t *octets);
/* Is there nothing under way: no transaction, no question? Then it may be ended between two commands. */
bool session_idle(const struct session *s);

/* TLS stands: everything known before is forgotten (RFC 3207 4.2). */
void session_secured(struct session *s, const struct session_tls *tls);
/*
 * Ends the session from our side: "421 status text". At once, but for a message whose acceptance is being decided: it gets its answer first. With
 * when_idle a transaction may be finished before. The texts are constants.
 */
void session_shut(struct session *s, const char *status, const char *text, bool when_idle);
/* It was the client who ended it, by QUIT, and so nothing of it is left to be read. */
bool session_quit(const struct session *s);
/* There is credit again. */
void session_retry(struct session *s);

/* Answers. outcome: enum ipc_outcome. */
void session_recipient(struct session *s, unsigned index, unsigned outcome, struct answer *route);
void session_owns(struct session *s, unsigned outcome);
void session_committed(struct session *s, const struct ipc_committed *m);
void session_content_opened(struct session *s, unsigned outcome, uint64_t content, struct view reason);
/* m as it came; NULL: the exchange was lost. */
void session_auth(struct session *s, const struct ipc_auth_step *m);
/* The question asked last was lost with the process that was asked, and is not asked again (lib/ipc/messages.tbl: lost fail). */
void session_lost(struct session *s);

/* For the log. */
unsigned session_messages(const struct session *s);
unsigned session_errors(const struct session *s);
struct view session_account(const struct session *s);

#endif
