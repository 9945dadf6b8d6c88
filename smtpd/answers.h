/* SPDX-License-Identifier: ISC */
/*
 * Answers of lookup that are used again for some seconds, so that a steady stream of mail to the same addresses asks nothing. Only good answers are
 * kept. An answer is counted by reference: a transaction holds those of its recipients after the table has forgotten them.
 */
#ifndef POSTRIDER_SMTPD_ANSWERS_H
#define POSTRIDER_SMTPD_ANSWERS_H

#include <stdint.h>

#include "base/view.h"

enum {
	ANSWERS_LIFE = 5000,            /* ms that an answer is believed; lookup tells of changes, which clear all */
	ANSWERS_MAX = 20000,            /* entries */
	ANSWERS_OCTETS = 8 * 1024 * 1024, /* of all answers */
};

struct answer {
	unsigned refs;
	uint64_t until; /* ms of the monotonic clock */
	struct view sealed; /* lives in the answer */
};

/* A new answer with one reference, the caller's. */
struct answer *answer_new(struct view sealed);
struct answer *answer_ref(struct answer *a);
void answer_unref(struct answer *a); /* NULL is ignored */

struct answers;
struct answers *answers_new(void);
void answers_free(struct answers *t);
/* A reference to what is known of key at `now`, or NULL. */
struct answer *answers_get(struct answers *t, struct view key, uint64_t now);
/* Remembers a (another reference) until now + ANSWERS_LIFE. A full table forgets everything: that costs a question each. */
void answers_put(struct answers *t, struct view key, struct answer *a, uint64_t now);
void answers_clear(struct answers *t);

#endif
