/* SPDX-License-Identifier: ISC */
/*
 * Reads the parts of a complete IMAP command (imap_read.h) from left to right. Each function takes what it names and says true,
 * or leaves the place where it was and says false: then the command is BAD. Strings with escapes are undone in the arena; others are
 * views into the command.
 */
#ifndef POSTRIDER_PROTO_IMAP_PARSE_H
#define POSTRIDER_PROTO_IMAP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/view.h"

struct imap_text {
	struct view in;
	size_t at;
	struct arena *arena;
};

bool imap_at_end(const struct imap_text *t);
/* The octet here, '\0' at the end. */
char imap_peek(const struct imap_text *t);
bool imap_take(struct imap_text *t, char c);
bool imap_space(struct imap_text *t); /* exactly one SP */
/* RFC 3501 9: tag, atom; ']' is no part of an atom. */
bool imap_tag(struct imap_text *t, struct view *v);
bool imap_atom(struct imap_text *t, struct view *v);
/* atom that may hold '[' and ']' and so on up to a blank or parenthesis: an item of FETCH or STATUS, a flag with its backslash. */
bool imap_word(struct imap_text *t, struct view *v);
/* The word here is this one (either case): taken. */
bool imap_keyword(struct imap_text *t, const char *word);
bool imap_number(struct imap_text *t, uint32_t *n);
bool imap_number64(struct imap_text *t, uint64_t *n);
/* Quoted or literal; no NUL (RFC 3501 9: CHAR8). */
bool imap_string(struct imap_text *t, struct view *v);
/* String, or a run of ASTRING-CHAR. */
bool imap_astring(struct imap_text *t, struct view *v);
/* As astring, with the wildcards of LIST in the bare form. */
bool imap_list_mailbox(struct imap_text *t, struct view *v);
/* NIL gives a null pointer. */
bool imap_nstring(struct imap_text *t, struct view *v);

#endif
