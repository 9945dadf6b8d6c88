/* SPDX-License-Identifier: ISC */
/*
 * Events for people and programs: one line each, an event name and typed fields, never a format string:
 *   log_info("delivered", LV("queue_id", id), LU("size", n));
 * gives `2026-11-22T02:12:44.123Z level=info event=delivered queue_id=… size=…`. Values with blanks, quotes, controls or
 * octets over 0x7e are quoted and escaped (\xHH), capped at 1,024 octets; a line has at most 8 KiB. Lines are gathered and
 * go out in one write at log_flush (from a loop within 20 ms), when 16 KiB are waiting, or at once for errors. The log process adds role and pid.
 */
#ifndef POSTRIDER_LOG_LOG_H
#define POSTRIDER_LOG_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
	const char *name; /* NULL ends the list */
	enum { LOG_TEXT, LOG_UNSIGNED, LOG_SIGNED, LOG_ERR, LOG_ERRNO } type;
	struct view v;
	uint64_t u;
	int64_t i;
};
#define LS(k, s) ((struct log_field){ .name = (k), .type = LOG_TEXT, .v = view_of(s) })
#define LV(k, w) ((struct log_field){ .name = (k), .type = LOG_TEXT, .v = (w) })
#define LU(k, x) ((struct log_field){ .name = (k), .type = LOG_UNSIGNED, .u = (uint64_t)(x) })
#define LI(k, x) ((struct log_field){ .name = (k), .type = LOG_SIGNED, .i = (int64_t)(x) })
#define LERR(k, e) ((struct log_field){ .name = (k), .type = LOG_ERR, .i = (e) })     /* an ERR_ code */
#define LERRNO(k, e) ((struct log_field){ .name = (k), .type = LOG_ERRNO, .i = (e) }) /* an errno value */

/* Where lines go: fd is a stream or packet socket to the log process, or a file; -1 is standard error (the start). Not closed. */
void log_to(int fd, enum log_level least);
/* Lines are prefixed with role=NAME pid=N when the sink does not do that itself (standard error). */
void log_role(const char *role);
/*
 * For forks that share their sink with others, so that the log process cannot tell them apart: lines say program=NAME themselves, and
 * child=PID. The name must stay.
 */
void log_program(const char *name);
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* loop_run calls it a little after lines were written. */
void log_flush(void);
size_t log_waiting(void); /* octets */
/* Renders a line without time and level, for tests and for the log process. */
struct buf;
void log_render(struct buf *b, const char *event, const struct log_field *fields);

#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) { .name = NULL } })
#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_write(LOG_LEVEL_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...) log_write(LOG_LEVEL_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, LOG_FIELDS(__VA_ARGS__))

#endif
