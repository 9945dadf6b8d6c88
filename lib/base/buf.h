/* SPDX-License-Identifier: ISC */
/*
 * A buf: bytes that grow, up to a maximum stated when it is made. An addition that would pass the maximum adds nothing
 * and sets `over`, which stays set until buf_reset: a caller builds a whole and asks once. Lack of memory ends the
 * process. The bytes stay valid until the next call that changes the buf.
 */
#ifndef POSTRIDER_BASE_BUF_H
#define POSTRIDER_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

struct buf {
	char *mem;   /* what was allocated, or NULL */
	size_t off;  /* where the bytes begin in mem */
	size_t n;    /* how many bytes there are */
	size_t cap;  /* allocated size */
	size_t max;  /* n never passes this */
	bool over;   /* an addition was refused */
};

/* An empty buf that never holds more than max octets. Allocates nothing until the first addition. */
void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buf is empty, with its maximum, and may be used again. */
void buf_fini(struct buf *b);
/* Forgets the bytes and `over`, keeps the memory. */
void buf_reset(struct buf *b);

static inline struct view buf_view(const struct buf *b)
{
	return (struct view){ b->mem ? b->mem + b->off : NULL, b->n };
}
static inline size_t buf_len(const struct buf *b) { return b->n; }
static inline bool buf_ok(const struct buf *b) { return !b->over; }

void buf_add(struct buf *b, const void *p, size_t n);
void buf_addv(struct buf *b, struct view v);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addu(struct buf *b, uint64_t u);          /* decimal */
void buf_addi(struct buf *b, int64_t i);           /* decimal */
void buf_addhex(struct buf *b, const void *p, size_t n); /* lower-case hex */
void buf_addjson(struct buf *b, struct view v); /* as a JSON string with its quotes */
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(struct buf *b, const char *fmt, va_list ap);

/* Little-endian binary. */
void buf_put8(struct buf *b, uint8_t v);
void buf_put16(struct buf *b, uint16_t v);
void buf_put32(struct buf *b, uint32_t v);
void buf_put64(struct buf *b, uint64_t v);

/*
 * Room for n more octets behind the bytes, to be written by the caller, then counted by buf_commit(k), k <= n. NULL,
 * and `over`, when n would pass the maximum.
 */
char *buf_room(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t k);
/* Drops the first k octets (all, when there are fewer). Amortised constant time. */
void buf_consume(struct buf *b, size_t k);
/* Drops octets behind the first n. */
void buf_cut(struct buf *b, size_t n);
/* The bytes as a C string: a NUL is kept behind them and not counted. Valid until the buf changes. "" when empty. */
const char *buf_str(struct buf *b);
/* Gives unused memory back when the buf is empty: for idle connections. */
void buf_shrink(struct buf *b);

/*
 * One piece of memory for many bufs that are filled and emptied in turns: spare is an empty buf whose maximum is the size of it. b, with what it
 * holds, moves there, and back to memory of its own when it no longer fills half of it; else it keeps the memory, and spare gets another the next time.
 */
void buf_borrow(struct buf *b, struct buf *spare);
void buf_give_back(struct buf *b, struct buf *spare);

#endif
