/* SPDX-License-Identifier: ISC */
/* The clocks and the kernel's random source. */
#ifndef POSTRIDER_SYS_CLOCK_H
#define POSTRIDER_SYS_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Seconds since 1970; *ns gets the nanoseconds when not NULL. May jump. */
int64_t clock_wall(uint32_t *ns);
/* Milliseconds that never go back, for time-outs and schedules within a process' life. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
/* Blocks: for tools, never in a loop of events. */
void clock_sleep_ms(unsigned ms);
/* Random octets fit for keys and ids (getrandom); never fails: without randomness the process ends. */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

#endif
