/* SPDX-License-Identifier: ISC */
/*
 * The POP3 server's engine for the TRANSACTION and UPDATE states (RFC 1939 5, 6): octets of commands in, octets of answers out,
 * no input or output of its own. Log-in is login's. What the maildrop holds is one view of INBOX that never takes changes: messages that
 * another session removes stay in it as numbers, and answer -ERR once their content is gone.
 *
 * Output is made only while less than a bound is waiting: the owner sends what is in pop3_output, then calls pop3_run. DELE is remembered
 * here and carried out at QUIT alone, whose +OK goes out when it is durable.
 */
#ifndef POSTRIDER_POP3D_ENGINE_H
#define POSTRIDER_POP3D_ENGINE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/view.h"
#include "mailbox/mailbox.h"

struct pop3;

/* A command line, its CRLF counted (RFC 2449 4). */
#define POP3_LINE_MAX 255
/* Commands that may wait (RFC 2449 6.6): what is more stays in the socket. */
#define POP3_INPUT_MAX 8192
/* Output waits for the client above this. */
#define POP3_OUTPUT_HIGH 65536
/* Bad commands before the session is ended. */
#define POP3_ERRORS_MAX 20

/* wake: output or the end has come about outside of a call of the owner's (a flush ended): look again. */
struct pop3 *pop3_new(struct store *s, void (*wake)(void *arg), void *arg);
void pop3_free(struct pop3 *p); /* NULL is ignored */
/* Answers for the log-in: when all that has arrived may be shown, the view is taken and +OK is said. */
void pop3_begin(struct pop3 *p);
/* Adds input; false when there is no room: call pop3_run first, and again when it has consumed. */
bool pop3_input(struct pop3 *p, struct view octets);
/* Works on what there is, until output is at its bound, or input, or a flush is waited for. */
void pop3_run(struct pop3 *p);
/* What is to be sent: the owner consumes it. */
struct buf *pop3_output(struct pop3 *p);
/* Room for input, in octets. */
size_t pop3_room(const struct pop3 *p);
/* An answer is still to come that needs no more input: a flush, or the rest of a long one. */
bool pop3_busy(const struct pop3 *p);
/* The session is over when its output is sent. */
bool pop3_over(const struct pop3 *p);

#endif
