/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "master.h"

void notify_open(struct master *m)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	m->notify_fd = -1;
	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof a.sun_path)
		return;
	memcpy(a.sun_path, path, strlen(path));
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) == 0)
		m->notify_fd = fd;
	else if (fd >= 0)
		close(fd);
	unsetenv("NOTIFY_SOCKET");
}

void notify_tell(struct master *m, const char *state)
{
	if (m->notify_fd >= 0)
		(void)!send(m->notify_fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}
