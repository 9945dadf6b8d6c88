/* SPDX-License-Identifier: ISC */
#include "sys/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"

enum { BACKLOG = 1024 };

/* Closes what could not be made ready and says why. */
static int give_up(int *fd)
{
	int err = err_of_errno(errno);

	fd_close(fd);
	return err;
}

static int set_on(int fd, int level, int option)
{
	return setsockopt(fd, level, option, &(int){ 1 }, sizeof(int));
}

static bool is_tcp(const struct sock_addr *a)
{
	return a->ss.ss_family == AF_INET || a->ss.ss_family == AF_INET6;
}

int sock_listen_tcp(const struct sock_addr *a, int *fd)
{
	*fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_of_errno(errno);
	if (set_on(*fd, SOL_SOCKET, SO_REUSEADDR) < 0)
		return give_up(fd);
	if (a->ss.ss_family == AF_INET6 && set_on(*fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
		return give_up(fd);
	if (bind(*fd, (const struct sockaddr *)&a->ss, a->len) < 0 || listen(*fd, BACKLOG) < 0)
		return give_up(fd);
	return ERR_OK;
}

static int unix_addr(const char *path, struct sockaddr_un *un)
{
	size_t n = strlen(path);

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (n == 0 || n >= sizeof un->sun_path)
		return ERR_INVALID;
	memcpy(un->sun_path, path, n);
	return ERR_OK;
}

/* Only a socket is ever removed: a slip in the configuration must not cost a file. */
static int remove_old(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? ERR_OK : err_of_errno(errno);
	if (!S_ISSOCK(st.st_mode))
		return ERR_EXISTS;
	return unlink(path) < 0 && errno != ENOENT ? err_of_errno(errno) : ERR_OK;
}

/* fchmod before bind: Linux makes the file with the socket's own mode, so that it is never more open than it shall be. */
int sock_listen_unix(const char *path, mode_t mode, int *fd)
{
	struct sockaddr_un un;
	int err = unix_addr(path, &un);

	*fd = -1;
	if (!err)
		err = remove_old(path);
	if (err)
		return err;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_of_errno(errno);
	if (fchmod(*fd, mode) < 0 || bind(*fd, (const struct sockaddr *)&un, sizeof un) < 0)
		return give_up(fd);
	if (chmod(path, mode) < 0 || listen(*fd, BACKLOG) < 0) {
		err = give_up(fd);
		unlink(path);
	}
	return err;
}

/* Errors of the connection that was waiting, not of the listener (accept(2)): the caller is called again for the next. */
static bool of_the_peer(int e)
{
	switch (e) {
	case EINTR: case ECONNABORTED: case EPERM: case EPROTO: case ENOPROTOOPT: case ENETDOWN: case ENETUNREACH:
	case EHOSTDOWN: case EHOSTUNREACH: case ENONET: case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

int sock_accept(int listener, int *fd, struct sock_addr *peer)
{
	struct sock_addr a = { .len = sizeof a.ss };

	*fd = accept4(listener, (struct sockaddr *)&a.ss, &a.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (*fd < 0)
		return of_the_peer(errno) ? ERR_AGAIN : err_of_errno(errno);
	/* It may have been reset meanwhile: reading tells. */
	if (is_tcp(&a))
		(void)set_on(*fd, IPPROTO_TCP, TCP_NODELAY);
	if (peer)
		*peer = a;
	return ERR_OK;
}

int sock_connect(const struct sock_addr *a, int *fd)
{
	*fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_of_errno(errno);
	if (is_tcp(a) && set_on(*fd, IPPROTO_TCP, TCP_NODELAY) < 0)
		return give_up(fd);
	if (connect(*fd, (const struct sockaddr *)&a->ss, a->len) == 0)
		return ERR_OK;
	/* Interrupted, a connect goes on by itself. */
	if (errno == EINPROGRESS || errno == EINTR)
		return ERR_AGAIN;
	/* A UNIX socket's full backlog: nothing goes on, the caller must begin anew. */
	if (errno == EAGAIN)
		errno = ENOBUFS;
	return give_up(fd);
}

int sock_connect_unix(const char *path, int *fd)
{
	struct sockaddr_un un;
	int rc, err = unix_addr(path, &un);

	*fd = -1;
	if (err)
		return err;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_of_errno(errno);
	do
		rc = connect(*fd, (const struct sockaddr *)&un, sizeof un);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return give_up(fd);
	err = fd_nonblock(*fd);
	if (err)
		fd_close(fd);
	return err;
}

int sock_connected(int fd)
{
	struct sock_addr a = { .len = sizeof a.ss };
	int e = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &(socklen_t){ sizeof e }) < 0)
		return err_of_errno(errno);
	if (e)
		return err_of_errno(e);
	if (getpeername(fd, (struct sockaddr *)&a.ss, &a.len) == 0)
		return ERR_OK;
	return errno == ENOTCONN ? ERR_AGAIN : err_of_errno(errno);
}

int sock_pair(int type, int fds[2])
{
	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0)
		return ERR_OK;
	fds[0] = fds[1] = -1;
	return err_of_errno(errno);
}

int sock_peer_uid(int fd, uid_t *uid, gid_t *gid, pid_t *pid)
{
	struct ucred c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &(socklen_t){ sizeof c }) < 0)
		return err_of_errno(errno);
	if (uid)
		*uid = c.uid;
	if (gid)
		*gid = c.gid;
	if (pid)
		*pid = c.pid;
	return ERR_OK;
}

