/* SPDX-License-Identifier: ISC */
/*
 * A slow device, emulated: loaded into every process of a server through /etc/ld.so.preload, it lets each flush run and then sleep until it
 * has taken FLUSH_NS. Flushes that run at the same time sleep at the same time, as on a device that merges them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_NS INT64_C(4000000)

static int64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The result of the call and its errno stay as they were. */
static int slowly(long result, int64_t began)
{
	int err = errno;
	int64_t left = began + FLUSH_NS - now();
	struct timespec t = { .tv_nsec = (long)left };

	while (left > 0 && nanosleep(&t, &t) != 0 && errno == EINTR)
		continue;
	errno = err;
	return (int)result;
}

int fsync(int fd)
{
	int64_t began = now();

	return slowly(syscall(SYS_fsync, fd), began);
}

int fdatasync(int fd)
{
	int64_t began = now();

	return slowly(syscall(SYS_fdatasync, fd), began);
}

int syncfs(int fd)
{
	int64_t began = now();

	return slowly(syscall(SYS_syncfs, fd), began);
}

int sync_file_range(int fd, off64_t offset, off64_t n, unsigned flags)
{
	int64_t began = now();

	return slowly(syscall(SYS_sync_file_range, fd, offset, n, flags), began);
}
