/* SPDX-License-Identifier: ISC */
/* Sockets: listeners, pairs, peers' addresses, and descriptors passed over UNIX sockets. Everything is close-on-exec and non-blocking unless said. */
#ifndef POSTRIDER_SYS_SOCK_H
#define POSTRIDER_SYS_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

struct sock_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* A numeric IPv4 or IPv6 address (brackets allowed) and port. No name service is asked. */
MUST_CHECK int sock_addr_parse(struct view ip, uint16_t port, struct sock_addr *out);
/* The same as one text: "192.0.2.1:25", "[2001:db8::1]:25". */
MUST_CHECK int sock_addr_with_port(struct view text, struct sock_addr *out);
/* The address as text ("192.0.2.1", "2001:db8::1"; "local" for UNIX sockets), at most 64 octets with NUL. IPv4-mapped IPv6 is shown as IPv4. */
void sock_addr_text(const struct sock_addr *a, char out[64]);
uint16_t sock_addr_port(const struct sock_addr *a);
/* True where the address lies in "192.0.2.0/24", "2001:db8::/32" or equals a single address. False for a malformed network. */
bool sock_addr_in(const struct sock_addr *a, struct view network);

/* A listening TCP socket (SO_REUSEADDR, backlog 1024, IPV6_V6ONLY) or UNIX socket (an old socket file is replaced, mode set). */
MUST_CHECK int sock_listen_tcp(const struct sock_addr *a, int *fd);
MUST_CHECK int sock_listen_unix(const char *path, mode_t mode, int *fd);
/* Accepts one; ERR_AGAIN when none is waiting, ERR_LIMIT for EMFILE/ENFILE/ENOBUFS. TCP_NODELAY is set on TCP. */
MUST_CHECK int sock_accept(int listener, int *fd, struct sock_addr *peer);
/* Begins to connect; ERR_AGAIN while in progress: wait for writability, then ask sock_connected. */
MUST_CHECK int sock_connect(const struct sock_addr *a, int *fd);
MUST_CHECK int sock_connect_unix(const char *path, int *fd); /* blocking connect, non-blocking after */
MUST_CHECK int sock_connected(int fd);
MUST_CHECK int sock_pair(int type, int fds[2]); /* AF_UNIX, SOCK_STREAM or SOCK_SEQPACKET */
/* Who is at the other end of a UNIX socket, by the kernel (SO_PEERCRED). */
MUST_CHECK int sock_peer_uid(int fd, uid_t *uid, gid_t *gid, pid_t *pid);
/* True if the peer's gid or supplementary groups (SO_PEERGROUPS) hold gid. */
bool sock_peer_in_group(int fd, gid_t gid);

/*
 * Reads what there is into b, at most most octets. *got = 0 with ERR_OK never happens: the end is ERR_END, nothing
 * there ERR_AGAIN, a reset ERR_LOST, no room in b ERR_TOO_BIG.
 */
MUST_CHECK int sock_read(int fd, struct buf *b, size_t most, size_t *got);
/* Writes as much of v as goes; ERR_AGAIN when nothing went. Never raises SIGPIPE. */
MUST_CHECK int sock_write(int fd, struct view v, size_t *put);

#define SOCK_FDS_MAX 4
/* One sendmsg/recvmsg with descriptors (SCM_RIGHTS). On receipt the descriptors are close-on-exec and the caller's; *nfds says how many came. Surplus ones, and a packet longer than most, are ERR_PROTOCOL: all are closed, nothing is added. */
MUST_CHECK int sock_send_fds(int fd, struct view v, const int *fds, size_t nfds, size_t *put);
MUST_CHECK int sock_recv_fds(int fd, struct buf *b, size_t most, int fds[SOCK_FDS_MAX], size_t *nfds, size_t *got);

#endif
