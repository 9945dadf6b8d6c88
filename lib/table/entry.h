/* SPDX-License-Identifier: ISC */
/*
 * What stands in the table of domains, accounts and aliases: the one place that knows its keys and values.
 *   domain:example.test         created, postmaster (the domain's first account)
 *   account:alice@example.test  uid, created, disabled, password (crypt(3)), scram (RFC 5803 form for SCRAM-SHA-256)
 *   alias:info@example.test     one target in a line
 *   uid:1900000000              account (kept when the account is deleted: a uid is never given again)
 *   first-account               account
 *   next-uid                    uid
 * Values but aliases are `name=value` lines; names that a reader does not know are none of its business. Addresses are in
 * canonical form (proto/address.h); in keys the letters A to Z are in lower case.
 */
#ifndef POSTRIDER_TABLE_ENTRY_H
#define POSTRIDER_TABLE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"
#include "proto/address.h"

#define ENTRY_TABLE "main"      /* the table's name in directory.tables */
#define ENTRY_TARGETS_MAX 1000  /* of one alias */

/* Canonical, with a domain; the local part's case is kept, as it must be for other hosts (RFC 5321 2.4). False where v is no address. */
bool entry_address(struct view v, struct address *out);
/* Its letters A to Z in lower case: how an address of ours is looked up and stored. */
void entry_fold(struct address *a);

struct entry_account {
	uint32_t uid;
	bool disabled;
	uint64_t created;
	struct view password, scram; /* views into what was read */
};
/* ERR_DAMAGED where a field is missing or malformed. */
MUST_CHECK int entry_account_get(struct view value, struct entry_account *out);
void entry_account_put(struct buf *b, const struct entry_account *a);

struct entry_domain {
	uint64_t created;
	struct view postmaster; /* empty when it has no account yet */
};
MUST_CHECK int entry_domain_get(struct view value, struct entry_domain *out);
void entry_domain_put(struct buf *b, const struct entry_domain *d);

/* The field's value; false when there is none. */
bool entry_field(struct view value, const char *name, struct view *out);
/* "account:" and the rest: for struct delta_change and table_get. */
void entry_key(struct buf *b, const char *kind, struct view name);
void entry_key_uid(struct buf *b, uint32_t uid);

#endif
