/* SPDX-License-Identifier: ISC */
/*
 * Homes for accounts that were added. host is asked once the change is durable, and nobody waits for its answer: an account that has no home yet,
 * because host was away or this process ended, gets it at its first delivery or log-in. Uids are given in order, so one range holds all
 * that are still to be asked for, however many are added at once.
 */
#include "accounts/accounts.h"
#include "log/log.h"

#define ASKED_MAX 256 /* unanswered; a log-in or a delivery never waits for more of them */

static void ask(struct accounts *a)
{
	struct ipc_channel *c = daemon_channel(a->d, ROLE_HOST, 0);

	for (; c && a->homes_asked < ASKED_MAX && a->homes_next < a->homes_end; a->homes_next++, a->homes_asked++) {
		struct ipc_home_make m = { .id = ipc_next_id(c), .uid = a->homes_next };

		if (ipc_request(c, IPC_HOME_MAKE, &m, NULL, 0) != ERR_OK)
			return;
	}
}

void accounts_home_want(struct accounts *a, uint32_t uid)
{
	/* A gap is a new uid_first; what was wanted below it is left to the deliveries. */
	if (uid != a->homes_end)
		a->homes_next = uid;
	a->homes_end = uid + 1;
	ask(a);
}

void accounts_on_home_made(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct accounts *a = ((struct daemon *)arg)->user;
	const struct ipc_home_made *m = message;

	(void)from;
	(void)fds;
	(void)nfds;
	a->homes_asked--;
	if (m->outcome != IPC_DONE)
		log_debug("home_left_to_delivery", LU("request", m->id));
	ask(a);
}
