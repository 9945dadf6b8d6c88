/* SPDX-License-Identifier: ISC */
/*
 * Where mail to an address goes: aliases are expanded (at most RESOLVE_DEPTH deep, RESOLVE_VISITS addresses looked at, RESOLVE_TARGETS
 * results), loops are cut, and no target stands twice. The order in which an address of a hosted domain is looked for: its alias, its account,
 * then both without the tag. An alias that names itself means the account of that name. Addresses
 * of our domains are compared without regard to case. Pure over a table: no channel, no clock.
 */
#ifndef POSTRIDER_LOOKUP_RESOLVE_H
#define POSTRIDER_LOOKUP_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/address.h"
#include "table/table.h"

enum { RESOLVE_DEPTH = 100, RESOLVE_TARGETS = 1000, RESOLVE_VISITS = 5000 };

enum resolve_outcome {
	RESOLVE_FOUND,   /* there is at least one target */
	RESOLVE_LATER,   /* could not be asked: err says why */
	RESOLVE_NONE,    /* a domain of ours, without this address */
	RESOLVE_FOREIGN, /* not a domain of ours; the address itself is the one target */
};

enum resolve_kind { RESOLVE_LOCAL = 1, RESOLVE_REMOTE = 2 };

struct resolve_target {
	enum resolve_kind kind;
	uint32_t uid;
	size_t at, n; /* its address in resolved.text */
};

struct resolved {
	enum resolve_outcome outcome;
	bool ours; /* the domain is hosted here */
	int err;   /* for RESOLVE_LATER; ERR_LIMIT: an alias goes too far */
	size_t count;
	struct resolve_target targets[RESOLVE_TARGETS];
	struct buf text;
};

struct resolver {
	struct table *table;
	struct view delimiter;  /* of tags; empty: none */
	struct view postmaster; /* an address, or empty */
};

struct resolved *resolved_new(void);
void resolved_free(struct resolved *r);
struct view resolved_address(const struct resolved *r, size_t i);

/* Resolves address (from entry_address) into out, which is reset first. Call table_refresh before. */
void resolve(const struct resolver *r, const struct address *address, struct resolved *out);
/*
 * The account that a user means who logs in as this address: its account, or that without the tag's account; aliases are not followed.
 * value gets the entry, *name the account's address. ERR_NOT_FOUND, or could not ask.
 */
MUST_CHECK int resolve_account(const struct resolver *r, const struct address *address, struct address *name, struct buf *value);
/* May this account send as this address: its own, with any tag, or an alias that ends at this account and nowhere else? */
MUST_CHECK int resolve_owns(const struct resolver *r, struct view account, const struct address *address, bool *owns);

#endif
