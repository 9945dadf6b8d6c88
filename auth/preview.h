/* SPDX-License-Identifier: ISC */
/*
 * Who wants to log in? Read from the client's first octets before libsasl sees them, so that the account can be asked for. What is not well formed is
 * refused here; the names are the client's own and prove nothing.
 */
#ifndef POSTRIDER_AUTH_PREVIEW_H
#define POSTRIDER_AUTH_PREVIEW_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/view.h"

/* RFC 4616 2: [authzid] NUL authcid NUL passwd, neither of the last two empty, exactly two NULs. The views stand in v. */
bool preview_plain(struct view v, struct view *authzid, struct view *authcid, struct view *password);
/* RFC 5802 7: client-first-message. The names are decoded and added to the bufs (authzid stays empty where there is none). */
bool preview_scram(struct view v, struct buf *authzid, struct buf *authcid);

#endif
