/* SPDX-License-Identifier: ISC */
#include "host.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"

#define BATCH 256 /* homes that are made together */

struct home_request {
	struct list node;
	struct ipc_channel *from;
	uint64_t id;
	uint32_t uid;
};

static void answer(const struct home_request *r, int err)
{
	struct ipc_home_made m = { .id = r->id, .outcome = (uint8_t)(err == ERR_OK ? IPC_DONE : err == ERR_DENIED ? IPC_NEVER : IPC_LATER) };
	if (ipc_send(r->from, IPC_HOME_MADE, &m, NULL, 0) != ERR_OK)
		log_warn("answer_lost", LS("to", ipc_role_name(ipc_channel_peer(r->from))));
}

/* All that were asked for in one turn share their flushes. */
static void make_wanted(void *arg)
{
	struct host *h = arg;
	struct home homes[BATCH];
	struct home_request *requests[BATCH];
	size_t n = 0;
	LIST_EACH(node, tmp, &h->wanted) {
		if (n == BATCH)
			break;
		requests[n] = LIST_OF(node, struct home_request, node);
		homes[n] = (struct home){ .uid = requests[n]->uid };
		list_remove(node);
		n++;
	}
	homes_make(h, homes, n);
	for (size_t i = 0; i < n; i++) {
		answer(requests[i], homes[i].err);
		free(requests[i]);
	}
	if (!list_empty(&h->wanted))
		loop_later(h->d->loop, &h->make);
}

static void on_home_make(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct host *h = ((struct daemon *)arg)->user;
	const struct ipc_home_make *m = msg;
	struct home_request *r = mem_new(sizeof *r);
	(void)fds;
	(void)nfds;
	*r = (struct home_request){ .from = from, .id = m->id, .uid = m->uid };
	list_append(&h->wanted, &r->node);
	loop_later(h->d->loop, &h->make);
}

/* Who writes the incoming streams. */
static int find_mail_user(struct host *h)
{
	struct buf name;
	if (daemon_single_user(h->d)) {
		h->mail_uid = getuid();
		h->mail_gid = getgid();
		return ERR_OK;
	}
	buf_init(&name, 256);
	buf_printf(&name, "%smail", conf_str(h->d->conf, PARAM_SYSTEM_USER_PREFIX));
	const struct passwd *pw = getpwnam(buf_str(&name));
	if (pw != NULL) {
		h->mail_uid = pw->pw_uid;
		h->mail_gid = pw->pw_gid;
	} else {
		log_error("no_such_user", LV("user", buf_view(&name)));
	}
	buf_fini(&name);
	return pw != NULL ? ERR_OK : ERR_NOT_FOUND;
}

static int prepare(struct daemon *d)
{
	struct host *h = mem_new(sizeof *h);
	d->user = h;
	h->d = d;
	return images_open(h);
}

static int init(struct daemon *d)
{
	struct host *h = d->user;
	h->mail = daemon_dir(d, "mail");
	h->unsynced = true; /* the one before us may have died over it */
	h->uid_first = (uint32_t)conf_num(d->conf, PARAM_UID_FIRST);
	h->uid_last = h->uid_first + (uint32_t)conf_num(d->conf, PARAM_UID_COUNT) - 1;
	h->nonces = map64_new();
	h->held = map64_new();
	list_init(&h->wanted);
	h->make = (struct later){ .fn = make_wanted, .arg = h };
	upkeep_init(h);
	h->running[0] = map64_new();
	h->running[1] = map64_new();
	int err = find_mail_user(h);
	return err == ERR_OK ? images_start(h) : err;
}

static int start(struct daemon *d)
{
	images_watch(d->user);
	return ERR_OK;
}

static void on_up(void *arg, struct ipc_channel *c)
{
	if (ipc_channel_peer(c) == ROLE_LOCAL_DELIVERY)
		holds_tell(((struct daemon *)arg)->user, c);
}

static void on_down(void *arg, struct ipc_channel *c)
{
	if (ipc_channel_peer(c) == ROLE_ACCOUNTS)
		holds_drop(((struct daemon *)arg)->user);
}

int main(int argc, char **argv)
{
	static const struct ipc_handler handlers[] = {
		{ IPC_HOME_MAKE, on_home_make },
		{ IPC_HOME_HOLD, host_home_hold },
		{ IPC_NEWS, host_news },
		{ IPC_SESSION_START, host_session_start },
		{ IPC_NONE, NULL },
	};
	static const struct daemon_hooks hooks = {
		.role = ROLE_HOST,
		.prepare = prepare,
		.init = init,
		.start = start,
		.handlers = handlers,
		.on_up = on_up,
		.on_down = on_down,
	};
	return daemon_main(argc, argv, &hooks);
}
