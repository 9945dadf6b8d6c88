/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "log/log.h"
#include "master.h"
#include "sys/file.h"
#include "sys/sock.h"

static struct listener *add(struct master *m, const char *name, enum ipc_role role, int fd)
{
	struct listener *l = &m->listeners[m->nlisteners++];
	snprintf(l->name, sizeof l->name, "%s", name);
	l->role = role;
	l->fd = fd;
	return l;
}

static int open_tcp(struct master *m, const char *name, enum ipc_role role)
{
	char parameter[64];
	struct view v;
	snprintf(parameter, sizeof parameter, "listen.%s", name);
	enum param_id p = conf_find(view_of(parameter));
	for (size_t i = 0; p != PARAM_COUNT && conf_item(m->conf, p, i, &v); i++) {
		struct sock_addr a;
		int fd = -1;
		if (m->nlisteners == MASTER_LISTENERS)
			return ERR_LIMIT;
		int err = sock_addr_with_port(v, &a);
		if (err == ERR_OK)
			err = sock_listen_tcp(&a, &fd);
		if (err != ERR_OK) {
			log_error("cannot_listen", LS("parameter", parameter), LV("address", v), LERR("error", err),
				LS("hint", "is another mail server running, or the address not this host's?"));
			return err;
		}
		add(m, name, role, fd);
	}
	return ERR_OK;
}

static int open_unix(struct master *m, const char *name, enum ipc_role role)
{
	char path[4096];
	int fd = -1;
	bool control = strcmp(name, "control") == 0;
	const char *base = control ? (role == ROLE_QMGR ? "queue.sock" : "accounts.sock") : "submit";
	snprintf(path, sizeof path, "%s/%s", conf_str(m->conf, PARAM_DIRECTORY_RUN), base);
	if (m->nlisteners == MASTER_LISTENERS)
		return ERR_LIMIT;
	/* Who may use a control socket is checked by the kernel's word on each client; with a group named, it may connect. */
	bool group = m->control_gid != CONFINE_SAME;
	int err = sock_listen_unix(path, control ? (group ? 0660 : 0600) : 0666, &fd);
	if (err == ERR_OK && control && group && chown(path, (uid_t)-1, m->control_gid) != 0)
		err = ERR_DENIED;
	if (err != ERR_OK) {
		log_error("cannot_listen", LS("path", path), LERR("error", err));
		return err;
	}
	add(m, name, role, fd);
	return ERR_OK;
}

int listeners_open(struct master *m)
{
	int err = ERR_OK;
	for (size_t i = 0; err == ERR_OK && i < process_count; i++) {
		const struct process_row *r = &process_table[i];
		for (size_t k = 0; err == ERR_OK && !r->later && k < sizeof r->listeners / sizeof *r->listeners && r->listeners[k] != NULL; k++) {
			bool local = strcmp(r->listeners[k], "control") == 0 || strcmp(r->listeners[k], "submit") == 0;
			err = local ? open_unix(m, r->listeners[k], r->role) : open_tcp(m, r->listeners[k], r->role);
		}
	}
	return err;
}

int listeners_send(struct child *c)
{
	for (size_t i = 0; i < c->m->nlisteners; i++) {
		struct listener *l = &c->m->listeners[i];
		if (l->role != c->row->role)
			continue;
		struct ipc_listener msg = { .name = view_of(l->name) };
		child_tell(c, IPC_LISTENER, &msg, &l->fd, 1);
	}
	return ERR_OK;
}

/* The names of our sockets, so that a client of a stopped suite hears at once that nobody is there. */
void listeners_remove(struct master *m)
{
	(void)unlinkat(m->run_dir, "queue.sock", 0);
	(void)unlinkat(m->run_dir, "accounts.sock", 0);
	(void)unlinkat(m->run_dir, "submit", 0);
}
