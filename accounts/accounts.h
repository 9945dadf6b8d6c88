/* SPDX-License-Identifier: ISC */
/* What the files of this daemon share. */
#ifndef POSTRIDER_ACCOUNTS_ACCOUNTS_H
#define POSTRIDER_ACCOUNTS_ACCOUNTS_H

#include "base/list.h"
#include "daemon/daemon.h"
#include "table/table.h"

struct accounts {
	struct daemon *d;
	struct table_writer *w;
	struct pool *pool;
	struct list jobs;     /* every change under way */
	struct list hashing;  /* those whose password is in the pool, in the order of asking */
	struct list flushing; /* those that wait for the flush */
	size_t njobs;
	struct later flush;
	struct list listings;
	struct timer *idle; /* since the last change */
	struct table_merge *merge; /* one that runs */
	int merge_err;
	uint64_t merged_size; /* of the delta after the last merge, or after one that failed */
	uint32_t homes_next, homes_end; /* uids whose homes host is still to be asked for */
	unsigned homes_asked; /* unanswered */
	struct list holds;    /* of homes, each of one client (holds.c) */
};

/* The handlers of accounts/jobs.c and accounts/lists.c, for the daemon's table. */
extern const struct ipc_handler accounts_handlers[];
void accounts_jobs_init(struct accounts *a);
/* Answers what was appended. */
void accounts_jobs_flush(struct accounts *a);
/* The client went away: what it asked is done, but nobody is told. */
void accounts_client_gone(struct accounts *a, struct ipc_channel *c);
ipc_handler_fn accounts_on_domain_list, accounts_on_account_list, accounts_on_alias_list;
void accounts_listings_gone(struct accounts *a, struct ipc_channel *c);
/* Something was changed: begins a merge when the delta has grown enough, or else plans one for when it is quiet. */
void accounts_changed(struct accounts *a);

/* homes.c. The account with this uid is durable: its home may be made now, when host can, so that its first delivery does not wait for that. */
void accounts_home_want(struct accounts *a, uint32_t uid);
ipc_handler_fn accounts_on_home_made;

/* holds.c. Homes that are held for postrider(1), each until its client goes. */
ipc_handler_fn accounts_on_hold;
void accounts_holds_gone(struct accounts *a, struct ipc_channel *c);
/* host came (again): it learns what is held. */
void accounts_holds_tell(struct accounts *a);

#endif
