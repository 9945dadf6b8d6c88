/* SPDX-License-Identifier: ISC */
/* What each group of system calls lets through and what it does not: each case in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/priv.h"
#include "sys/sock.h"

/* A page's worth of what every role does. */
static int base_works(void)
{
	int fds[2], ep, ev, file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	uint64_t u = 1;
	struct stat st;
	struct rlimit r;
	size_t n;

	NEED(sock_pair(SOCK_STREAM, fds) == ERR_OK);
	NEED(priv_seccomp(0, 0, 0) == ERR_OK);
	NEED(sock_write(fds[0], VIEW("x"), &n) == ERR_OK);
	NEED(fstat(file, &st) == 0 && S_ISREG(st.st_mode));
	NEED(lseek(file, 0, SEEK_END) > 0);
	ep = epoll_create1(EPOLL_CLOEXEC);
	ev = eventfd(0, EFD_CLOEXEC);
	NEED(ep >= 0 && ev >= 0 && write(ev, &u, 8) == 8 && read(ev, &u, 8) == 8);
	NEED(random_u64() != random_u64() && clock_mono_ms() > 0 && clock_wall(NULL) > 0);
	char *p = malloc(8 << 20);
	NEED(p);
	memset(p, 1, 8 << 20);
	free(p);
	NEED(getrlimit(RLIMIT_NOFILE, &r) == 0);
	NEED(getpid() > 0 && getuid() == geteuid());
	NEED(signal(SIGUSR1, SIG_IGN) != SIG_ERR && raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
	NEED(prctl(PR_SET_NAME, "tested", 0, 0, 0) == 0);
	return 0;
}

static int base_opens_nothing(void)
{
	int dir = open("/etc", O_RDONLY | O_DIRECTORY);

	NEED(priv_seccomp(0xfff & ~(unsigned)PRIV_SYS_FILES, 0, 0) == ERR_OK);
#ifndef SANITIZERS
	NEED(syscall(SYS_open, "/etc/passwd", O_RDONLY) < 0 && errno == ENOSYS);
	NEED(openat(dir, "passwd", O_RDONLY) < 0 && errno == ENOSYS);
	NEED(syscall(SYS_openat2, dir, "passwd", NULL, 0) < 0 && errno == ENOSYS);
	NEED(syscall(SYS_creat, "/tmp/x", 0600) < 0 && errno == ENOSYS);
	NEED(syscall(SYS_stat, "/etc/passwd", NULL) < 0 && errno == ENOSYS);
	NEED(syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", NULL, 0) < 0 && errno == ENOSYS);
	NEED(readlink("/proc/self/exe", (char[8]){ 0 }, 8) < 0 && errno == ENOSYS);
	NEED(unlinkat(dir, "x", 0) < 0 && errno == ENOSYS);
	NEED(renameat(dir, "x", dir, "y") < 0 && errno == ENOSYS);
#else
	NEED(renameat(dir, "x", dir, "y") < 0 && errno == ENOSYS);
#endif
	NEED(chdir("/") < 0 && errno == ENOSYS);
	NEED(mkdirat(dir, "x", 0) < 0 && errno == ENOSYS);
	NEED(linkat(dir, "x", dir, "y", 0) < 0 && errno == ENOSYS);
	return 0;
}

static int base_has_no_more(void)
{
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	NEED(priv_seccomp(0, 0, 0) == ERR_OK);
	NEED(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == ENOSYS);
	NEED(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == ENOSYS);
	NEED(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == ENOSYS);
	NEED(connect(file, NULL, 0) < 0 && errno == ENOSYS);
	NEED(bind(file, NULL, 0) < 0 && errno == ENOSYS);
	NEED(accept(file, NULL, NULL) < 0 && errno == ENOSYS);
	NEED(fsync(file) < 0 && errno == ENOSYS);
	NEED(fchown(file, 0, 0) < 0 && errno == ENOSYS);
	NEED(syscall(SYS_setresuid, 1, 1, 1) < 0 && errno == ENOSYS);
	NEED(setpriority(PRIO_PROCESS, 0, 1) < 0 && errno == ENOSYS);
#ifndef SANITIZERS
	NEED(fork() < 0);
	NEED(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) < 0 && errno == ENOSYS);
	NEED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 && errno == ENOSYS);
	NEED(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(p != MAP_FAILED && mprotect(p, 4096, PROT_READ) == 0 && mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0);
#endif
	return 0;
}

static void *thread(void *arg)
{
	*(int *)arg = openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
	return NULL;
}

static int threads_only(void)
{
	pthread_t t;
	int found = -1;

	NEED(priv_seccomp(PRIV_SYS_THREADS, 0, 0) == ERR_OK);
	NEED(pthread_create(&t, NULL, thread, &found) == 0 && pthread_join(t, NULL) == 0);
#ifndef SANITIZERS
	NEED(found == ENOSYS);
	NEED(fork() < 0 && errno == ENOSYS);
#endif
	return 0;
}

static pthread_barrier_t barrier;

static void *early_thread(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	*(int *)arg = mkdirat(-1, "x", 0) < 0 ? errno : 0;
	return NULL;
}

/* A thread that was there before is filtered too. */
static int all_threads(void)
{
	pthread_t t;
	int found = -1;

	NEED(pthread_barrier_init(&barrier, NULL, 2) == 0);
	NEED(pthread_create(&t, NULL, early_thread, &found) == 0);
	pthread_barrier_wait(&barrier);
	NEED(priv_seccomp(0, 0, 0) == ERR_OK);
	pthread_barrier_wait(&barrier);
	NEED(pthread_join(t, NULL) == 0 && found == ENOSYS);
	return 0;
}

static int forks(void)
{
	int status;

	NEED(priv_seccomp(PRIV_SYS_FORK, 0, 0) == ERR_OK);
	pid_t pid = fork();
	if (pid == 0)
		_exit(7);
	NEED(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
#ifndef SANITIZERS
	NEED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == ENOSYS);
#endif
	return 0;
}

static int files_work(void)
{
	struct buf b;
	int fd;

	buf_init(&b, 1 << 20);
	NEED(priv_seccomp(PRIV_SYS_FILES, 0, 0) == ERR_OK);
	NEED(file_slurp(AT_FDCWD, "/etc/passwd", &b) == ERR_OK && buf_len(&b) > 0);
	NEED(file_open_dir(AT_FDCWD, "/tmp", &fd) == ERR_OK);
	NEED(file_replace(fd, "postrider-seccomp-test", buf_view(&b), 0600) == ERR_OK);
	NEED(unlinkat(fd, "postrider-seccomp-test", 0) == 0);
	buf_fini(&b);
	return 0;
}

static int sockets_work(void)
{
	struct sock_addr a;
	int fd, fds[2];

	NEED(sock_addr_parse(VIEW("127.0.0.1"), 9, &a) == ERR_OK);
	NEED(priv_seccomp(PRIV_SYS_CONNECT | PRIV_SYS_SOCKET | PRIV_SYS_ACCEPT, 0, 0) == ERR_OK);
	int err = sock_connect(&a, &fd);
	NEED(err == ERR_AGAIN || err == ERR_LOST || err == ERR_OK);
	NEED(sock_pair(SOCK_STREAM, fds) == ERR_OK);
	NEED(accept(fds[0], NULL, NULL) < 0 && errno != ENOSYS);
	NEED(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == ENOSYS);
	NEED(socket(AF_UNIX, SOCK_DGRAM, 0) < 0 && errno == ENOSYS);
	return 0;
}

static int may_become(void)
{
	NEED(priv_seccomp(PRIV_SYS_SETID, 2000, 3000) == ERR_OK);
	NEED(priv_become(2500, 3000, NULL, 0, 0) == ERR_OK);
	NEED(getuid() == 2500);
	return 0;
}

static int confines_further(void)
{
	int abi;

	NEED(priv_seccomp(PRIV_SYS_CONFINE | PRIV_SYS_FILES, 0, 0) == ERR_OK);
	NEED(priv_landlock(NULL, 0, false, &abi) == ERR_OK);
	NEED(priv_no_new_privs(true) == ERR_OK && priv_limits(20, 0, 0) == ERR_OK);
	NEED(priv_seccomp(0, 0, 0) == ERR_OK);
	NEED(chdir("/") < 0 && errno == ENOSYS);
	return 0;
}

#ifndef SANITIZERS /* their start needs more calls than any role has */
static int executes(void)
{
	NEED(priv_seccomp(PRIV_SYS_EXEC | PRIV_SYS_FILES, 0, 0) == ERR_OK);
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}
#endif

static int signals_others(void)
{
	NEED(priv_seccomp(PRIV_SYS_KILL, 0, 0) == ERR_OK);
	NEED(kill(getppid(), 0) == 0);
	return 0;
}

static void lets_through(void **state)
{
	(void)state;
	assert_child_ok(base_works);
	assert_child_ok(base_opens_nothing);
	assert_child_ok(base_has_no_more);
	assert_child_ok(threads_only);
	assert_child_ok(all_threads);
	assert_child_ok(forks);
	assert_child_ok(files_work);
	assert_child_ok(sockets_work);
	assert_child_ok(confines_further);
	assert_child_ok(signals_others);
#ifndef SANITIZERS
	assert_child_ok(executes);
#endif
	if (geteuid() == 0)
		assert_child_ok(may_become);
}

static long do_exec(void) { return syscall(SYS_execve, "/bin/true", NULL, NULL); }
static long do_execat(void) { return syscall(SYS_execveat, -1, "/bin/true", NULL, NULL, 0); }
static long do_uring(void) { return syscall(SYS_io_uring_setup, 1, NULL); }
static long do_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0); }
static long do_mount(void) { return syscall(SYS_mount, NULL, NULL, NULL, 0, NULL); }
static long do_unshare(void) { return syscall(SYS_unshare, 0); }
static long do_handle(void) { return syscall(SYS_open_by_handle_at, -1, NULL, 0); }
static long do_tkill(void) { return syscall(SYS_tkill, getppid(), 0); }
static long do_queue(void) { return syscall(SYS_rt_sigqueueinfo, getppid(), 0, NULL); }
#ifndef SANITIZERS
static long do_ptrace(void) { return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }
static long do_vm_read(void) { return syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0); }
static long do_kill(void) { return syscall(SYS_kill, getppid(), 0); }
static long do_tgkill(void) { return syscall(SYS_tgkill, getppid(), getppid(), 0); }
static long do_kill_group(void) { return syscall(SYS_kill, -1, 0); }
static long do_kill_own_group(void) { return syscall(SYS_kill, 0, 0); }
#endif
#if defined(__x86_64__)
/* The same kernel by its other door: getpid of the x32 calls. */
static long do_x32(void) { return syscall(0x40000000 + 39); }
#endif

