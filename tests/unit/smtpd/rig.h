/* SPDX-License-Identifier: ISC */
/*
 * A session with the rest of the suite played by the test: lookup knows alice@, bob@ and postmaster@example.test (and, asked with leave to relay, everything
 * elsewhere), auth knows alice with the password "secret", qmgr takes what it gets. Answers come at once or, when held, at rig_answer.
 */
#ifndef POSTRIDER_TESTS_UNIT_SMTPD_RIG_H
#define POSTRIDER_TESTS_UNIT_SMTPD_RIG_H

#include "base/buf.h"
#include "smtpd/session.h"

struct rig {
	struct settings settings;
	struct session_budget budget;
	struct session *s;
	bool hold;     /* answers are kept until rig_answer */
	bool dry;      /* there is no credit for any question */
	bool no_file;  /* content_open is refused */
	bool no_space; /* content_write fails */
	unsigned commit_outcome;
	struct {
		enum { Q_NONE, Q_RCPT, Q_OWNS, Q_COMMIT, Q_FILE, Q_AUTH } kind;
		unsigned index, outcome;
		struct ipc_auth_step step;
	} held[128];
	unsigned nheld;
	struct buf out;      /* all replies */
	struct buf codes;    /* their codes: "250 250 354" */
	struct buf content;  /* of all messages committed, one after another */
	struct buf headers;  /* put before them */
	struct buf rcpts;    /* "a@x,b@x;" for each message */
	struct buf file;     /* content written to the file of the message in hand */
	unsigned commits, drops, files, questions;
	struct ipc_commit last; /* its views are not valid, the numbers are */
	char sender[330];
	uint64_t waited; /* ms of delay */
	int64_t later;   /* seconds that have passed */
	bool aborted;    /* auth_abort was called */
};

void rig_init(struct rig *r, const char *listener);
void rig_fini(struct rig *r);
/* A session of that class, over what there was; TLS is said to stand already when tls is set. */
void rig_connect(struct rig *r, const char *listener, bool tls);
/* Hands in octets, in pieces of at most `piece`, as a client that waits for nothing would, until the session takes no more. */
void rig_send(struct rig *r, struct view in, size_t piece);
#define RIG_SEND(r, lit) rig_send((r), VIEW(lit), SIZE_MAX)
/* Gives the answers that are held. */
void rig_answer(struct rig *r);
/* The codes since the last call must be these. */
void rig_codes(struct rig *r, const char *file, int line, const char *codes);
#define RIG_CODES(r, codes) rig_codes((r), __FILE__, __LINE__, (codes))
bool rig_ended(const struct rig *r);
/* The replies hold this text. */
bool rig_said(const struct rig *r, const char *text);
bool buf_has(const struct buf *b, const char *text);

#endif
