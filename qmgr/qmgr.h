/* SPDX-License-Identifier: ISC */
/*
 * qmgr, the owner of the spool. A message's way: intake.c takes the commit and has it appended → when it is durable, agents.c puts it into
 * lanes and offers it, part by part (a part is what one group of agents delivers of it) → the report comes to results.c, which
 * has it appended, with the notification that notice.c writes where one is due → when that is durable the part is settled, and after the last part
 * the message waits for its next try or is removed. control.c serves postrider(1).
 */
#ifndef POSTRIDER_QMGR_QMGR_H
#define POSTRIDER_QMGR_QMGR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "daemon/daemon.h"
#include "qmgr/admit.h"
#include "qmgr/cache.h"
#include "qmgr/content.h"
#include "qmgr/floor.h"
#include "qmgr/lanes.h"
#include "qmgr/routes.h"
#include "qmgr/spool.h"
#include "qmgr/windows.h"

#define OFFER_RCPTS 1000           /* recipients in one offer, as messages.tbl bounds them */
#define BACKLOG_MAX (4u << 20)     /* octets that may wait in a channel to an agent */
#define RCPTS_OUT OFFER_RCPTS      /* recipients out with a local-delivery at which it is offered no more: nobody waits for more than that */

struct qmgr;

/* One process that delivers. */
struct agent {
	struct ipc_channel *channel;
	bool local;
	uint32_t room;      /* offers that it may still be sent */
	uint32_t rcpts;     /* recipients of those that are out */
	struct list offers; /* out, oldest first */
};

/* Lanes that are served together: those of one local-delivery, or of one next hop, which all smtp-clients serve. */
struct group {
	struct lanes *lanes;
	struct agent *agents;
	unsigned n, turn;
	bool local;
	unsigned index;
	unsigned hop;            /* the next hop's number */
	struct windows *windows; /* the next hop's */
};

struct offered_rcpt {
	uint32_t index;
	uint8_t notify;
};
struct offer {
	struct list node;
	struct group *group;
	struct agent *agent;
	uint64_t id, number;
	uint32_t dest; /* as the lanes have it */
	bool mixed;    /* recipients of several domains of other hosts */
	uint32_t n;
	struct offered_rcpt rcpts[];
};

/* What became of one recipient. The views are the report's. */
struct fate {
	uint32_t index;
	uint8_t outcome; /* enum ipc_outcome: done, later, never */
	uint8_t notify;
	bool noted; /* the next host notifies the sender */
	bool unsure; /* later, but it may have been delivered: not recorded, so that it stays out */
	struct view status, remote, text;
};

struct qmgr {
	struct daemon *d;
	struct pool *flushes, *proofs;
	struct spool *spool;
	struct state *state;
	struct contents *contents;
	struct cache *cache;
	struct floor *floor;
	struct group *groups; /* the local ones, then one for each next hop */
	unsigned nlocal, ngroups;
	struct agent *remote; /* the smtp-clients */
	unsigned nremote;
	struct routes *routes;
	struct map64 *offers; /* by id */
	uint64_t last_id; /* of offers and requests */
	struct later schedule;
	struct timer *due;
	int64_t clock_lead;   /* of the wall clock over the monotonic one, when it was last looked at (agents.c) */
	struct map *committing; /* commits on their way, by commit id */
	size_t intake[CLASS_COUNT]; /* octets of these, by the class of their receiver */
	struct map64 *doomed; /* content files of commits that were refused when their record may have been written (intake.c) */
	struct map64 *tellings; /* notifications that wait for lookup's answer, by request id */
	struct map64 *last_status; /* what was last said of a deferred message, for lists */
	struct list listers;
	struct admit_keys keys;
};

static inline struct qmgr *qmgr_of(void *arg)
{
	return ((struct daemon *)arg)->user;
}

/* The message in its envelope: from the cache or the journal. The views are valid until the next load or turn. */
MUST_CHECK int qmgr_load(struct qmgr *q, const struct message *m, struct spool_message *out);
void qmgr_name(struct qmgr *q, uint64_t number, char id[QUEUE_ID_MAX]);
uint64_t qmgr_now(void);

/* intake.c: messages of smtpd. */
void on_content_open(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void on_content_drop(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void on_commit(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void intake_down(struct qmgr *q, struct ipc_channel *c);
/* A record is durable: no record that was refused before comes back. */
void intake_settled(struct qmgr *q);

/* agents.c: lanes, offers, turns. */
void agents_init(struct qmgr *q);
/* All that is pending of the message is ready now: makes its parts. It has none before. */
void agents_ready(struct qmgr *q, handle h);
/* Looks for what is due and offers what can be offered, at the end of the turn. */
void agents_schedule(struct qmgr *q);
void agents_up(struct qmgr *q, struct ipc_channel *c);
void agents_down(struct qmgr *q, struct ipc_channel *c);
void on_pull(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void on_report(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);

/* results.c: one part of the message is over with these fates: they are recorded, and the part is settled when that is durable. */
void results_take(struct qmgr *q, uint64_t number, struct fate *fates, size_t n);
/* A part is over without any fate. */
void results_settle(struct qmgr *q, handle h);
/* The operator's hold (1), release (2), retry (3), deletion (4): at once, or when what is under way of the message is over. */
void results_act(struct qmgr *q, handle h, uint8_t action);
void results_delete(struct qmgr *q, handle h);
void on_recipient_is(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void results_fini(struct qmgr *q);

/* notice.c: is a notification of these fates due, and is it the warning of a delay? Writes it as a record `message`, to where lookup's route leads. */
bool notice_due(struct qmgr *q, const struct message *m, const struct spool_message *sm, const struct fate *fates, size_t n, bool *warns);
MUST_CHECK int notice_write(struct qmgr *q, const struct message *m, const struct spool_message *sm, const struct fate *fates, size_t n,
	const struct ipc_route *route, struct buf *out);

/* control.c */
void on_queue_list(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void on_queue_act(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void control_down(struct qmgr *q, struct ipc_channel *c);

#endif
