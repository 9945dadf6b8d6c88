/* SPDX-License-Identifier: ISC */
/* Which start of the kernel this is: what stood in its memory alone is gone at the next one. */
#ifndef POSTRIDER_SYS_BOOT_H
#define POSTRIDER_SYS_BOOT_H

#include <stdint.h>

/* Asks the kernel, before the process is confined. */
void boot_learn(void);
/* A number of this start alone; 0: not known. */
uint64_t boot_id(void);
/* For tests: as if the machine had been started anew. */
void boot_pretend(uint64_t id);

#endif
