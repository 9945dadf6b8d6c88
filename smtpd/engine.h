/* SPDX-License-Identifier: ISC */
/* The inside of a session, shared by the files that make it up: session.c (life, input), command.c, envelope.c, content.c, login.c. */
#ifndef POSTRIDER_SMTPD_ENGINE_H
#define POSTRIDER_SMTPD_ENGINE_H

#include "base/mem.h"
#include "ipc/channel.h"
#include "proto/smtp_command.h"
#include "proto/smtp_reply.h"
#include "proto/smtp_scan.h"
#include "smtpd/session.h"

/* Where a session stands between two commands; bits, for the table of commands. */
enum stage {
	STAGE_START = 1, /* nothing said yet */
	STAGE_READY = 2, /* greeted */
	STAGE_MAIL = 4,  /* a sender, perhaps recipients */
	STAGE_CHUNKS = 8, /* between BDAT chunks */
	STAGE_ALL = 15,
};

/* How the next octets are taken. */
enum mode { MODE_COMMAND, MODE_LONG_LINE, MODE_DATA, MODE_CHUNK, MODE_LOGIN };

enum rcpt_state { RCPT_UNASKED, RCPT_ASKED, RCPT_GOOD, RCPT_BAD };

struct rcpt {
	enum rcpt_state state;
	uint8_t notify;
	struct view address; /* in the transaction's arena */
	struct view orcpt;
	struct answer *route;
	const struct smtp_reply *reply; /* of a bad one */
};

/*
 * A mail transaction. Recipients stand in the order of their commands: [0, good) accepted, then, from `settled` on, those whose replies are not out
 * yet, so that an index stays valid while its question is open.
 */
struct transaction {
	struct arena *arena;
	struct smtp_mail mail;
	struct rcpt *rcpts;
	unsigned nrcpts, cap, good, settled, asked, named;
	size_t octets; /* of the good ones in a commit, at most RCPTS_OCTETS */
	/* Content. */
	struct smtp_scan scan;
	bool begun;      /* scan is set up */
	struct buf content;
	size_t held; /* what of the budget it has */
	uint64_t content_file; /* 0: none (yet) */
	bool file_open;
	bool failed;     /* the file could not be written */
	bool header_seen;
	const struct smtp_reply *refused; /* why the content will not be taken */
	uint64_t size;   /* octets that were written to the file */
	uint64_t taken;  /* octets that came in, kept or not */
	uint32_t sum;
	/* The header From: its addresses that are still to be checked. */
	struct view *from;
	unsigned nfrom, from_at;
	struct buf headers;
	bool has_date, has_id, has_from, headless;
	uint8_t commit_id[16];
};

struct session {
	struct session_facts facts;
	const struct session_ops *ops;
	void *arg;
	char id[17];
	char peer[64];
	char user[64];
	struct buf out;
	enum stage stage;
	enum mode mode;
	bool extended; /* EHLO or LHLO */
	bool more;     /* input stands behind the command in hand: it was pipelined */
	bool starttls, ended, quit;
	bool shut_now; /* the farewell waits for the answer to a commit only */
	const char *shut_status, *shut_text; /* the farewell that waits for an answer */
	/* The answer that is waited for: what to do when it comes is who set it. NULL: none. */
	enum { WAIT_NONE, WAIT_SENDER, WAIT_FROM, WAIT_LOGIN, WAIT_FILE, WAIT_COMMIT } wait;
	/* The question that found no credit, to be asked again. */
	bool (*unasked)(struct session *s);
	unsigned delay;
	unsigned errors, login_errors, messages;
	struct session_tls tls;
	char *helo; /* the client's name of itself */
	/* AUTH. */
	bool login_ready; /* logged in; the last challenge is to be acknowledged */
	int64_t login_time;
	struct view account, login; /* own memory */
	struct view mechanism, response; /* of the step that waits; own memory */
	bool has_initial;
	/* BDAT. */
	uint64_t chunk_left;
	bool chunk_last;
	const struct smtp_reply *chunk_bad; /* the chunk is thrown away, and this is said */
	struct transaction *t;
};

/* ---- session.c ---- */
void session_reply(struct session *s, const struct smtp_reply *r);
/* An error of the client's: counted, logged, answered, and slowed down. */
void session_error(struct session *s, const struct smtp_reply *r);
/* The same with a text that is not constant. */
void session_error_text(struct session *s, unsigned code, struct view status, struct view text);
/* Says it, and ends the session. */
void session_error_end(struct session *s, const struct smtp_reply *r);
/* Asks now or, when there is no credit, later. */
void session_ask(struct session *s, bool (*question)(struct session *s));
/* The answer to what was waited for is there. */
void session_answered(struct session *s);
struct view view_copy(struct view v); /* in own memory: free((char *)v.p) */

/* ---- command.c ---- */
void command_line(struct session *s, struct view line);
/* The most octets of this command's line, CRLF counted. */
size_t command_line_max(struct view line);

/* ---- envelope.c ---- */
void command_mail(struct session *s, struct view arg);
void command_rcpt(struct session *s, struct view arg);
void transaction_end(struct session *s);
void sender_owned(struct session *s, unsigned outcome);

/* ---- content.c ---- */
void command_data(struct session *s, struct view arg);
void command_bdat(struct session *s, struct view arg);
size_t content_data(struct session *s, struct view in);
size_t content_chunk(struct session *s, struct view in);
void from_owned(struct session *s, unsigned outcome);
/* Gives back what the transaction has of the shared budget. */
void content_release(struct session *s, struct transaction *t);
/* All checks are passed: hand it in. */
void content_commit(struct session *s);

/* ---- login.c ---- */
void command_auth(struct session *s, struct view arg);
void command_starttls(struct session *s, struct view arg);
void login_line(struct session *s, struct view line);
/* Ends an exchange that is under way, if there is one. */
void login_abort(struct session *s);
void login_forget(struct session *s);
/* The mechanisms offered; empty when AUTH is not. */
struct view login_mechanisms(const struct session *s);

#endif
