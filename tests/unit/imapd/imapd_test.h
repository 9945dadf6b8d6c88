/* SPDX-License-Identifier: ISC */
/* A fresh account, an imapd over it in this process, and clients that speak to it: what the tests of this directory share. */
#ifndef POSTRIDER_TESTS_UNIT_IMAPD_IMAPD_TEST_H
#define POSTRIDER_TESTS_UNIT_IMAPD_IMAPD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imapd/imapd.h"

struct fixture {
	struct loop *loop;
	struct store *store;
	struct imapd imapd;
	char home[64];
	bool timed_out;
};

struct client {
	struct fixture *f;
	int fd;
	struct io *io;
	struct buf got;
	const char *until; /* the loop stops when a line begins with this */
	bool closed;
};

#define TEST_MESSAGE_MAX 3000000

int fixture_setup(void **state);
int fixture_teardown(void **state);

void run_for(struct fixture *f, uint64_t ms);
/* Log in: the greeting of imapd is awaited and dropped. */
struct client *client_new(struct fixture *f);
void client_free(struct client *c);
/* Sends, and reads until a line begins with `until`: all that came. The test fails when that takes more than a few seconds. */
const char *talk(struct client *c, const char *send, const char *until);
void client_send(struct client *c, const void *p, size_t n);
const char *client_read(struct client *c, const char *until);
/* Sends "x COMMAND" and expects a tagged answer that begins like this: "OK", "NO [TRYCREATE]" … Gives all that came. */
const char *command(struct client *c, const char *text, const char *answer);
/* Appends a message by IMAP. */
void append(struct client *c, const char *mailbox, const char *flags, const char *message);

#define assert_has(text, part) assert_has_at((text), (part), true, __FILE__, __LINE__)
#define assert_lacks(text, part) assert_has_at((text), (part), false, __FILE__, __LINE__)
void assert_has_at(const char *text, const char *part, bool want, const char *file, int line);

#endif
