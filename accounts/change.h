/* SPDX-License-Identifier: ISC */
/*
 * The changes that the tables know: each checks that it makes sense now and appends one record, all or nothing. They are in effect at once
 * and durable after table_flush. Where one is refused, `why` says what is wrong and what to do.
 */
#ifndef POSTRIDER_ACCOUNTS_CHANGE_H
#define POSTRIDER_ACCOUNTS_CHANGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"
#include "table/entry.h"
#include "table/table.h"

struct change {
	struct table_writer *w;
	const char *dir;              /* of the tables, for walks */
	uint32_t uid_first, uid_last; /* given to accounts in turn, never again */
	uint64_t now;
	struct buf *why;
};

MUST_CHECK int change_domain_add(struct change *c, struct view domain);
/* Refused while accounts or aliases are in it. */
MUST_CHECK int change_domain_delete(struct change *c, struct view domain);

/* May an account of this address be added now? Asked before its password is hashed, and again by change_account_add. */
MUST_CHECK int change_account_check(struct change *c, struct view address, struct address *out);
/* password, scram: as stored, empty for an account that nobody can log in to. */
MUST_CHECK int change_account_add(struct change *c, struct view address, struct view password, struct view scram, uint32_t *uid);
MUST_CHECK int change_account_password(struct change *c, struct view address, struct view password, struct view scram);
MUST_CHECK int change_account_disable(struct change *c, struct view address, bool disabled);
/* The mail stays where it is, and the uid is never given to another. */
MUST_CHECK int change_account_delete(struct change *c, struct view address, uint32_t *uid);

MUST_CHECK int change_alias_set(struct change *c, struct view address, const struct view *targets, size_t n);
MUST_CHECK int change_alias_delete(struct change *c, struct view address);

#endif
