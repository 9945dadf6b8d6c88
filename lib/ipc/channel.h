/* SPDX-License-Identifier: ISC */
/*
 * Channels: framed, checked messages between two Postrider processes over a UNIX stream socket, with descriptors.
 * lib/ipc/messages.tbl declares every message; ipc/messages.h (generated) has a struct, an encoder and a decoder for each.
 *
 * A channel belongs to a `peer` slot (role and instance) of ipc_hub. When the other process dies the slot is empty until master
 * brings a new channel; requests that were not answered are told to the requester (on_lost), or sent again by itself, as the table says.
 * Messages sent in one turn of the loop go out in one system call at its end. What comes in is decoded and checked field by field; a
 * message that is malformed, or that this peer may not send, ends the channel (logged), never the process.
 */
#ifndef POSTRIDER_IPC_CHANNEL_H
#define POSTRIDER_IPC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/view.h"
#include "event/loop.h"
#include "ipc/messages.h"

struct ipc_channel;

#define IPC_FDS_MAX 2

/*
 * A message that arrived: m is the decoded struct (struct ipc_commit for IPC_COMMIT …), its views are valid during the call. fds are the
 * handler's to close (all nfds of them).
 */
typedef void ipc_handler_fn(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
struct ipc_handler {
	enum ipc_kind kind; /* 0 ends the table */
	ipc_handler_fn *fn;
};

struct ipc_callbacks {
	const struct ipc_handler *handlers;
	/* A request (kind, its id) will not be answered: the channel was lost, and the table says `fail`. May be NULL. */
	void (*on_lost)(void *arg, struct ipc_channel *c, enum ipc_kind kind, uint64_t id);
	/* The channel is (again) connected, or went down. May be NULL. */
	void (*on_up)(void *arg, struct ipc_channel *c);
	void (*on_down)(void *arg, struct ipc_channel *c);
	/* There is credit again after ipc_request said ERR_AGAIN. May be NULL. */
	void (*on_credit)(void *arg, struct ipc_channel *c);
	void *arg;
};

/* A slot for the peer of this role and instance, not yet connected. self is this process' role. The callbacks are copied. */
struct ipc_channel *ipc_channel_new(struct loop *l, enum ipc_role self, enum ipc_role peer, unsigned instance,
	const struct ipc_callbacks *cb);
/* Connects (or reconnects) the slot with a socket, which it owns from now on. Sends and expects the table's hash first. */
void ipc_channel_connect(struct ipc_channel *c, int fd);
void ipc_channel_free(struct ipc_channel *c);
/* Ends the connection as if the peer had gone (on_down and on_lost are called). */
void ipc_channel_drop(struct ipc_channel *c);
/* The same, but what waits to be sent and can go now goes first. */
void ipc_channel_end(struct ipc_channel *c);

bool ipc_channel_is_up(const struct ipc_channel *c);
enum ipc_role ipc_channel_peer(const struct ipc_channel *c);
unsigned ipc_channel_instance(const struct ipc_channel *c);
/* A pointer of the user's own. */
void ipc_channel_set_data(struct ipc_channel *c, void *data);
void *ipc_channel_data(const struct ipc_channel *c);

/*
 * Sends a message that is no request: m is the struct for kind. Encoded at once; m need not stay. fds are duplicated for the sending.
 * ERR_LOST when the slot is not connected; ERR_TOO_BIG when a field passes its bound; ERR_LIMIT when too many descriptors wait for this
 * peer already, or the process has no more. Answers without descriptors always have room: a peer that asks and does not read is not
 * listened to until it has read.
 */
MUST_CHECK int ipc_send(struct ipc_channel *c, enum ipc_kind kind, const void *m, const int *fds, size_t nfds);
/*
 * Sends a request, which takes credit until its answer comes. ERR_AGAIN: out of credit (or, for requests that the table marks
 * `resend`, never because the slot is down: these wait in the slot and are sent when it is up, and again after a loss).
 * ERR_LOST: down, and the table says `fail`.
 */
MUST_CHECK int ipc_request(struct ipc_channel *c, enum ipc_kind kind, const void *m, const int *fds, size_t nfds);
/* Forgets a request: its answer will be dropped, its loss not told. */
void ipc_forget(struct ipc_channel *c, uint64_t id);
unsigned ipc_credit(const struct ipc_channel *c);
/* An id for requests on this channel, never 0. */
uint64_t ipc_next_id(struct ipc_channel *c);
/* Octets that wait to be sent: an agent that streams a list stops above a bound and goes on from on_drained. */
size_t ipc_backlog(const struct ipc_channel *c);
/* Messages with descriptors that wait to be sent: above IPC_FDS_CALM a sender that can choose its time should wait for on_drained. */
#define IPC_FDS_CALM 32
size_t ipc_fds_waiting(const struct ipc_channel *c);
void ipc_on_drained(struct ipc_channel *c, void (*fn)(void *arg, struct ipc_channel *c), void *arg);

/*
 * A blocking client for postrider(1): connects to a named socket, says the table's hash as role control, sends requests and reads answers.
 */
struct ipc_client;
MUST_CHECK int ipc_client_open(const char *path, enum ipc_role peer, struct ipc_client **out);
MUST_CHECK int ipc_client_send(struct ipc_client *c, enum ipc_kind kind, const void *m);
/* Waits for the next message: *m stays valid until the next call. ERR_TIMEOUT after ms milliseconds, ERR_LOST at the end. */
MUST_CHECK int ipc_client_receive(struct ipc_client *c, enum ipc_kind *kind, const void **m, int ms);
void ipc_client_close(struct ipc_client *c);

#endif
