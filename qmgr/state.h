/* SPDX-License-Identifier: ISC */
/*
 * The spool's state: what replaying its records gives. One compact entry for each message that is not done (64 octets with the
 * index over them), and the commits of the last minutes. Pure: no input or output, no clock; times are seconds since 1970.
 *
 * A message is named by its number, the position of its record. A handle is its place here: it is valid until the message is
 * removed, and names another one later, so what outlives a turn keeps the number.
 */
#ifndef POSTRIDER_QMGR_STATE_H
#define POSTRIDER_QMGR_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/view.h"
#include "qmgr/records.h"

#define HANDLE_NONE UINT32_MAX
typedef uint32_t handle;

enum {
	MSG_HELD = 1,    /* the operator holds it */
	MSG_WARNED = 2,  /* the sender was told of a delay */
	MSG_FILE = 4,    /* its content is in a file */
	MSG_LOCAL = 8,   /* some recipient is a local account */
	MSG_NOTICE = 16, /* its record is a result's notice */
	MSG_KEPT = 31,   /* what a checkpoint keeps; the rest is of this process' life */
	MSG_OUT = 32,    /* a delivery of it may have happened, and its result is not durable */
	MSG_HOLD = 64,   /* to be held when nothing of it is under way */
	MSG_GONE = 128,  /* to be deleted then */
	MSG_STALLED = 512, /* a next hop stopped answering when it was offered recipients of several domains */
	MSG_SPLIT = 1024,  /* so each domain has an offer of its own */
	MSG_UNSURE = 256, /* it may have been delivered, and nothing says so: it stays out until it was tried again */
};

/* A destination: the account's uid, or another host's name hashed; DEST_MANY when the recipients go several ways. */
#define DEST_MANY 0
#define DEST_REMOTE 0x80000000u

struct message {
	uint64_t number;
	union {
		uint64_t bits; /* recipients that are done, up to 64 of them */
		uint8_t *map;  /* more */
	} done;
	uint32_t arrived;
	uint32_t next_try;
	uint32_t tenant;
	uint32_t dest;
	uint32_t nrcpts;
	uint32_t heap;  /* where it stands in the heap of those that wait; HANDLE_NONE: it does not */
	uint16_t parts; /* ready, offered, or with a result being written */
	uint16_t flags;
};

struct state;
struct state *state_new(void);
void state_free(struct state *s);

/*
 * Applies the record of this kind that stands at position. ERR_DAMAGED: it cannot be read, and changed nothing. Records of messages that are not
 * here are of messages long done. Kinds unknown to this version are ERR_UNSUPPORTED.
 */
MUST_CHECK int state_apply(struct state *s, uint64_t position, uint16_t kind, struct view payload);

uint64_t state_spool(const struct state *s);  /* the spool's id, 0 before its identity was seen */
uint64_t state_latest(const struct state *s); /* the latest time that any record tells */
size_t state_count(const struct state *s);
handle state_find(const struct state *s, uint64_t number);
struct message *state_message(const struct state *s, handle h);
/* Walks in no order; start with 0; HANDLE_NONE behind the last. The one just given may be removed. */
handle state_next(const struct state *s, handle *at);
bool state_is_done(const struct message *m, uint32_t index);
uint32_t state_pending(const struct message *m);
void state_remove(struct state *s, handle h);

/* Those that wait for their time, by next_try: the earliest (HANDLE_NONE), and in and out. */
handle state_first(const struct state *s);
void state_wait(struct state *s, handle h, uint32_t next_try);
void state_unwait(struct state *s, handle h);

/*
 * The number under which this commit stands already, or 0 (no message has the number 0). state_forget drops what is older than `before`, and the
 * oldest above 100,000.
 */
uint64_t state_commit(const struct state *s, struct view id);
void state_forget(struct state *s, uint64_t before);

/* The queue id by which people know a message: 13 characters, the same as long as the message lives. The number again, or false. */
#define QUEUE_ID_MAX 14
void state_queue_id(const struct state *s, uint64_t number, char out[QUEUE_ID_MAX]);
bool state_queue_number(const struct state *s, struct view id, uint64_t *number);

/*
 * The records of a checkpoint as of now, in order: fn is called with each (kind, payload valid during the call). first is the
 * position at which the first of them will stand.
 */
void state_checkpoint(const struct state *s, uint64_t first, void (*fn)(void *arg, uint16_t kind, struct view payload), void *arg);

/* Whose turn a delivery takes: the account, else the sender's address. Where it goes, and which bits of flags follow. */
uint32_t state_tenant(struct view account, struct view sender);
uint32_t state_remote(struct view address);
MUST_CHECK int state_dest(const struct spool_message *m, uint32_t *dest, uint8_t *flags);

#endif
