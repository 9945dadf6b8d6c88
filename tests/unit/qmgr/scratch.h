/* SPDX-License-Identifier: ISC */
/* A scratch directory for one test. */
#ifndef TESTS_UNIT_QMGR_SCRATCH_H
#define TESTS_UNIT_QMGR_SCRATCH_H

/* An empty directory below the temporary one: its descriptor; and its removal with all in it. */
int help_dir(char path[64]);
void help_remove(const char *path);

#endif
