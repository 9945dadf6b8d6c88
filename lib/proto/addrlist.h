/* SPDX-License-Identifier: ISC */
/*
 * Address lists of header fields (RFC 5322 3.4), read one address at a time, in linear time and without recursion:
 * comments are counted, a group is a flag. Lists in the wild are broken in many ways, so nothing is an error: what
 * cannot be read as an address is skipped up to the next comma.
 */
#ifndef POSTRIDER_PROTO_ADDRLIST_H
#define POSTRIDER_PROTO_ADDRLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/view.h"

#define ADDR_PART_MAX 1000 /* octets kept of a name, local part, domain or route */

enum addr_kind { ADDR_MAILBOX, ADDR_GROUP, ADDR_GROUP_END };

struct addr_list {
	struct view in;
	size_t at;
	bool in_group;
	/* The address at hand, quotes undone, comments out of it; valid until the next call. */
	enum addr_kind kind;
	struct buf name;   /* display name, or a comment that stands for it; the group's name */
	struct buf route;  /* RFC 5322 4.4, without the colon */
	struct buf local;
	struct buf domain; /* empty where there is none */
	struct buf comment;
};

/* raw is a field's value as it came, or several joined by commas. It must outlive the list. */
void addr_list_init(struct addr_list *l, struct view raw);
void addr_list_fini(struct addr_list *l);
/* The next address, group or end of a group; false at the end. */
bool addr_list_next(struct addr_list *l);

#endif
