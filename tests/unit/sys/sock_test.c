/* SPDX-License-Identifier: ISC */
#include "sys/sock.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/file.h"

static struct sock_addr addr(const char *ip, uint16_t port)
{
	struct sock_addr a;

	assert_int_equal(sock_addr_parse(view_of(ip), port, &a), ERR_OK);
	return a;
}

static void parses(void **state)
{
	static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::1%lo", "[::1", "localhost", ":::", " 1.2.3.4",
		"1:2:3:4:5:6:7:8:9", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000" };
	static const char *const good[][2] = { { "192.0.2.1", "192.0.2.1" }, { "[192.0.2.1]", "192.0.2.1" }, { "2001:DB8:0::1", "2001:db8::1" },
		{ "[2001:db8::1]", "2001:db8::1" }, { "::ffff:192.0.2.1", "192.0.2.1" }, { "::", "::" } };
	struct sock_addr a;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(sock_addr_parse(view_of(bad[i]), 25, &a), ERR_INVALID);
	assert_int_equal(sock_addr_parse(view_make("1.2.3.4\0x", 9), 25, &a), ERR_INVALID);
	assert_int_equal(sock_addr_with_port(VIEW("[2001:db8::1]:587"), &a), ERR_OK);
	sock_addr_text(&a, text);
	assert_string_equal(text, "2001:db8::1");
	assert_int_equal(sock_addr_port(&a), 587);
	assert_int_equal(sock_addr_with_port(VIEW("192.0.2.1"), &a), ERR_INVALID);
	assert_int_equal(sock_addr_with_port(VIEW("192.0.2.1:65536"), &a), ERR_INVALID);
	assert_int_equal(sock_addr_with_port(VIEW(":25"), &a), ERR_INVALID);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		a = addr(good[i][0], 2525);
		sock_addr_text(&a, text);
		assert_string_equal(text, good[i][1]);
		assert_int_equal(sock_addr_port(&a), 2525);
	}
	a = (struct sock_addr){ .ss.ss_family = AF_UNIX };
	sock_addr_text(&a, text);
	assert_string_equal(text, "local");
	assert_int_equal(sock_addr_port(&a), 0);
}

static void lies_in(void **state)
{
	static const struct {
		const char *ip, *network;
		bool in;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.0/24", true }, { "192.0.3.1", "192.0.2.0/24", false }, { "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false }, { "1.2.3.4", "0.0.0.0/0", true }, { "127.255.0.1", "127.0.0.0/8", true },
		{ "192.0.2.127", "192.0.2.0/25", true }, { "192.0.2.128", "192.0.2.0/25", false }, { "192.0.2.1", "192.0.2.1/32", true },
		{ "2001:db8::1", "2001:db8::/32", true }, { "2001:db9::1", "2001:db8::/32", false }, { "2001:db8::1", "[2001:db8::]/32", true },
		{ "::1", "::1/128", true }, { "::1", "::/0", true }, { "192.0.2.1", "::/0", false }, { "::1", "0.0.0.0/0", false },
		{ "::ffff:192.0.2.1", "192.0.2.0/24", true }, { "192.0.2.1", "::ffff:192.0.2.0/120", true },
		{ "192.0.2.1", "::ffff:0:0/90", false }, { "192.0.2.1", "192.0.2.0/33", false }, { "192.0.2.1", "192.0.2.0/", false },
		{ "192.0.2.1", "/24", false }, { "192.0.2.1", "", false }, { "192.0.2.1", "192.0.2.0/24/8", false }, { "::1", "::1/129", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sock_addr a = addr(rows[i].ip, 0);
		if (sock_addr_in(&a, view_of(rows[i].network)) != rows[i].in)
			fail_msg("%s in %s", rows[i].ip, rows[i].network);
	}
	struct sock_addr local = { .ss.ss_family = AF_UNIX };
	assert_false(sock_addr_in(&local, VIEW("0.0.0.0/0")));
}

static bool nonblocking_and_cloexec(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static uint16_t port_of(int fd)
{
	struct sock_addr a = { .len = sizeof a.ss };

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a.ss, &a.len), 0);
	return sock_addr_port(&a);
}

static bool wait_for(int fd, short what)
{
	return poll(&(struct pollfd){ .fd = fd, .events = what }, 1, 5000) == 1;
}

