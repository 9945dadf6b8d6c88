/* SPDX-License-Identifier: ISC */
#include "tests/unit/sys/stepper.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SYSCALL_STOP = SIGTRAP | 0x80 };

static void child(void (*fn)(void *arg), void *arg)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(77);
	(void)raise(SIGSTOP);
	fn(arg);
	_exit(0);
}

/* The child when it stands before its first own step, or -1 when it may not be traced. */
static pid_t begin(void (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(fn, arg);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status))
		return -1;
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL), 0);
	assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
	return pid;
}

/* Its threads are reaped too. */
static void kill_all(pid_t pid)
{
	int status;
	pid_t one;
	(void)kill(pid, SIGKILL);
	do
		one = waitpid(-1, &status, __WALL);
	while (one > 0 || (one < 0 && errno == EINTR));
}

static void nothing(void *arg) { (void)arg; }

bool stepper_works(void)
{
	pid_t pid = begin(nothing, NULL);
	if (pid < 0)
		return false;
	kill_all(pid);
	return true;
}

/* Signals other than those that ptrace makes are passed on. */
static int signal_of(int status)
{
	int s = WSTOPSIG(status);
	return s == SYSCALL_STOP || s == SIGTRAP || s == SIGSTOP ? 0 : s;
}

bool stepper_kill(void (*fn)(void *arg), void *arg, unsigned long kill_at, unsigned long *stops)
{
	int status;
	pid_t pid = begin(fn, arg);
	assert_true(pid > 0);
	*stops = 0;
	for (;;) {
		pid_t one = waitpid(-1, &status, __WALL);
		if (one < 0 && errno == EINTR)
			continue;
		assert_true(one > 0);
		if (!WIFSTOPPED(status)) {
			if (one != pid)
				continue; /* a thread */
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		if (WSTOPSIG(status) == SYSCALL_STOP && ++*stops == kill_at) {
			kill_all(pid);
			return true;
		}
		(void)ptrace(PTRACE_SYSCALL, one, NULL, (void *)(intptr_t)signal_of(status));
	}
}
