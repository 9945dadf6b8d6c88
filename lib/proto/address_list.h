/* SPDX-License-Identifier: ISC */
/*
 * The addresses in a header field such as From (RFC 5322 3.4, with the groups that RFC 6854 allows there): display names and comments are
 * passed over, every addr-spec is given. It is strict, for it decides who may say to be whom: what it cannot read is an error, never skipped.
 */
#ifndef POSTRIDER_PROTO_ADDRESS_LIST_H
#define POSTRIDER_PROTO_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/view.h"
#include "proto/address.h"

/* fn gets each address in canonical form and gives false to stop. */
typedef bool address_fn(void *arg, const struct address *a);
/*
 * Walks the value of a field, folds and all. False where the text breaks the grammar; *count (may be NULL) is how many addresses were given.
 */
bool address_list_each(struct view value, address_fn *fn, void *arg, size_t *count);

#endif
