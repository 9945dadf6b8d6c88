/* SPDX-License-Identifier: ISC */
/* What FETCH asks for (RFC 3501 6.4.5), and where in a message it stands. */
#ifndef POSTRIDER_PROTO_IMAP_FETCH_H
#define POSTRIDER_PROTO_IMAP_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "proto/imap_parse.h"
#include "proto/mime.h"

#define IMAP_FETCH_ITEMS_MAX 64
#define IMAP_SECTION_DEPTH_MAX 110 /* numbers in a section */
#define IMAP_SECTION_FIELDS_MAX 200

enum imap_fetch_kind {
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_UID,
	IMAP_FETCH_INTERNALDATE,
	IMAP_FETCH_SIZE,
	IMAP_FETCH_MODSEQ,
	IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY,
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_SECTION,
};

enum imap_section_text {
	IMAP_SECTION_ALL, /* the message or part itself */
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
};

struct imap_fetch_item {
	enum imap_fetch_kind kind;
	const char *label; /* for RFC822 and its kin; else NULL */
	bool peek;         /* does not set \Seen */
	enum imap_section_text text;
	uint32_t *numbers;
	size_t depth;
	struct view *fields;
	size_t nfields;
	bool partial;
	uint64_t offset, count;
};

struct imap_fetch {
	struct imap_fetch_item item[IMAP_FETCH_ITEMS_MAX];
	size_t n;
	bool seen;    /* some item sets \Seen */
	bool content; /* some item needs the message's octets */
	bool header_only; /* … and none needs more of them than the header */
};

/* The macro, item or list of items here; false: BAD. The views are the command's and the arena's. */
bool imap_fetch_parse(struct imap_text *t, struct imap_fetch *f);
/* True when an item of this kind is asked for. */
bool imap_fetch_has(const struct imap_fetch *f, enum imap_fetch_kind kind);
/* Adds the item, when it is not asked for already. */
void imap_fetch_add(struct imap_fetch *f, enum imap_fetch_kind kind);
/* The item's name in the response: "BODY[1.HEADER.FIELDS (FROM)]<0>". */
void imap_put_fetch_label(struct buf *b, const struct imap_fetch_item *i);

/*
 * Where the section stands. A range of the message goes to *at and *n; for header fields, the lines are added to `own` instead, and
 * *in_own is set. The partial is applied. False when the message has no such part. tree may be NULL where the section has no numbers.
 */
bool imap_section_find(const struct imap_fetch_item *i, struct view message, const struct mime_tree *tree, size_t *at, size_t *n,
	struct buf *own, bool *in_own);

#endif
