/* SPDX-License-Identifier: ISC */
/* The commits of the last minutes by their random ids, oldest first: what makes a commit that is said twice one message. Bounded in number. */
#ifndef POSTRIDER_QMGR_COMMITS_H
#define POSTRIDER_QMGR_COMMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

#define COMMIT_ID 16
#define COMMITS_MAX 100000

struct commits;
struct commits *commits_new(void);
void commits_free(struct commits *c);
size_t commits_count(const struct commits *c);
/* Remembers id (COMMIT_ID octets; others are ignored) as committed under number at this time. */
void commits_add(struct commits *c, struct view id, uint64_t number, uint64_t at);
/* The number, or 0. */
uint64_t commits_find(const struct commits *c, struct view id);
/* Drops what is older than `before`. */
void commits_forget(struct commits *c, uint64_t before);
/* The i-th, oldest first. */
struct commit_entry {
	char id[COMMIT_ID];
	uint64_t number, at;
};
const struct commit_entry *commits_at(const struct commits *c, size_t i);

#endif
