/* SPDX-License-Identifier: ISC */
/*
 * Numbers for randomised tests: the same for the same seed, so that a failure can be had again. TEST_SEED in the
 * environment takes the place of the seed that the test names.
 */
#ifndef POSTRIDER_TESTS_RANDOM_H
#define POSTRIDER_TESTS_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct rnd {
	uint64_t state;
};

static inline struct rnd rnd_new(uint64_t seed)
{
	const char *given = getenv("TEST_SEED");
	struct rnd r = { given ? strtoull(given, NULL, 0) : seed };

	fprintf(stderr, "seed %llu\n", (unsigned long long)r.state);
	return r;
}

/* SplitMix64. */
static inline uint64_t rnd_next(struct rnd *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* From 0 to n - 1. */
static inline size_t rnd_below(struct rnd *r, size_t n)
{
	return (size_t)(rnd_next(r) % n);
}

#endif
