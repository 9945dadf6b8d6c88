/* SPDX-License-Identifier: ISC */
/* What the journal's tests share: a directory of their own, small streams, texts in and out. */
#ifndef POSTRIDER_TESTS_JOURNAL_HELP_H
#define POSTRIDER_TESTS_JOURNAL_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "journal/journal.h"
#include "tests/unit/base/random.h"

struct home {
	char path[64];
	int fd;
};

/* An empty directory, and its end with all that is in it. */
int home_new(void **state);
int home_free(void **state);
#define home_test(f) cmocka_unit_test_setup_teardown(f, home_new, home_free)
struct home home_make(void);
void home_remove(struct home *h);
/* Removes the files in it. */
void home_empty(const struct home *h);
/* The first name in it that holds this text, or "". Valid until the next call. */
const char *home_first_name(const struct home *h, const char *part);
void home_copy(const struct home *from, const struct home *to);

/* Opens (creating, unless as a reader) with segments of this size (0: the default) and small frames; fails the test when it cannot. */
struct journal *home_open(struct home *h, enum journal_role role, uint64_t segment_size);
void add_text(struct journal *j, uint16_t kind, const char *text);
/* All payloads from the start, joined by '|'. */
void assert_texts(struct journal *j, const char *expected);
void texts_of(struct journal *j, struct buf *b);
size_t count_frames(struct journal *j, uint64_t from);
/* Those behind *at, which moves on. */
size_t count_frames_on(struct journal *j, uint64_t *at);
/* The text in a buffer that stays valid for some calls. */
const char *mem_text(struct view v);

#endif
