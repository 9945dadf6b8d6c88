/* SPDX-License-Identifier: ISC */
/* What the mailbox' tests share: a home of their own, deliveries into it, a store with its loop. */
#ifndef POSTRIDER_TESTS_MAILBOX_HELP_H
#define POSTRIDER_TESTS_MAILBOX_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "mailbox/mailbox.h"

struct account {
	char path[64];
	int fd;
	uint64_t deliveries;
	struct loop *loop;
	struct store *store;
	uint64_t segment_size, tidy_least;
};

int account_new(void **state);
int account_free(void **state);
#define account_test(f) cmocka_unit_test_setup_teardown(f, account_new, account_free)

/* Opens (again): what was not flushed stays, as after the end of a process. */
struct store *account_open(struct account *a);
void account_close(struct account *a);
/* A second process' store on the same home, in this process. */
struct store *account_other(struct account *a);

/* As local-delivery does: one record with this text, for these targets ("Junk:\\Seen $x,Archive:"; NULL: none). */
void deliver(struct account *a, const char *text, const char *targets);
/* Refreshes and waits until all is durable. */
void settle(struct store *s);
/* Appends and waits. */
uint32_t append_text(struct store *s, const char *mailbox, const char *text, uint8_t flags);

struct mailbox_view *view_of_mailbox(struct store *s, const char *name);
struct uidset uids_of(uint32_t first, uint32_t last);
/* "1:a 2:b" : uid and content of every message that the view has; "?" where it is gone. The text is valid until the next call. */
const char *contents(struct account *a, struct store *s, struct mailbox_view *v);
/* The same of a mailbox by name, by a view of its own. */
const char *contents_of(struct account *a, struct store *s, const char *name);
/* What a view is told: "-2(5) f1(3) =4". */
const char *changes(struct account *a, struct mailbox_view *v, bool expunges);

#endif
