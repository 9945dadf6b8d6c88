/* SPDX-License-Identifier: ISC */
/* What keyd answers: the handlers of its three requests. Their argument is a struct daemon whose user is a struct keyd. */
#ifndef POSTRIDER_KEYD_ANSWERS_H
#define POSTRIDER_KEYD_ANSWERS_H

#include "daemon/daemon.h"

struct keyd;
/* Keys are read below dirfd, which stays the caller's. Says so in the log where there is no default certificate. */
struct keyd *keyd_new(int dirfd);
void keyd_free(struct keyd *k);
/* Files may have changed. */
void keyd_reload(struct keyd *k);
extern const struct ipc_handler keyd_handlers[];

#endif
