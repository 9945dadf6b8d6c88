/* SPDX-License-Identifier: ISC */
/*
 * sendmail(1), as every Unix program expects it: what the parts share. sendmail.c reads the command line, sendmail_message.c makes a message of
 * standard input, sendmail_client.c hands it to the receiver over its UNIX socket. No privilege is needed: the kernel names the caller there.
 */
#ifndef POSTRIDER_CONTROL_SENDMAIL_H
#define POSTRIDER_CONTROL_SENDMAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/view.h"

/* Exit codes that callers know from <sysexits.h>. */
enum { SM_OK = 0, SM_USAGE = 64, SM_DATA = 65, SM_NO_USER = 67, SM_UNAVAILABLE = 69, SM_SOFTWARE = 70, SM_OS = 71, SM_IO = 74, SM_LATER = 75,
	SM_CONFIG = 78 };

struct sendmail {
	const char *socket;   /* path of the receiver's socket */
	const char *hostname;
	const char *user;     /* the caller's login name */
	const char *sender;   /* -f; NULL: the user */
	const char *name;     /* -F, or NULL */
	const char *notify, *ret, *envid; /* -N, -R, -V, or NULL */
	bool from_headers;    /* -t */
	bool ignore_dots;     /* -i */
	bool verify;          /* -bv */
	bool verbose;         /* -v */
	struct buf rcpts;     /* each ends in NUL */
	size_t nrcpts;
	struct buf message;   /* lines end in CRLF */
	bool eight_bit, utf8; /* it, or its header or envelope, has octets above 0x7f */
};

/* Adds the addresses of a list ("a@x, B <b@x>"); false when there is none in it. */
bool sendmail_add(struct sendmail *s, struct view list);
/* Reads standard input into message, takes recipients from the header with -t. An exit code. */
int sendmail_read(struct sendmail *s, int fd);
/* Makes a message of the octets as they came from a program. The part of sendmail_read without I/O. */
int sendmail_take(struct sendmail *s, struct view raw);

/* Connects, trying for 30 s while the suite is being started anew; -1 when nobody is there. */
int sendmail_connect(const char *path);
/*
 * Hands the message in. An exit code; what went wrong was said on standard error. *again: the connection was lost before the message was
 * on its way, so that it can be handed in anew without being there twice.
 */
int sendmail_send(struct sendmail *s, int fd, bool *again);
/* -bs: carries octets between standard input and output and the socket. An exit code. */
int sendmail_carry(int fd);

#endif
