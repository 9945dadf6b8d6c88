/* SPDX-License-Identifier: ISC */
/* A home for a target that works on a file: one for all inputs, and nothing is left behind. */
#ifndef POSTRIDER_TESTS_FUZZ_HOME_H
#define POSTRIDER_TESTS_FUZZ_HOME_H

/* Makes it and gives its descriptor. At the end of the process the file (in the directory dir of it) goes, then dir, then the home. Once a process. */
int fuzz_home(const char *dir, const char *file);

#endif
