/* SPDX-License-Identifier: ISC */
#include "login.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"

static void accepted(struct daemon *d, const char *listener, int fd, const struct sock_addr *peer)
{
	bool imap = strncmp(listener, "imap", 4) == 0;
	bool implicit = strcmp(listener, "imaps") == 0 || strcmp(listener, "pop3s") == 0;
	if (implicit && keys_server(d) == NULL) {
		close(fd);
		return;
	}
	client_new(d->user, imap ? IPC_DOOR_IMAP : IPC_DOOR_POP3, implicit, fd, peer);
}

static void on_lost(void *arg, struct ipc_channel *from, enum ipc_kind kind, uint64_t id)
{
	struct daemon *d = arg;
	struct ipc_auth_step later = { .id = id, .step = IPC_STEP_LATER };
	struct ipc_session_started not_started = { .id = id, .outcome = IPC_LATER };
	if (kind == IPC_AUTH_START || kind == IPC_AUTH_CONTINUE)
		sasl_on_step(d, from, &later, NULL, 0);
	else if (kind == IPC_SESSION_START)
		carry_on_started(d, from, &not_started, NULL, 0);
	else
		keys_on_lost(d, from, kind, id);
}

static void on_up(void *arg, struct ipc_channel *c)
{
	keys_on_up(arg, c);
}

static int init(struct daemon *d)
{
	struct login *l = mem_new(sizeof *l);
	d->user = l;
	l->d = d;
	l->asked = map64_new();
	list_init(&l->clients);
	if (keys_init(d) == NULL)
		log_warn("no_tls");
	return ERR_OK;
}

/* host stops with us, and the accounts' processes then say goodbye: what they say still goes out. Who did not log in is sent away. */
static void stop(struct daemon *d)
{
	struct login *l = d->user;
	LIST_EACH(n, tmp, &l->clients) {
		struct client *c = LIST_OF(n, struct client, node);
		if (c->state == CLIENT_CARRIED)
			continue;
		client_protocol(c)->farewell(c, "The server is shutting down");
		client_close(c);
	}
	if (l->count == 0)
		daemon_exit(d);
}

int main(int argc, char **argv)
{
	static const struct ipc_handler handlers[] = {
		KEYS_HANDLERS,
		{ IPC_AUTH_STEP, sasl_on_step },
		{ IPC_SESSION_STARTED, carry_on_started },
		{ IPC_NONE, NULL },
	};
	static const struct daemon_hooks hooks = { .role = ROLE_LOGIN, .init = init, .reload = keys_on_reload, .stop = stop,
		.accepted = accepted, .handlers = handlers, .on_lost = on_lost, .on_up = on_up };
	return daemon_main(argc, argv, &hooks);
}
