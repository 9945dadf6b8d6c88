/* SPDX-License-Identifier: ISC */
/*
 * The records of an account's journal: the one place where they are declared. From the tables come a struct, an encoder and
 * a decoder for each, and the dump. postrider-mailbox(5) tells what each means.
 *
 * Fields are variable-length numbers (num, snum) and counted octets (text); sets of UIDs are texts in uidset's form, lists are texts
 * of counted items, each coded by an item table. A record that ends before a field leaves it zero and what stands behind the last field is
 * ignored, so that fields may be added at the end of a row: older and newer versions read each other's journals.
 */
#ifndef POSTRIDER_MAILBOX_RECORDS_H
#define POSTRIDER_MAILBOX_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

/*
 * number, name. content has no fields: its payload is a message. kept stands inside a checkpoint only.
 */
#define RECORD_TABLE(R) \
	R(2, mailbox)        \
	R(3, remove)         \
	R(4, rename)         \
	R(5, subscribe)      \
	R(6, keyword)        \
	R(7, append)         \
	R(8, adopt)          \
	R(9, flags)          \
	R(10, expunge)       \
	R(11, copy)          \
	R(12, recent)        \
	R(13, relocate)      \
	R(14, uidvalidity)   \
	R(15, checkpoint)    \
	R(16, kept)          \
	R(17, account)

#define RECORD_FIELDS_mailbox(F) F(num, id) F(num, uidvalidity) F(num, uses) F(text, name)
#define RECORD_FIELDS_remove(F) F(num, id)
#define RECORD_FIELDS_rename(F) F(text, from) F(text, to)
#define RECORD_FIELDS_subscribe(F) F(num, on) F(text, name)
#define RECORD_FIELDS_keyword(F) F(num, bit) F(text, name)
/* list: appended items, whose UIDs are uid, uid + 1 …; their contents are the frames right before this record, as many and in that order. */
#define RECORD_FIELDS_append(F) F(num, mailbox) F(num, uid) F(text, list)
/* next: `incoming` is adopted up to there. list: adopted items. back: of the last delivery (incoming.h): below it may be dropped. */
#define RECORD_FIELDS_adopt(F) F(num, next) F(text, list) F(num, back)
#define RECORD_FIELDS_flags(F) \
	F(num, mailbox) F(num, add) F(num, remove) F(num, add_keywords) F(num, remove_keywords) F(text, uids)
#define RECORD_FIELDS_expunge(F) F(num, mailbox) F(text, uids)
/* The messages of uids that exist get uid, uid + 1 … in mailbox `to`. */
#define RECORD_FIELDS_copy(F) F(num, from) F(num, to) F(num, move) F(num, uid) F(text, uids)
#define RECORD_FIELDS_recent(F) F(num, mailbox) F(num, uid)
/* Contents copied from incoming: list has a relocation item for each of the content frames right before this record, in that order. */
#define RECORD_FIELDS_relocate(F) F(text, list)
#define RECORD_FIELDS_uidvalidity(F) F(num, mailbox) F(num, uidvalidity)
/* Parts 0 … of one group; records: how many the state is made of (none of content, none of checkpoint); list: nested items, which make it out of nothing. */
#define RECORD_FIELDS_checkpoint(F) F(num, part) F(num, last) F(num, records) F(text, list)
#define RECORD_FIELDS_kept(F) F(num, mailbox) F(num, uidnext) F(num, highestmodseq) F(num, recent) F(text, list)
#define RECORD_FIELDS_account(F) F(num, next_id) F(num, uidvalidity) F(num, incoming) F(num, back)

#define RECORD_ITEM_TABLE(R) \
	R(0, appended)            \
	R(0, adopted)             \
	R(0, relocation)          \
	R(0, nested)              \
	R(0, message)

#define RECORD_FIELDS_appended(F) F(num, size) F(snum, date) F(num, flags) F(num, keywords)
#define RECORD_FIELDS_adopted(F) \
	F(num, position) F(num, offset) F(num, size) F(snum, date) F(num, mailbox) F(num, uid) F(num, flags) F(num, keywords)
/* from: the frame of incoming that is not referred to any more. */
#define RECORD_FIELDS_relocation(F) F(num, from)
#define RECORD_FIELDS_nested(F) F(num, kind) F(text, payload)
#define RECORD_FIELDS_message(F) \
	F(num, uid) F(num, modseq) F(num, own) F(num, position) F(num, offset) F(num, size) F(snum, date) F(num, flags) F(num, keywords)

enum record_kind {
	RECORD_content = 1,
#define X(number, name) RECORD_##name = number,
	RECORD_TABLE(X)
#undef X
};

#define RECORD_TYPE_num uint64_t
#define RECORD_TYPE_snum int64_t
#define RECORD_TYPE_text struct view
#define RECORD_FIELD(type, name) RECORD_TYPE_##type name;
#define RECORD_DECLARE(number, name)                                        \
	struct record_##name {                                                   \
		RECORD_FIELDS_##name(RECORD_FIELD)                                    \
	};                                                                       \
	void record_put_##name(struct buf *b, const struct record_##name *r);    \
	bool record_get_##name(struct view v, struct record_##name *r);
/*
 * record_put_NAME adds the payload to b. record_get_NAME reads one: the texts point into v; false where it is malformed.
 */
RECORD_TABLE(RECORD_DECLARE)
RECORD_ITEM_TABLE(RECORD_DECLARE)

/* A list is built item by item: encode the item into `item`, then add it counted. */
void record_add_item(struct buf *list, struct buf *item);
/* Walks a list: false at its end, and where it is malformed (then rest->p is NULL). */
bool record_next_item(struct view *rest, struct view *item);

/* "flags", or NULL for a kind that is not known. */
const char *record_name(unsigned kind);
/* One line for people: "flags mailbox=1 add=1 … uids=…"; texts as hex where they are not printable. */
void record_dump(struct buf *b, unsigned kind, struct view payload);

#endif
