/* SPDX-License-Identifier: ISC */
/* What changes a process for good is tested in a child: privileges, confinement. */
#ifndef POSTRIDER_TESTS_CHILD_H
#define POSTRIDER_TESTS_CHILD_H

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Runs fn in a child that ends with what fn gives; the wait status. An assertion of the framework would jump out of the
 * child into the tests that follow: fn gives 0 or the line (modulo 250) where it went wrong. See NEED.
 */
static inline int in_child(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		_exit(fn());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

#define NEED(x)                              \
	do {                                 \
		if (!(x))                    \
			return __LINE__ % 250 + 1; \
	} while (0)

/* The child went well; else the message names the line. */
#define assert_child_ok(fn)                                                                                       \
	do {                                                                                                      \
		int status_ = in_child(fn);                                                                       \
		if (status_ != 0)                                                                                 \
			fail_msg("%s: exit %d (line - 1 modulo 250), signal %d", #fn, WEXITSTATUS(status_), status_ & 127); \
	} while (0)

/* The kernel ended the child for a forbidden call. */
#define assert_child_killed(fn)                                                             \
	do {                                                                                \
		int status_ = in_child(fn);                                                 \
		if (!WIFSIGNALED(status_) || WTERMSIG(status_) != SIGSYS)                   \
			fail_msg("%s: not killed (status %#x)", #fn, (unsigned)status_);    \
	} while (0)

#endif
