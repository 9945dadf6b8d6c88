/* SPDX-License-Identifier: ISC */
/*
 * A session: one logged-in IMAP client. It reads one command at a time (proto/imap_read.h), finds its row in the table of commands, and
 * answers. A command is done at once, or waits until what it changed is durable, or is a job that goes on a slice at a time: as far as
 * the client reads what it is sent, and without keeping other sessions waiting. Everything a session holds is bounded.
 *
 * This header is the inside, for the files of imapd; imapd.h is what main and the tests need.
 */
#ifndef POSTRIDER_IMAPD_SESSION_H
#define POSTRIDER_IMAPD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "imapd.h"
#include "mailbox/mailbox.h"
#include "proto/imap_parse.h"
#include "proto/imap_read.h"
#include "proto/imap_set.h"

#define SESSION_LINE_MAX ((size_t)64 << 10)     /* octets of a command outside literals */
#define SESSION_COMMAND_MAX ((size_t)256 << 10) /* … with its literals, but for APPEND's messages */
#define SESSION_INPUT_MAX ((size_t)64 << 10)    /* read ahead */
#define SESSION_OUTPUT_SOFT ((size_t)128 << 10) /* above it jobs wait until the client has read */
#define SESSION_OUTPUT_MAX ((size_t)256 << 20)  /* no response is as long: a broken invariant of ours */
#define SESSION_IDLE_MS (30 * 60 * 1000)        /* RFC 3501 5.4 */
#define SESSION_STUCK_MS (5 * 60 * 1000)        /* a client that reads nothing of what it asked for */
#define SESSION_EOF_MS (60 * 1000)              /* for what is still running when the client sends no more */
#define SESSION_SLICE_MS 10                     /* of a job, before others have their turn */
#define SESSION_BAD_MAX 25                      /* commands in a row that were BAD */
#define SESSION_TAG_MAX 128

enum session_state {
	STATE_AUTHENTICATED = 1,
	STATE_SELECTED = 2,
};

struct session;

/* One row a command. */
struct command {
	const char *name;
	void (*run)(struct session *s);
	unsigned states; /* in which it is legal */
	bool uid;        /* there is a UID form of it */
	bool keeps_expunges; /* RFC 3501 7.4.1: no EXPUNGE in answer to it, except in its UID form */
};
const struct command *command_find(struct view name);

struct session {
	struct list node; /* in imapd's sessions */
	struct imapd *imapd;
	int fd;
	struct io *io;
	struct timer *timer;
	struct later run; /* work goes on */
	struct buf in, out;
	struct imap_reader reader;
	bool eof, closing, broken, blocked;
	unsigned bad;
	char account[321], id[33], peer[65];

	/* What the client has selected. */
	struct mailbox_view *view;
	unsigned keywords_known; /* of store_keyword_count, told by FLAGS */
	bool condstore;

	/* The command at hand; all zeroes between commands. */
	struct arena *arena;
	struct imap_text text; /* its arguments */
	struct view tag;
	const struct command *command;
	bool uid;
	bool busy; /* a wait or a job is on */
	struct store_wait wait;
	void (*durable)(struct session *s);
	void (*step)(struct session *s);
	void (*job_free)(void *job);
	void *job;
	struct append *append; /* from the first literal to the end of the command */
	struct buf code;       /* a response code for the tagged OK, made before the wait */
	bool idling;
	const char *no_code, *no_text; /* what a literal that is thrown away will be answered */
};

/* ---- answers; each ends the command ---- */
/* What changed in the selected mailbox, then the tagged line. code is a response code with its brackets and blank, or "". */
void session_ok(struct session *s, const char *text);
/* code as in "[NONEXISTENT] ". */
void session_no(struct session *s, const char *code, const char *text);
void session_bad(struct session *s, const char *text);
/* Will not have the literal at hand: NO with this code, or BAD where code is NULL. */
void session_refuse_literal(struct session *s, const char *code, const char *text);
/* The NO for an ERR_ code. */
void session_error(struct session *s, int err);

