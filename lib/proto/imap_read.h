/* SPDX-License-Identifier: ISC */
/*
 * Gathers one IMAP command at a time out of a stream of octets: lines and the literals between them. A literal is
 * announced before anything of it is kept, so that the session decides by its size: keep it in the command, take its octets as
 * they come (APPEND), or refuse it. Nothing is allocated by what a client claims. Lines end in CRLF or, leniently, LF.
 */
#ifndef POSTRIDER_PROTO_IMAP_READ_H
#define POSTRIDER_PROTO_IMAP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

enum imap_event {
	IMAP_MORE,     /* all input was taken; more is needed */
	IMAP_LITERAL,  /* a literal of `size` octets follows: call imap_accept, imap_stream or imap_refuse */
	IMAP_DATA,     /* octets of a streamed literal; `left` counts what is still to come */
	IMAP_COMMAND,  /* `command` holds it, without the last line end; go on with imap_next */
	IMAP_TOO_LONG, /* the command passed its bound and was thrown away to its end; go on with imap_next */
};

struct imap_reader {
	struct buf command; /* as on the wire: literals stand behind their {size} CRLF */
	size_t line_max;    /* octets outside literals, a command */
	size_t line_n;
	bool nul;           /* a NUL outside literals was seen */
	uint64_t size, left; /* of the literal at hand */
	bool sync;          /* it waits for our "+" (RFC 3501 4.3), not LITERAL+ (RFC 7888) */
	bool binary;        /* "~{": RFC 3516 */
	enum { IMAP_IN_LINE, IMAP_ASKING, IMAP_KEEPING, IMAP_STREAMING, IMAP_SKIPPING_LITERAL, IMAP_SKIPPING_LINE, IMAP_ENDED } state;
	char tail[24];      /* the end of a line that is skipped, for the literal it may announce */
	size_t tail_n;
};

/* line_max bounds the lines of a command, kept_max all of it with literals. */
void imap_reader_init(struct imap_reader *r, size_t line_max, size_t kept_max);
void imap_reader_fini(struct imap_reader *r);

/* Takes from the front of *in. For IMAP_DATA *data is a view into it. */
enum imap_event imap_feed(struct imap_reader *r, struct view *in, struct view *data);

/* Keeps the literal in the command. False when it would pass the bound: refused as by imap_refuse. */
bool imap_accept(struct imap_reader *r);
/* Hands the literal's octets out as IMAP_DATA; nothing of them stands in the command. */
void imap_stream(struct imap_reader *r);
/*
 * Will not have it. A client that waits for "+" gets the tagged answer instead, and the command is over (the next feed begins a new
 * one); one that does not wait sends the octets anyway: they and the rest of the command are thrown away, and IMAP_TOO_LONG tells the end.
 * True when the command is over at once.
 */
bool imap_refuse(struct imap_reader *r);
/* Forgets the command that was given. */
void imap_next(struct imap_reader *r);
/* Takes no more of this command than has been seen so far: true when no octet of a next command has been seen. */
bool imap_idle(const struct imap_reader *r);

#endif
