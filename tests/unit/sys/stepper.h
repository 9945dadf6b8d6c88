/* SPDX-License-Identifier: ISC */
/*
 * A child that is killed at one of its system calls: ptrace(2) stops it (and its threads) before and after each, and it gets SIGKILL at the stop
 * that the test chose. So every system call is a step, whoever makes it.
 */
#ifndef POSTRIDER_TESTS_SYS_STEPPER_H
#define POSTRIDER_TESTS_SYS_STEPPER_H

#include <stdbool.h>

/* Whether this process may trace its children: not in every container. */
bool stepper_works(void);
/*
 * Runs fn(arg) in a child, which is killed at its kill_at-th stop (1 is the first). True: that came; false: fn had returned before, and *stops
 * says how many there were. A child that ends otherwise fails the test.
 */
bool stepper_kill(void (*fn)(void *arg), void *arg, unsigned long kill_at, unsigned long *stops);

#endif
