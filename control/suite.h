/* SPDX-License-Identifier: ISC */
/* What postrider(1) knows of a running suite: the lock on master's pid file, and the status file that master keeps. */
#ifndef POSTRIDER_CONTROL_SUITE_H
#define POSTRIDER_CONTROL_SUITE_H

#include <sys/types.h>

#include "cli.h"

/* The process id of the master that holds the lock on its pid file; 0: none runs. */
pid_t suite_pid(const struct cli *c);
/* The whole status file; empty while there is none. */
void suite_status(const struct cli *c, struct buf *out);
/* The value of a top-level or per-line field, "key":"text" or "key":number, in this piece of the status file; empty when absent. */
struct view suite_field(struct view status, const char *key);
/* Cuts the next process' line off *rest; false at the end. */
bool suite_process(struct view *rest, struct view *line);
/* Sleeps for the time between two looks. */
void suite_nap(void);

#endif
