/* SPDX-License-Identifier: ISC */
/*
 * Memory: the plain allocators that end the process where malloc fails (the supervisor restarts it), and arenas, which
 * are freed as a whole with the session, transaction or process that they serve.
 */
#ifndef POSTRIDER_BASE_MEM_H
#define POSTRIDER_BASE_MEM_H

#include <stddef.h>

#include "base/view.h"

/* Zeroed memory, freed with free(). Never NULL: lack of memory ends the process. */
void *mem_new(size_t n);
void *mem_array(size_t count, size_t size);
void *mem_resize(void *p, size_t n);
/* A NUL-terminated copy of the view (inner NULs are copied too), freed with free(). */
char *mem_str(struct view v);
/* Overwrites a secret in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);

/* An arena: allocate and never free, until arena_free or arena_reset. */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a);
void arena_reset(struct arena *a);
/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n);
struct view arena_view(struct arena *a, struct view v);
char *arena_str(struct arena *a, struct view v);
/* Octets handed out since the last reset: what a bound on a session's memory asks. */
size_t arena_used(const struct arena *a);

/* Ends the process with a message on standard error: for broken invariants. */
__attribute__((noreturn, format(printf, 3, 4))) void die_at(const char *file, int line, const char *fmt, ...);
#define DIE(...) die_at(__FILE__, __LINE__, __VA_ARGS__)
/* An assertion that stays in release builds: invariants are part of the program. */
#define INVARIANT(x) ((x) ? (void)0 : die_at(__FILE__, __LINE__, "invariant broken: %s", #x))

#endif
