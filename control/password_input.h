/* SPDX-License-Identifier: ISC */
/* Where passwords come from: a terminal that does not show them, standard input, or chance; and many accounts at once. */
#ifndef POSTRIDER_CONTROL_PASSWORD_INPUT_H
#define POSTRIDER_CONTROL_PASSWORD_INPUT_H

#include "cli.h"

/* Adds the password to out, as the options say; not 0: the exit code, printed. */
MUST_CHECK int password_input(const struct cli *c, struct buf *out);
/* `account add --batch`: a line for each account, many asked for at a time. */
int batch_add(struct cli *c);

#endif
