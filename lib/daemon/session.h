/* SPDX-License-Identifier: ISC */
/*
 * Programs that serve one account's sessions (imapd, pop3d). host starts each once as an image: initialised, with the capabilities to
 * change its uid, speaking only with host. For an account host asks the image for a fork; the fork becomes the account's uid, drops everything,
 * confines itself to the home, and only then reads what a user sent. A session program is one struct session_hooks and
 * `return session_main(argc, argv, &hooks)`.
 */
#ifndef POSTRIDER_DAEMON_SESSION_H
#define POSTRIDER_DAEMON_SESSION_H

#include "daemon/daemon.h"

struct session_hooks {
	enum ipc_role role; /* ROLE_IMAPD or ROLE_POP3D */
	/* In the image, once, before its confinement: what every fork shares. May be NULL. */
	int (*init)(struct daemon *d);
	/*
	 * In the fork, confined: homefd is the account's home (the hook's to close; openat below it works). An error ends the process. Channel to host:
	 * daemon_channel(d, ROLE_HOST, 0). The handlers get session_add (with the client's descriptor) and news; arg is the struct daemon.
	 * Tell host with session_count when the number of sessions changes. When idle for a while: session_leave, and serve on.
	 */
	int (*start)(struct daemon *d, int homefd, uint32_t uid);
	const struct ipc_handler *handlers;
	/* host went away or asked to stop: say goodbye to the clients, then daemon_exit. NULL: ends at once. */
	void (*stop)(struct daemon *d);
};

/*
 * Asks host whether the process may end: stop is called if so, and if not another session is on its way. taken: how many session_add this process
 * has had. Nothing is lost between the two, which a process that simply ended could not say.
 */
void session_leave(struct daemon *d, uint32_t taken);

int session_main(int argc, char **argv, const struct session_hooks *hooks);

#endif
