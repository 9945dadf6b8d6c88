/* SPDX-License-Identifier: ISC */
/* The names of this host's users, as /etc/passwd had them when the process started: a confined process opens no file. */
#ifndef POSTRIDER_SMTPD_USERS_H
#define POSTRIDER_SMTPD_USERS_H

#include <stdint.h>

#include "base/view.h"

struct users;
/* Reads the file; one that cannot be read gives an empty table. */
struct users *users_read(const char *directory, const char *name);
/* From text in passwd(5)'s form. */
struct users *users_parse(struct view text);
void users_free(struct users *u);
/* The name of the uid's first line; empty where there is none. Lives as long as u. */
struct view users_name(const struct users *u, uint32_t uid);

#endif
