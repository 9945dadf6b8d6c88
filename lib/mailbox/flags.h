/* SPDX-License-Identifier: ISC */
/* What a message is marked with, as it stands in records: bits of the system flags (RFC 3501 2.3.2) and a set of the account's keywords. */
#ifndef POSTRIDER_MAILBOX_FLAGS_H
#define POSTRIDER_MAILBOX_FLAGS_H

#include <stdint.h>

/* Bit, IMAP name. \Recent is no stored flag: mailbox_view_recent tells it. */
#define MAIL_FLAG_TABLE(X)      \
	X(SEEN, 1, "\\Seen")         \
	X(ANSWERED, 2, "\\Answered") \
	X(FLAGGED, 4, "\\Flagged")   \
	X(DELETED, 8, "\\Deleted")   \
	X(DRAFT, 16, "\\Draft")

enum mail_flag {
#define X(name, bit, text) MAIL_##name = bit,
	MAIL_FLAG_TABLE(X)
#undef X
	MAIL_FLAGS_ALL = 31
};

/* How many keywords an account may have; bit i of a keyword set is the account's i-th keyword. */
#define MAIL_KEYWORDS_MAX 64
#define MAIL_KEYWORD_LENGTH_MAX 128

struct mail_flags {
	uint8_t system;    /* MAIL_ bits */
	uint64_t keywords; /* bits of store_keyword() */
};

#endif
