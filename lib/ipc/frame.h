/* SPDX-License-Identifier: ISC */
/*
 * Frames: a message on the wire is a header (payload length, kind, number of descriptors) and its payload; a connection opens with a
 * greeting (the hash of the message table, the sender's role). Descriptors ride on the first octet of their frame, in order.
 */
#ifndef POSTRIDER_IPC_FRAME_H
#define POSTRIDER_IPC_FRAME_H

#include "base/buf.h"
#include "base/err.h"
#include "ipc/messages.h"

#define IPC_FRAME_HEADER 8
#define IPC_FRAME_MAX (8u << 20) /* the largest payload of any message */
#define IPC_GREETING 13

struct ipc_frame {
	uint32_t length; /* of the payload */
	enum ipc_kind kind;
	unsigned nfds;
};
/* Appends the whole frame; ERR_TOO_BIG (b is as it was) when a field or the whole passes its bound. */
MUST_CHECK int ipc_frame_put(struct buf *b, enum ipc_kind kind, const void *m, size_t nfds);
/*
 * Reads a header at the front of v. ERR_AGAIN: more octets are needed (for the header). ERR_PROTOCOL: no such kind, too long,
 * or a number of descriptors that the kind does not carry.
 */
MUST_CHECK int ipc_frame_get(struct view v, struct ipc_frame *f);

void ipc_greeting_put(struct buf *b, enum ipc_role self);
/* ERR_AGAIN, ERR_PROTOCOL (another generation, or not a Postrider process). */
MUST_CHECK int ipc_greeting_get(struct view v, enum ipc_role *role);

#endif
