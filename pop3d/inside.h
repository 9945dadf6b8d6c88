/* SPDX-License-Identifier: ISC */
/* The inside of the engine, shared by its files. */
#ifndef POSTRIDER_POP3D_INSIDE_H
#define POSTRIDER_POP3D_INSIDE_H

#include "engine.h"

/* An answer of many lines, or a message, that is made as the client takes it. */
struct transfer {
	enum { TRANSFER_NONE, TRANSFER_LIST, TRANSFER_UIDL, TRANSFER_MESSAGE } what;
	uint32_t seq;         /* lists: the next message */
	struct message_info info;
	uint64_t at;          /* the next octet of the message */
	uint64_t lines;       /* of the body, still to be sent; UINT64_MAX: all */
	bool in_header;
	bool line_start, cr;  /* where the last octet left us */
};

struct pop3 {
	struct store *store;
	struct mailbox_view *view;
	void (*wake)(void *arg);
	void *arg;
	struct buf in, out;
	struct transfer transfer;
	uint8_t *deleted; /* a bit for each message */
	uint32_t ndeleted;
	uint64_t size;    /* of the messages that are not */
	unsigned errors;
	bool skipping;    /* the rest of a line that was too long */
	bool waiting;     /* for a flush: no command is taken */
	bool over;
	struct store_wait wait;
};

void pop3_ok(struct pop3 *p, const char *text);
void pop3_err(struct pop3 *p, const char *text);
/* Makes the next piece of a transfer. */
void transfer_run(struct pop3 *p);
/* Begins to send a message: its header and `lines` lines of its body. */
void transfer_message(struct pop3 *p, const struct message_info *i, uint64_t lines);
bool pop3_deleted(const struct pop3 *p, uint32_t seq);

#endif
