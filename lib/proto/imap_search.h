/* SPDX-License-Identifier: ISC */
/*
 * SEARCH (RFC 3501 6.4.4, ESEARCH of RFC 4731, WITHIN of RFC 5032): its program as a tree of bounded depth, and whether a message is
 * what it looks for. Strings are compared as people expect: decoded to UTF-8, case folded, found anywhere.
 */
#ifndef POSTRIDER_PROTO_IMAP_SEARCH_H
#define POSTRIDER_PROTO_IMAP_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "proto/imap_parse.h"
#include "proto/imap_set.h"

#define IMAP_SEARCH_DEPTH_MAX 100
#define IMAP_SEARCH_NODES_MAX 20000
#define IMAP_SEARCH_STRINGS_MAX 64 /* keys that look into the message */
#define IMAP_SEARCH_NONE UINT32_MAX

enum imap_search_op {
	IMAP_SEARCH_AND, /* all of its children */
	IMAP_SEARCH_OR,
	IMAP_SEARCH_NOT,
	IMAP_SEARCH_ALL,
	IMAP_SEARCH_SEQ,
	IMAP_SEARCH_UID,
	IMAP_SEARCH_FLAG,    /* text: the flag or keyword; the session gives it `bits` */
	IMAP_SEARCH_UNFLAG,
	IMAP_SEARCH_RECENT,
	IMAP_SEARCH_OLD,
	IMAP_SEARCH_NEW,
	IMAP_SEARCH_BEFORE,  /* n: a day since 1970; of the internal date */
	IMAP_SEARCH_ON,
	IMAP_SEARCH_SINCE,
	IMAP_SEARCH_OLDER,   /* n: seconds */
	IMAP_SEARCH_YOUNGER,
	IMAP_SEARCH_LARGER,
	IMAP_SEARCH_SMALLER,
	IMAP_SEARCH_MODSEQ,
	/* From here on the message is looked into. */
	IMAP_SEARCH_SENTBEFORE,
	IMAP_SEARCH_SENTON,
	IMAP_SEARCH_SENTSINCE,
	IMAP_SEARCH_HEADER,  /* name, text */
	IMAP_SEARCH_BODY,
	IMAP_SEARCH_TEXT,
};

struct imap_search_node {
	enum imap_search_op op;
	uint32_t first, next; /* children, siblings */
	struct imap_set set;
	struct view name, text; /* text is folded UTF-8 for HEADER, BODY, TEXT */
	uint64_t n;
	uint64_t system, keywords; /* FLAG, UNFLAG: bits to be found in a message's; both 0: no message has it */
};

enum { IMAP_RETURN_MIN = 1, IMAP_RETURN_MAX = 2, IMAP_RETURN_ALL = 4, IMAP_RETURN_COUNT = 8 };

struct imap_search {
	struct imap_search_node *node; /* node[0] is the root */
	size_t n, room;
	unsigned returns; /* IMAP_RETURN_ bits; 0: a plain SEARCH response */
	bool modseq;      /* a MODSEQ key was given */
	size_t strings;
};

enum imap_search_result { IMAP_SEARCH_OK, IMAP_SEARCH_BAD, IMAP_SEARCH_BADCHARSET, IMAP_SEARCH_LIMIT };
/* All that stands behind "SEARCH ". Memory from t's arena, but for the nodes: imap_search_fini. */
enum imap_search_result imap_search_parse(struct imap_text *t, struct imap_search *s);
void imap_search_fini(struct imap_search *s);
/* Gives "*" its values in all sets. */
void imap_search_resolve(struct imap_search *s, uint32_t last_seq, uint32_t last_uid);

/* One message. content is called when a key looks into it: header alone, or all of it; false: it is gone and matches nothing. */
struct imap_search_message {
	uint32_t seq, uid;
	uint64_t system, keywords;
	bool recent, seen;
	int64_t date, now;
	uint64_t size, modseq;
	bool (*content)(void *arg, bool whole, struct view *v);
	void *arg;
};
bool imap_search_match(const struct imap_search *s, const struct imap_search_message *m);

#endif
