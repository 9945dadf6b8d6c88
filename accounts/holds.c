/* SPDX-License-Identifier: ISC */
/*
 * Homes that postrider(1) is about to exchange (restore): host is told, and told again when it has been away. A hold is its client's, and ends with the
 * connection, so that none outlives a command that was killed.
 */
#include <stdlib.h>

#include "accounts/accounts.h"
#include "base/mem.h"
#include "log/log.h"

struct hold {
	struct list node;
	struct ipc_channel *from;
	uint32_t uid;
};

static int tell(struct accounts *a, uint32_t uid, bool on)
{
	struct ipc_channel *c = daemon_channel(a->d, ROLE_HOST, 0);
	struct ipc_home_hold m = { .uid = uid, .on = on };

	return c ? ipc_send(c, IPC_HOME_HOLD, &m, NULL, 0) : ERR_LOST;
}

/* One client for a home, and one home for a client. */
static bool is_held(const struct accounts *a, const struct ipc_channel *from, uint32_t uid)
{
	LIST_EACH(n, tmp, &a->holds) {
		const struct hold *h = LIST_OF(n, struct hold, node);

		if (h->uid == uid || h->from == from)
			return true;
	}
	return false;
}

static void take(struct accounts *a, struct ipc_channel *from, uint32_t uid)
{
	struct hold *h = mem_new(sizeof(*h));

	h->from = from;
	h->uid = uid;
	list_append(&a->holds, &h->node);
	log_info("home_held", LU("uid", uid));
}

void accounts_on_hold(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct accounts *a = ((struct daemon *)arg)->user;
	const struct ipc_account_hold *m = message;
	struct ipc_control_done done = { .id = m->id, .outcome = IPC_LATER };

	(void)fds;
	(void)nfds;
	if (is_held(a, from, m->uid))
		done.text = VIEW("another command works on this account's mail");
	else if (tell(a, m->uid, true) != ERR_OK)
		done.text = VIEW("host is not there at the moment");
	else
		done.outcome = IPC_DONE;
	if (done.outcome == IPC_DONE)
		take(a, from, m->uid);
	(void)!ipc_send(from, IPC_CONTROL_DONE, &done, NULL, 0);
}

void accounts_holds_gone(struct accounts *a, struct ipc_channel *c)
{
	LIST_EACH(n, tmp, &a->holds) {
		struct hold *h = LIST_OF(n, struct hold, node);

		if (h->from != c)
			continue;
		list_remove(&h->node);
		if (tell(a, h->uid, false) != ERR_OK)
			log_debug("release_not_told", LU("uid", h->uid));
		log_info("home_released", LU("uid", h->uid));
		free(h);
	}
}

void accounts_holds_tell(struct accounts *a)
{
	LIST_EACH(n, tmp, &a->holds)
		if (tell(a, LIST_OF(n, struct hold, node)->uid, true) != ERR_OK)
			log_debug("hold_not_told");
}
