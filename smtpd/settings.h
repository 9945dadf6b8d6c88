/* SPDX-License-Identifier: ISC */
/* What a receiver takes from its parameters, in the form in which it is used for every line, and the bounds that no parameter moves. */
#ifndef POSTRIDER_SMTPD_SETTINGS_H
#define POSTRIDER_SMTPD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

enum {
	/* RFC 5321 4.5.3.1.4, CRLF counted, for commands without parameters; 4.1.2 lets MAIL and RCPT grow by what each extension adds. */
	LINE_PLAIN = 512,
	LINE_ENVELOPE = 2048,
	/* RFC 4954 4 and 4.5.3.1: base64 of what SASL needs. */
	LINE_AUTH = 12288 + 2,
	/* Content up to here travels in the commit, more goes to a file (lib/ipc/messages.tbl: content, at most 1 MiB). */
	CONTENT_INLINE = 256 * 1024,
	/* Octets of content gathered before one write to that file. */
	CONTENT_CHUNK = 256 * 1024,
	/* Octets of a refused BDAT chunk that are read and thrown away; a longer one ends the session. */
	CHUNK_READ = 1024 * 1024 * 1024,
	/* Octets of one message's recipients with their sealed routes: what fits into a commit beside the rest (IPC_FRAME_MAX is 8 MiB). */
	RCPTS_OCTETS = 6 * 1024 * 1024,
	HEADER_FIELDS = 1000,
	/* RFC 5321 6.3 asks for at least 100. */
	RECEIVED_MAX = 100,
	/* Errors of a session that cost nothing but are answered; from here on each answer waits longer. */
	ERRORS_FREE = 10,
	FAMILIAR_FACTOR = 10, /* who is no stranger may make so many times smtpd.error_limit errors */
	ERROR_DELAY = 100,  /* ms more for each error beyond */
	LOGIN_DELAY = 1000, /* ms more for each refused log-in of the session after the first, up to four (auth waits too) */
	/*
	 * Seconds after its log-in during which a session may begin transactions; then it is told to log in again. Below qmgr's ADMIT_GRACE by what a
	 * slow transaction may take, so that a message is not refused after it was sent.
	 */
	LOGIN_LIFE = 1800,
	RCPTS_ASKED = 64,   /* recipients of one transaction that lookup is asked about at a time */
	/* Octets of content that all clients of a process may hold in memory before new messages are put off with 452. */
	CONTENT_TOTAL = 512 * 1024 * 1024,
	/* Octets of content in commits that qmgr has not answered; more wait for its answers. */
	COMMITS_TOTAL = 64 * 1024 * 1024,
	/* A sender is given this long, in ms, before its data rate is looked at. */
	RATE_GRACE = 20000,
	RATE_PERIOD = 5000, /* how often it is looked at, in ms */
	LAST_CALL = 800,    /* thousandths of stop_timeout after which a stop ends transactions */
};

struct settings {
	char hostname[256];
	char mechanisms[256]; /* of SASL, as AUTH offers them */
	uint64_t size_max;     /* octets of a message */
	unsigned rcpts_max;    /* recipients of a message */
	unsigned errors_max;   /* then 421 */
	size_t line_max;       /* octets of a line of content, CRLF counted */
	size_t header_max;     /* octets of a header */
	bool normalize;        /* smtpd.bare_newline = normalize */
	uint64_t idle;         /* ms without a word from the client */
	uint64_t data_rate;    /* octets a second that content must come at, averaged */
	uint64_t greeting_pause; /* ms before the greeting; who speaks in it is sent away */
	unsigned per_address;  /* connections of one client address; 0: any number */
};

struct conf;
void settings_read(struct settings *s, const struct conf *c);

#endif