/* ---- parts of answers ---- */
void session_flags_line(struct session *s);
/* Tells the changes of the selected mailbox (mailbox_view_take). */
void session_updates(struct session *s, bool expunges);
/* "FLAGS (…)" of a message. */
void put_flags(struct session *s, const struct message_info *info);

/* ---- going on later ---- */
/* fn is called when all that was changed is durable; when it cannot be made so, the client gets NO and fn is not called. */
void session_when_durable(struct session *s, void (*fn)(struct session *s));
/*
 * Begins a job: step is called from the loop, when others had their turn and the client has read, until it gives the tagged answer.
 * job_free frees `job`, at the end in any case.
 */
void session_job(struct session *s, void (*step)(struct session *s), void *job, void (*job_free)(void *job));
/* The time until which this slice may go on. */
uint64_t session_slice_end(void);
bool session_slice_over(const struct session *s, uint64_t end);
/* Something is to be done or sent. */
void session_wake(struct session *s);
/* Says BYE and closes when that has been sent. */
void session_bye(struct session *s, const char *text);

/* ---- arguments ---- */
/* The end of the command; else BAD was said. */
bool args_end(struct session *s);
bool args_space(struct session *s);
/* SP mailbox, decoded into name (its maximum at least IMAP_NAME_MAX); else BAD or NO was said. */
bool args_mailbox(struct session *s, struct buf *name);
/* SP set of messages, as sequence numbers or (UID form) UIDs, resolved against the selected mailbox. */
bool args_set(struct session *s, struct imap_set *set);
/* The set as UIDs of the view. The caller frees. */
void set_uids(const struct session *s, const struct imap_set *set, struct uidset *uids);
/* A flag list in parentheses (or, when bare is allowed, without): else BAD or NO was said. */
bool args_flags(struct session *s, bool bare, struct mail_flags *flags);
/* A flag's name: bits in *flags; 0 on success, ERR_INVALID for none, ERR_NOT_FOUND for a keyword that is not known (and not to be added). */
int flag_find(struct store *st, struct view name, bool add, struct mail_flags *flags);

/* ---- commands ---- */
void cmd_append(struct session *s);
void cmd_capability(struct session *s);
void cmd_check(struct session *s);
void cmd_close(struct session *s);
void cmd_copy(struct session *s);
void cmd_create(struct session *s);
void cmd_delete(struct session *s);
void cmd_enable(struct session *s);
void cmd_examine(struct session *s);
void cmd_expunge(struct session *s);
void cmd_fetch(struct session *s);
void cmd_id(struct session *s);
void cmd_idle(struct session *s);
void cmd_list(struct session *s);
void cmd_logged_in(struct session *s);
void cmd_logout(struct session *s);
void cmd_lsub(struct session *s);
void cmd_move(struct session *s);
void cmd_namespace(struct session *s);
void cmd_noop(struct session *s);
void cmd_rename(struct session *s);
void cmd_search(struct session *s);
void cmd_select(struct session *s);
void cmd_status(struct session *s);
void cmd_store(struct session *s);
void cmd_subscribe(struct session *s);
void cmd_unselect(struct session *s);
void cmd_unsubscribe(struct session *s);
void put_capability(struct session *s);

/* APPEND's literals (append.c): true when the literal is a message that is taken or refused there. */
bool append_literal(struct session *s);
void append_data(struct session *s, struct view data);
void append_abort(struct session *s);

/* STATUS items, for STATUS and LIST RETURN (STATUS …): status.c. */
bool status_items(struct session *s, unsigned *items);
void put_status(struct session *s, struct view name, const struct mailbox *m, unsigned items);

/* Answers FETCH-like with these items for UIDs, then the tagged OK with s->code: fetch.c, for STORE. */
void fetch_after_store(struct session *s, struct uidset *uids, bool flags, bool modseq);

#endif
