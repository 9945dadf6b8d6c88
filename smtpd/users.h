/* SPDX-License-Identifier: ISC */
/* The names of this host's users, from the /etc/passwd that master opened: a confined process opens no file. */
#ifndef POSTRIDER_SMTPD_USERS_H
#define POSTRIDER_SMTPD_USERS_H

#include <stdint.h>

#include "base/view.h"

struct users;
/* Reads an open file of that size; NULL, and logged, where that cannot be. */
struct users *users_read(int fd, uint64_t size);
/* From text in passwd(5)'s form. */
struct users *users_parse(struct view text);
void users_free(struct users *u);
/* The name of the uid's first line; empty where there is none. Lives as long as u. */
struct view users_name(const struct users *u, uint32_t uid);

#endif
