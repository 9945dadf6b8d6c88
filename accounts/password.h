/* SPDX-License-Identifier: ISC */
/*
 * From a password to what is stored: a yescrypt hash (crypt(3), `$y$`) for mechanisms that send the password, and SCRAM-SHA-256 keys. From
 * neither can the password be read back. Costs some 20 ms and 16 MiB: for a thread of the pool.
 */
#ifndef POSTRIDER_ACCOUNTS_PASSWORD_H
#define POSTRIDER_ACCOUNTS_PASSWORD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

enum { PASSWORD_MAX = 511 }; /* what crypt(3) takes */

/* NULL when the password can be taken; else what is wrong with it. */
const char *password_fault(struct view password);
/* Adds the hash, and the SCRAM keys. */
MUST_CHECK int password_store(struct view password, struct buf *hash, struct buf *scram);

#endif
