/* SPDX-License-Identifier: ISC */
#include "sys/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/mem.h"

static struct timespec now(clockid_t id)
{
	struct timespec ts;

	INVARIANT(clock_gettime(id, &ts) == 0);
	return ts;
}

int64_t clock_wall(uint32_t *ns)
{
	struct timespec ts = now(CLOCK_REALTIME);

	if (ns)
		*ns = (uint32_t)ts.tv_nsec;
	return ts.tv_sec;
}

uint64_t clock_mono_ns(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

void clock_sleep_ms(unsigned ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR) {
	}
}

void random_bytes(void *p, size_t n)
{
	char *to = p;

	while (n) {
		ssize_t got = getrandom(to, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			DIE("the kernel gives no randomness (errno %d)", errno);
		to += got;
		n -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t u;

	random_bytes(&u, sizeof u);
	return u;
}
