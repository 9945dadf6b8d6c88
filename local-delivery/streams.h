/* SPDX-License-Identifier: ISC */
/*
 * The accounts' incoming streams that are open: each owned by this process for as long as it is open, the least recently used closed first. An
 * append says at once whether the delivery stands in the stream already; it counts when the stream was flushed, which happens for
 * all dirty streams together, beside the loop: each on its own where they are few, by one syncfs where they are many.
 */
#ifndef POSTRIDER_LOCAL_DELIVERY_STREAMS_H
#define POSTRIDER_LOCAL_DELIVERY_STREAMS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"
#include "base/view.h"
#include "event/loop.h"
#include "mailbox/incoming.h"

struct streams;
struct stream_options {
	int mail;          /* the mail directory, borrowed */
	bool check_owner;  /* streams must belong to this process' uid and the account's group */
	size_t max;        /* open at a time */
	uint32_t frame_max;
	const struct journal_seam *seam; /* for tests; NULL in service */
};
struct streams *streams_new(struct loop *l, struct pool *pool, const struct stream_options *o);
void streams_free(struct streams *s);

/* A delivery that waits for the flush, in the caller's memory. fn gets ERR_OK: it is durable, once; else it is not in the stream. */
struct stream_wait {
	struct list node;
	uint64_t position;
	void (*fn)(struct stream_wait *w, int err);
};

/*
 * Opens those of the accounts' streams that are not open, several at once: a hint that much will be appended now. Waits for it, as an append to one that is not
 * open does; what cannot be opened is told by that.
 */
void streams_open(struct streams *s, const uint32_t *uids, size_t n);
/*
 * Appends one delivery: head is mailbox/incoming.h's (its back is set here), then the parts of the message, at most two views. On ERR_OK w->fn
 * is called later, and *again says that it stood there already. ERR_NOT_FOUND: the account has no home. ERR_BUSY: its home is held, or another has
 * the stream open. Other errors: nothing was appended.
 */
MUST_CHECK int streams_append(struct streams *s, uint32_t uid, const struct incoming *in, const struct view parts[3], struct stream_wait *w,
	bool *again);
/* Called once for each account that something new became durable for. */
void streams_on_news(struct streams *s, void (*fn)(void *arg, uint32_t uid), void *arg);
/* The account's home is about to be exchanged (on): its stream is closed as soon as nothing waits for its flush, and not opened. */
void streams_hold(struct streams *s, uint32_t uid, bool on);
bool streams_held(const struct streams *s, uint32_t uid);
/* No home is held any more. */
void streams_release(struct streams *s);
/* Nothing waits for a flush. */
bool streams_idle(const struct streams *s);

#endif