static void talks_tcp(void **state)
{
	struct sock_addr a = addr("127.0.0.1", 0), peer;
	int listener, client, server, again;
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(sock_listen_tcp(&a, &listener), ERR_OK);
	assert_true(nonblocking_and_cloexec(listener));
	assert_int_equal(sock_accept(listener, &server, &peer), ERR_AGAIN);
	a = addr("127.0.0.1", port_of(listener));
	assert_int_equal(sock_listen_tcp(&a, &again), ERR_BUSY);
	int err = sock_connect(&a, &client);
	assert_true(err == ERR_OK || err == ERR_AGAIN);
	assert_true(wait_for(client, POLLOUT) && wait_for(listener, POLLIN));
	assert_int_equal(sock_connected(client), ERR_OK);
	assert_int_equal(sock_accept(listener, &server, &peer), ERR_OK);
	assert_true(nonblocking_and_cloexec(server) && nonblocking_and_cloexec(client));
	assert_int_equal(sock_addr_port(&peer), port_of(client));

	assert_int_equal(sock_read(server, &b, 100, &n), ERR_AGAIN);
	assert_int_equal(sock_write(client, VIEW("0123456"), &n), ERR_OK);
	assert_int_equal(n, 7);
	assert_true(wait_for(server, POLLIN));
	assert_int_equal(sock_read(server, &b, 100, &n), ERR_OK);
	assert_int_equal(n, 5);
	assert_int_equal(sock_read(server, &b, 100, &n), ERR_TOO_BIG);
	buf_consume(&b, 5);
	assert_int_equal(sock_read(server, &b, 1, &n), ERR_OK);
	assert_int_equal(n, 1);
	fd_close(&client);
	assert_int_equal(sock_read(server, &b, 100, &n), ERR_OK);
	assert_true(wait_for(server, POLLIN));
	assert_int_equal(sock_read(server, &b, 100, &n), ERR_END);
	fd_close(&server);
	fd_close(&listener);
	/* Nobody listens there now. */
	err = sock_connect(&a, &client);
	if (err == ERR_AGAIN) {
		assert_true(wait_for(client, POLLOUT));
		err = sock_connected(client);
	}
	assert_int_equal(err, ERR_LOST);
	fd_close(&client);
	buf_fini(&b);
}

static void listens_unix(void **state)
{
	char dir[] = "/tmp/postrider-sock-XXXXXX", path[64], file[64], longer[200];
	int listener, client, server;
	struct sock_addr peer;
	struct stat st;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(file, sizeof file, "%s/f", dir);
	mode_t old = umask(0027);
	assert_int_equal(sock_listen_unix(path, 0666, &listener), ERR_OK);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	/* The file of one that has gone is replaced. */
	fd_close(&listener);
	assert_int_equal(sock_connect_unix(path, &client), ERR_LOST);
	assert_int_equal(sock_listen_unix(path, 0600, &listener), ERR_OK);
	assert_int_equal(sock_connect_unix(path, &client), ERR_OK);
	assert_true(nonblocking_and_cloexec(client));
	assert_int_equal(sock_accept(listener, &server, &peer), ERR_OK);
	assert_int_equal(peer.ss.ss_family, AF_UNIX);
	assert_int_equal(sock_peer_uid(server, &uid, &gid, &pid), ERR_OK);
	assert_true(uid == geteuid() && gid == getegid() && pid == getpid());
	assert_true(sock_peer_in_group(server, getegid()));
	assert_false(sock_peer_in_group(server, 4242424));
	/* Anything else is left alone. */
	int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), none;
	fd_close(&fd);
	assert_int_equal(sock_listen_unix(file, 0600, &none), ERR_EXISTS);
	assert_int_equal(access(file, F_OK), 0);
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(sock_listen_unix(longer, 0600, &none), ERR_INVALID);
	assert_int_equal(sock_connect_unix(longer, &none), ERR_INVALID);
	fd_close(&client);
	fd_close(&server);
	fd_close(&listener);
	unlink(path);
	unlink(file);
	assert_int_equal(rmdir(dir), 0);
}

static void writes_to_the_gone(void **state)
{
	int fds[2];
	size_t n;

	(void)state;
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	assert_true(nonblocking_and_cloexec(fds[0]) && nonblocking_and_cloexec(fds[1]));
	assert_int_equal(sock_write(fds[0], VIEW_NONE, &n), ERR_OK);
	int err;
	do
		err = sock_write(fds[0], VIEW("0123456789abcdef0123456789abcdef"), &n);
	while (err == ERR_OK);
	assert_int_equal(err, ERR_AGAIN);
	assert_int_equal(n, 0);
	fd_close(&fds[1]);
	/* No SIGPIPE: the test would have ended. */
	assert_int_equal(sock_write(fds[0], VIEW("x"), &n), ERR_LOST);
	fd_close(&fds[0]);
}

