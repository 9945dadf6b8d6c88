/* SPDX-License-Identifier: ISC */
/* A checkpoint: records that make the state out of nothing, as the parts of one group of frames. */
#ifndef POSTRIDER_MAILBOX_CHECKPOINT_H
#define POSTRIDER_MAILBOX_CHECKPOINT_H

#include "mailbox/state.h"

/* Calls fn with the payload of each part in order; fn takes the buf's memory by value when it wants to keep it (buf_init it again). */
void checkpoint_write(const struct state *st, void (*fn)(void *arg, struct buf *payload), void *arg);
/* The same without the messages: the mailboxes have their numbers, and are empty. */
void checkpoint_write_names(const struct state *st, void (*fn)(void *arg, struct buf *payload), void *arg);

#endif
