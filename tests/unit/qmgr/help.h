/* SPDX-License-Identifier: ISC */
/* What the tests of qmgr share: cmocka with what it needs, encoded records. */
#ifndef TESTS_UNIT_QMGR_HELP_H
#define TESTS_UNIT_QMGR_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "qmgr/state.h"
#include "tests/unit/qmgr/scratch.h"

/* Adds a recipient to a list. */
void help_rcpt(struct buf *list, uint8_t kind, uint32_t uid, const char *address);
/* A message for n local recipients (uids 1000…), as a record's payload. */
void help_message(struct buf *out, uint64_t arrived, const char *sender, uint32_t n, const char *commit_id);
/* A result: outcomes of the recipients from first on, one letter each: d(one), l(ater), n(ever). */
void help_result(struct buf *out, uint64_t message, uint64_t at, uint64_t next_try, uint32_t first, const char *outcomes);
void help_act(struct buf *out, uint64_t message, uint8_t action, uint64_t at);
void help_identity(struct buf *out);
/* Applies and expects success; the buf is reset. */
void help_apply(struct state *s, uint64_t position, uint16_t kind, struct buf *b);

#endif