/* How many descriptors are open. */
static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void passes_descriptors(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	int before = open_fds();

	(void)state;
	for (size_t t = 0; t < 2; t++) {
		int fds[2], got[SOCK_FDS_MAX], pipes[2];
		size_t n, nfds;
		struct buf b;
		buf_init(&b, 100);
		assert_int_equal(sock_pair(types[t], fds), ERR_OK);
		assert_int_equal(pipe(pipes), 0);
		assert_int_equal(sock_recv_fds(fds[1], &b, 10, got, &nfds, &n), ERR_AGAIN);
		assert_int_equal(sock_send_fds(fds[0], VIEW("hello"), pipes, 2, &n), ERR_OK);
		assert_int_equal(n, 5);
		assert_int_equal(sock_recv_fds(fds[1], &b, 10, got, &nfds, &n), ERR_OK);
		assert_true(n == 5 && nfds == 2);
		assert_string_equal(buf_str(&b), "hello");
		assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(write(got[1], "x", 1), 1);
		char c;
		assert_int_equal(read(pipes[0], &c, 1), 1);
		fd_close(&got[0]);
		fd_close(&got[1]);
		/* Four may be, as four or none. */
		int four[] = { pipes[0], pipes[1], pipes[0], pipes[1] };
		assert_int_equal(sock_send_fds(fds[0], VIEW("x"), four, 4, &n), ERR_OK);
		assert_int_equal(sock_recv_fds(fds[1], &b, 10, got, &nfds, &n), ERR_OK);
		assert_int_equal(nfds, 4);
		for (size_t i = 0; i < 4; i++)
			fd_close(&got[i]);
		assert_int_equal(sock_send_fds(fds[0], VIEW("x"), four, 5, &n), ERR_INVALID);
		assert_int_equal(sock_send_fds(fds[0], VIEW_NONE, four, 1, &n), ERR_INVALID);
		assert_int_equal(sock_send_fds(fds[0], VIEW("plain"), NULL, 0, &n), ERR_OK);
		assert_int_equal(sock_recv_fds(fds[1], &b, 10, got, &nfds, &n), ERR_OK);
		assert_int_equal(nfds, 0);
		fd_close(&fds[0]);
		assert_int_equal(sock_recv_fds(fds[1], &b, 10, got, &nfds, &n), ERR_END);
		fd_close(&fds[1]);
		fd_close(&pipes[0]);
		fd_close(&pipes[1]);
		buf_fini(&b);
	}
	assert_int_equal(open_fds(), before);
}

/* More than may be: a peer of ours cannot send it, a captured one can. */
static void send_many(int fd, const char *text, int nfds)
{
	struct iovec v = { (void *)(uintptr_t)text, strlen(text) };
	union {
		char octets[CMSG_SPACE(20 * sizeof(int))];
		struct cmsghdr align;
	} c = { .octets = { 0 } };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.octets, .msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int fds[20];

	for (int i = 0; i < nfds; i++)
		fds[i] = STDIN_FILENO;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
	memcpy(CMSG_DATA(h), fds, (size_t)nfds * sizeof(int));
	assert_true(sendmsg(fd, &m, 0) > 0);
}

static void refuses_surplus(void **state)
{
	int fds[2], got[SOCK_FDS_MAX], before;
	size_t n, nfds;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(sock_pair(SOCK_SEQPACKET, fds), ERR_OK);
	before = open_fds();
	for (int surplus = 5; surplus <= 20; surplus++) {
		send_many(fds[0], "x", surplus);
		assert_int_equal(sock_recv_fds(fds[1], &b, 10, got, &nfds, &n), ERR_PROTOCOL);
		assert_int_equal(nfds, 0);
		assert_int_equal(open_fds(), before);
	}
	/* A packet longer than was asked for. */
	send_many(fds[0], "longer than that", 2);
	assert_int_equal(sock_recv_fds(fds[1], &b, 10, got, &nfds, &n), ERR_PROTOCOL);
	assert_int_equal(open_fds(), before);
	assert_int_equal(buf_len(&b), 0);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(lies_in),
		cmocka_unit_test(talks_tcp),
		cmocka_unit_test(listens_unix),
		cmocka_unit_test(writes_to_the_gone),
		cmocka_unit_test(passes_descriptors),
		cmocka_unit_test(refuses_surplus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
