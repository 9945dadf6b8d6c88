/* SPDX-License-Identifier: ISC */
/*
 * The machine's own limits, which no server passes: a name and a number a second on each line.
 *   limits DIRECTORY [SECONDS]     the files made in DIRECTORY are removed
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS = 100 };

static double length = 1;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void tell(const char *what, double n, double began)
{
	printf("%s\t%.0f\n", what, n / (now() - began));
}

/* n connected pairs of stream sockets, over TCP on loopback or UNIX-domain ones. */
static void connect_pairs(int (*pair)[2], unsigned n, bool tcp)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, PAIRS) != 0 ||
		getsockname(listener, (struct sockaddr *)&at, &size) != 0)
		die("limits: listen");
	for (unsigned i = 0; i < n; i++) {
		if (!tcp && socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]) == 0)
			continue;
		pair[i][0] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(pair[i][0], (struct sockaddr *)&at, sizeof at) != 0 || (pair[i][1] = accept(listener, NULL, NULL)) < 0)
			die("limits: connect");
		setsockopt(pair[i][0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(pair[i][1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	}
	close(listener);
}

/* Echoes whatever comes on one side of each pair, until it is killed. */
static _Noreturn void echo(int (*pair)[2], unsigned n)
{
	int ep = epoll_create1(0);
	struct epoll_event got[PAIRS];
	char c[64];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < n; i++)
		epoll_ctl(ep, EPOLL_CTL_ADD, pair[i][1], &(struct epoll_event){ .events = EPOLLIN, .data.fd = pair[i][1] });
	for (;;) {
		int k = epoll_wait(ep, got, PAIRS, -1);
		for (int i = 0; i < k; i++) {
			ssize_t r = read(got[i].data.fd, c, sizeof c);
			if (r <= 0 || write(got[i].data.fd, c, (size_t)r) != r)
				_exit(0);
		}
	}
}

static void round_trips(const char *what, unsigned n, bool tcp)
{
	int pair[PAIRS][2], ep = epoll_create1(0);
	struct epoll_event got[PAIRS];
	char c[64] = "0123456789abcdef";
	double trips = 0;
	connect_pairs(pair, n, tcp);
	pid_t other = fork();
	if (other == 0)
		echo(pair, n);
	double began = now();
	for (unsigned i = 0; i < n; i++) {
		epoll_ctl(ep, EPOLL_CTL_ADD, pair[i][0], &(struct epoll_event){ .events = EPOLLIN, .data.fd = pair[i][0] });
		if (write(pair[i][0], c, 16) != 16)
			die("limits: write");
	}
	while (now() - began < length) {
		int k = epoll_wait(ep, got, PAIRS, 1000);
		for (int i = 0; i < k; i++) {
			ssize_t r = read(got[i].data.fd, c, sizeof c);
			if (r <= 0 || write(got[i].data.fd, c, (size_t)r) != r)
				die("limits: echo");
			trips++;
		}
	}
	tell(what, trips, began);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	for (unsigned i = 0; i < n; i++) {
		close(pair[i][0]);
		close(pair[i][1]);
	}
	close(ep);
}

static void files(int dir)
{
	static char content[4096];
	double n = 0, began = now();
	for (; now() - began < length; n++) {
		char name[32];
		int fd = openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);
		snprintf(name, sizeof name, "f%.0f", n);
		if (fd < 0 || write(fd, content, sizeof content) != sizeof content || fsync(fd) != 0 || renameat(dir, "new", dir, name) != 0)
			die("limits: file");
		close(fd);
	}
	tell("file: create, write 4 KiB, fsync, rename", n, began);
	for (double i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof name, "f%.0f", i);
		unlinkat(dir, name, 0);
	}
}

static void executions(void)
{
	double n = 0, began = now();
	char *argv[] = { (char[]){ "true" }, NULL };
	for (; now() - began < length; n++) {
		pid_t p = fork();
		if (p == 0) {
			execv("/bin/true", argv);
			_exit(127);
		}
		waitpid(p, NULL, 0);
	}
	tell("fork + exec of /bin/true", n, began);
}

int main(int argc, char **argv)
{
	int dir = argc > 1 ? open(argv[1], O_DIRECTORY | O_RDONLY) : -1;
	if (dir < 0) {
		fprintf(stderr, "usage: limits DIRECTORY [SECONDS]\n");
		return 64;
	}
	if (argc > 2)
		length = atof(argv[2]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	round_trips("TCP loopback round trips, 1 connection", 1, true);
	round_trips("TCP loopback round trips, 100 connections", PAIRS, true);
	round_trips("UNIX socket round trips, 1 connection", 1, false);
	round_trips("UNIX socket round trips, 100 connections", PAIRS, false);
	files(dir);
	executions();
	return 0;
}