/* The case that the child is to try. */
static long (*forbidden)(void);

static int tries_it(void)
{
	NEED(priv_seccomp(0xfff & ~(unsigned)(PRIV_SYS_EXEC | PRIV_SYS_KILL | PRIV_SYS_FORK), 0, 0) == ERR_OK);
	forbidden();
	return 0;
}

static void kills(void **state)
{
	static long (*const all[])(void) = { do_exec, do_execat, do_uring, do_bpf, do_mount, do_unshare, do_handle, do_tkill, do_queue,
#ifndef SANITIZERS
		do_ptrace, do_vm_read, do_kill, do_tgkill, do_kill_group, do_kill_own_group,
#endif
#if defined(__x86_64__)
		do_x32,
#endif
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		forbidden = all[i];
		int status = in_child(tries_it);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("forbidden call %zu: not killed (status %#x)", i, (unsigned)status);
	}
}

static struct {
	long call, a, b, c;
} set_id;

static int tries_set_id(void)
{
	NEED(priv_seccomp(PRIV_SYS_SETID, 2000, 3000) == ERR_OK);
	syscall(set_id.call, set_id.a, set_id.b, set_id.c);
	return 0;
}

/* Outside the bounds in any argument: dead. */
static void bounds_ids(void **state)
{
	static const long bad[][3] = { { 0, 0, 0 }, { 2500, 2500, 0 }, { 0, 2500, 2500 }, { 2500, 1999, 2500 }, { 3001, 2500, 2500 },
		{ -1, 2500, 2500 }, { 0x100000000, 2500, 2500 } };
	static const long calls[] = { SYS_setresuid, SYS_setresgid };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			set_id.call = calls[k];
			set_id.a = bad[i][0];
			set_id.b = bad[i][1];
			set_id.c = bad[i][2];
			assert_child_killed(tries_set_id);
		}
	}
	set_id.call = SYS_setgroups;
	set_id.a = 1;
	assert_child_killed(tries_set_id);
	set_id.a = 0;
	assert_child_ok(tries_set_id);
	/* The other ways to another id do not exist. */
	set_id.call = SYS_setuid;
	set_id.a = 0;
	assert_child_ok(tries_set_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_through),
		cmocka_unit_test(kills),
		cmocka_unit_test(bounds_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
