/* SPDX-License-Identifier: ISC */
/*
 * Holds: an account's home is about to be exchanged for another. Its processes are ended, none is started, and local-delivery lets its stream go. This
 * makes the exchange quick and its end orderly; that nobody works on a home while it is exchanged is the matter of its streams' locks.
 */
#include "host.h"
#include "log/log.h"

static void tell(struct ipc_channel *c, uint32_t uid, bool on)
{
	struct ipc_home_hold m = { .uid = uid, .on = on };
	if (ipc_channel_is_up(c) && ipc_send(c, IPC_HOME_HOLD, &m, NULL, 0) != ERR_OK)
		log_warn("hold_not_told", LU("uid", uid));
}

static void tell_delivery(struct host *h, uint32_t uid, bool on)
{
	struct ipc_channel *c = daemon_channel(h->d, ROLE_LOCAL_DELIVERY, uid);
	if (c != NULL)
		tell(c, uid, on);
}

static void release(struct host *h, uint32_t uid)
{
	map64_del(h->held, uid);
	/* Who exchanged it may have died before its name was flushed. */
	h->unsynced = true;
	tell_delivery(h, uid, false);
	/* What was carried over waits to be adopted. */
	upkeep_want(h, uid);
	log_info("home_released", LU("uid", uid));
}

void host_home_hold(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct host *h = ((struct daemon *)arg)->user;
	const struct ipc_home_hold *m = msg;
	bool held = map64_get(h->held, m->uid) != NULL;
	(void)from;
	(void)fds;
	(void)nfds;
	if (m->uid < h->uid_first || m->uid > h->uid_last || held == (m->on != 0))
		return;
	if (held) {
		release(h, m->uid);
		return;
	}
	map64_set(h->held, m->uid, h);
	log_info("home_held", LU("uid", m->uid));
	sessions_end(h, m->uid);
	tell_delivery(h, m->uid, true);
}

void holds_tell(struct host *h, struct ipc_channel *delivery)
{
	size_t it = 0;
	uint64_t uid;
	void *value;
	while (map64_next(h->held, &it, &uid, &value))
		if (daemon_channel(h->d, ROLE_LOCAL_DELIVERY, uid) == delivery)
			tell(delivery, (uint32_t)uid, true);
}

void holds_drop(struct host *h)
{
	size_t it = 0;
	uint64_t uid;
	void *value;
	while (map64_next(h->held, &it, &uid, &value))
		release(h, (uint32_t)uid);
}
