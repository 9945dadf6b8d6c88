/* SPDX-License-Identifier: ISC */
/*
 * A stage for daemons: they run as they are, several in one process, in the order that the test wants, and are killed between any two turns. It plays what
 * they see of the world in place of lib/event, lib/sys's clocks and lib/daemon with lib/ipc's channels: a loop whose turns, jobs of
 * pools and time pass when the test says so; channels that lose what the dead did not read, and hand on what they had sent.
 */
#ifndef TESTS_UNIT_LOCAL_DELIVERY_STAGE_H
#define TESTS_UNIT_LOCAL_DELIVERY_STAGE_H

#include "daemon/daemon.h"
#include "tests/unit/base/random.h"

/* ---- time, chance ---- */
/* Begins anew: the clock stands at a fixed time, and what the daemons draw at random comes of this seed. */
void stage_begin(uint64_t seed);
void stage_pass(uint64_t ms);
/* Where both stand: to go back there from a digression. */
struct stage_moment {
	uint64_t ms;
	struct rnd chance;
};
struct stage_moment stage_now(void);
void stage_back(struct stage_moment m);

/* ---- loops ---- */
/* One turn: jobs that have ended, timers that are due, work at the end of the turn. True when there was any. */
bool stage_turn(struct loop *l);
/* Runs a job that waits in one of the loop's pools; its end is told in a later turn. */
bool stage_work(struct loop *l);

/* ---- daemons ---- */
struct daemon_place {
	const char *name; /* "spool" */
	int fd;
};
/*
 * Starts one: its main() is called as daemon_main's caller, and what would follow happens on the stage. places end with a NULL name and stay the
 * caller's. NULL: its start failed. who: the owner of its descriptors (calls_work_for).
 */
struct daemon *stage_start(int (*program)(int argc, char **argv), unsigned who, const struct daemon_place *places, const struct seal_key *key);
/* As by SIGKILL: its descriptors are closed, what it sent can still be read. Its memory is not given back. NULL is ignored. */
void stage_kill(struct daemon *d);
/* At most n messages are read, then stage_turn. True when anything was done. */
bool stage_run(struct daemon *d, unsigned n);

/* ---- channels ---- */
/* What the test itself plays: the other end of a channel, with an inbox. */
struct ipc_channel *stage_actor(enum ipc_role role);
/* A new connection between the slot that a has for b's role and that which b has for a's; either is a daemon's or an actor's. */
void stage_connect(struct ipc_channel *a, struct ipc_channel *b);
/* The how manieth connection this is; 0: it is down. */
unsigned stage_times(const struct ipc_channel *c);
/* The slot of a daemon. */
struct ipc_channel *stage_slot(struct daemon *d, enum ipc_role peer);
/* An actor's next message, decoded into *m, which is valid until the next one is taken. False: none. Descriptors are the caller's. */
struct ipc_taken {
	enum ipc_kind kind;
	union ipc_any m;
	int fds[IPC_FDS_MAX];
	size_t nfds;
};
bool stage_take(struct ipc_channel *actor, struct ipc_taken *t);
void stage_actor_free(struct ipc_channel *actor);

#endif
