/* SPDX-License-Identifier: ISC */
/*
 * The `incoming` stream of an account's home: a journal that local-delivery alone appends to and the account's processes read.
 * Each record of kind INCOMING_MESSAGE is one delivery: who it is (the delivery id, the same in every offer of it), where it is to go, and
 * the message's octets (what delivery prepends, then the message as the spool has it: CRLF lines, complete, contiguous to the
 * record's end, so that a reader may address them as position and offset).
 *
 * The layout, all numbers little-endian (postrider-spool(5) says the same):
 *   0 u8 version (1)  1 u8 zero  2 u16 number of targets  4 u32 octets before the message
 *   8 u64 spool  16 u64 message  24 u32 index  28 u32 zero  32 u64 floor  40 u64 back  48 i64 internal date
 *   56 targets, each: u16 length, mailbox name (UTF-8), u16 length, flags and keywords separated by single blanks
 *   then the message.
 *
 * floor and back: when the record was appended, no message below floor (of this spool) had a delivery whose result was not yet durable, and
 * every record of this stream whose delivery may still be repeated stands at position back or behind it. So the back of the last
 * record says what delivery still needs for its check: the account may drop what lies wholly below it, and nothing else.
 */
#ifndef POSTRIDER_MAILBOX_INCOMING_H
#define POSTRIDER_MAILBOX_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

enum { INCOMING_MESSAGE = 1 }; /* the journal's kind */

#define INCOMING_TARGETS_MAX 32
#define INCOMING_NAME_MAX 1024
#define INCOMING_FLAGS_MAX 1024
/* What a reader must read of a payload so that incoming_decode sees the whole head. */
#define INCOMING_HEAD_MAX (56 + INCOMING_TARGETS_MAX * (4 + INCOMING_NAME_MAX + INCOMING_FLAGS_MAX))
#define INCOMING_SEGMENT (UINT64_C(4) << 20) /* the stream's segment size */

/* One delivery: a recipient of a message of a spool. */
struct incoming_id {
	uint64_t spool;
	uint64_t message;
	uint32_t index;
};

/* A mailbox that gets the message. No target at all means INBOX without flags; so does a mailbox that does not exist at adoption. */
struct incoming_target {
	struct view mailbox; /* UTF-8 name */
	struct view flags;   /* "\Flagged $Junk", may be empty */
};

struct incoming {
	struct incoming_id id;
	uint64_t floor;
	uint64_t back;
	int64_t date;      /* internal date, seconds since 1970 */
	uint16_t ntargets;
	uint32_t head;     /* octets of the payload before the message */
	struct view targets; /* encoded: walk with incoming_next_target */
};

/* Adds the head of a record to b: what stands before the message. targets may be NULL when n is 0; *in's ntargets, head and targets are not looked at. */
void incoming_encode(struct buf *b, const struct incoming *in, const struct incoming_target *targets, size_t n);
/*
 * Reads the head of a record from the first octets of its payload (at least INCOMING_HEAD_MAX of them, or all there are). The views point into
 * v. ERR_DAMAGED when it is none that incoming_encode makes. The message is what stands in the payload from out->head on.
 */
MUST_CHECK int incoming_decode(struct view v, struct incoming *out);
/* Walks the targets: *rest begins as in.targets; false behind the last. */
bool incoming_next_target(struct view *rest, struct incoming_target *out);

/* Where an account's home stands below the mail directory: "f4/1900000500" (two hex digits of the uid's lowest octet, the uid). */
#define INCOMING_HOME_MAX 16
void incoming_home(uint32_t uid, char out[INCOMING_HOME_MAX]);

#endif