/* The kernel's ERANGE says in len how much it wants. */
static gid_t *peer_groups(int fd, size_t *n)
{
	gid_t *groups = NULL;
	socklen_t len = 0;
	int rc;

	while ((rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len)) < 0 && errno == ERANGE)
		groups = mem_resize(groups, len);
	*n = rc < 0 ? 0 : len / sizeof *groups;
	return groups;
}

bool sock_peer_in_group(int fd, gid_t gid)
{
	gid_t main_gid = 0;
	size_t n;
	bool found;

	if (sock_peer_uid(fd, NULL, &main_gid, NULL))
		return false;
	found = main_gid == gid;
	gid_t *groups = peer_groups(fd, &n);
	for (size_t i = 0; i < n; i++)
		found |= groups[i] == gid;
	free(groups);
	return found;
}

/* Where to read at most most octets to; ERR_TOO_BIG when b is full. */
static int room_for(struct buf *b, size_t most, struct iovec *to)
{
	size_t room = b->max - b->n;

	to->iov_len = most < room ? most : room;
	if (to->iov_len == 0)
		return ERR_TOO_BIG;
	to->iov_base = buf_room(b, to->iov_len);
	return ERR_OK;
}

int sock_read(int fd, struct buf *b, size_t most, size_t *got)
{
	struct iovec to;
	int err = room_for(b, most, &to);
	ssize_t n;

	*got = 0;
	if (err)
		return err;
	do
		n = recv(fd, to.iov_base, to.iov_len, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? err_of_errno(errno) : ERR_END;
	buf_commit(b, (size_t)n);
	*got = (size_t)n;
	return ERR_OK;
}

/* send, not sendmsg, which copies and checks two more structures: a tenth of what a reply costs. */
int sock_write(int fd, struct view v, size_t *put)
{
	ssize_t n;

	*put = 0;
	if (v.n == 0)
		return ERR_OK;
	do
		n = send(fd, v.p, v.n, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_of_errno(errno);
	*put = (size_t)n;
	return ERR_OK;
}

/* Room for descriptors in the form of cmsg(3), aligned as it must be. */
union control {
	char octets[CMSG_SPACE(SOCK_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static void attach(struct msghdr *m, union control *c, const int *fds, size_t nfds)
{
	memset(c, 0, sizeof *c);
	m->msg_control = c->octets;
	m->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	struct cmsghdr *h = CMSG_FIRSTHDR(m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
}

int sock_send_fds(int fd, struct view v, const int *fds, size_t nfds, size_t *put)
{
	struct iovec from = { (void *)(uintptr_t)v.p, v.n };
	struct msghdr m = { .msg_iov = &from, .msg_iovlen = 1 };
	union control c;
	ssize_t n;

	*put = 0;
	/* A stream carries descriptors only along with an octet. */
	if (nfds > SOCK_FDS_MAX || (nfds && v.n == 0))
		return ERR_INVALID;
	if (v.n == 0)
		return ERR_OK;
	if (nfds)
		attach(&m, &c, fds, nfds);
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_of_errno(errno);
	*put = (size_t)n;
	return ERR_OK;
}

static void close_all(int *fds, size_t *nfds)
{
	while (*nfds)
		fd_close(&fds[--*nfds]);
}

/* Takes the descriptors out of a received message, closing those beyond the maximum; false where there were some. */
MUST_CHECK static bool detach(struct msghdr *m, int *fds, size_t *nfds)
{
	bool all = true;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int one;
			memcpy(&one, CMSG_DATA(h) + i * sizeof one, sizeof one);
			if (*nfds < SOCK_FDS_MAX) {
				fds[(*nfds)++] = one;
			} else {
				fd_close(&one);
				all = false;
			}
		}
	}
	return all;
}

/*
 * A message cut short (MSG_TRUNC) or one with more descriptors than may be (MSG_CTRUNC: the kernel has closed what did
 * not fit) is the peer's fault: nothing of it is kept.
 */
int sock_recv_fds(int fd, struct buf *b, size_t most, int fds[SOCK_FDS_MAX], size_t *nfds, size_t *got)
{
	struct iovec to;
	union control c;
	struct msghdr m = { .msg_iov = &to, .msg_iovlen = 1, .msg_control = c.octets, .msg_controllen = sizeof c.octets };
	int err = room_for(b, most, &to);
	ssize_t n;

	*nfds = *got = 0;
	if (err)
		return err;
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_of_errno(errno);
	if (!detach(&m, fds, nfds) || m.msg_flags & (MSG_CTRUNC | MSG_TRUNC))
		err = ERR_PROTOCOL;
	else if (n == 0)
		err = ERR_END;
	if (err) {
		close_all(fds, nfds);
		return err;
	}
	buf_commit(b, (size_t)n);
	*got = (size_t)n;
	return ERR_OK;
}
