/* SPDX-License-Identifier: ISC */
/* The kinds of listeners, and in what they differ: one row each. The kind comes from the listener's name, never from the client. */
#ifndef POSTRIDER_SMTPD_CLASS_H
#define POSTRIDER_SMTPD_CLASS_H

#include <stdbool.h>

struct class {
	const char *listener; /* as in processes.c */
	bool lmtp;            /* RFC 2033: LHLO, and a reply for each recipient behind the content */
	bool tls_at_once;     /* RFC 8314 3.3 */
	bool login;           /* nothing is taken before AUTH, and only with the account's own addresses (RFC 6409) */
	bool kernel;          /* a UNIX socket: the kernel names the client's user */
	bool relay;           /* recipients elsewhere are taken */
	bool networks;        /* only from relay_networks */
	bool complete;        /* a missing Date, Message-ID or From is added (RFC 6409 8) */
	bool stranger;        /* errors, unknown recipients too, are counted and slowed down; connections per address are bounded */
};

/* NULL for a name that is none of ours. */
const struct class *class_find(const char *listener);

#endif
