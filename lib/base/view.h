/* SPDX-License-Identifier: ISC */
/*
 * A view: a pointer and a length, passed by value, for reading bytes that somebody else owns. A view never owns, never
 * ends in NUL by promise, and may hold any octet. An empty view may have a null pointer.
 */
#ifndef POSTRIDER_BASE_VIEW_H
#define POSTRIDER_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view {
	const char *p;
	size_t n;
};

/* A view of a string literal, its NUL not counted; an initialiser and an expression. */
#define VIEW(lit) ((struct view){ "" lit, sizeof(lit) - 1 })
#define VIEW_NONE ((struct view){ NULL, 0 })

static inline struct view view_make(const void *p, size_t n) { return (struct view){ (const char *)p, n }; }

/* A view of a C string; NULL gives the empty view. */
struct view view_of(const char *s);

/* Octet-wise comparison; the "i" forms fold ASCII letters only. */
bool view_eq(struct view a, struct view b);
bool view_ieq(struct view a, struct view b);
int view_cmp(struct view a, struct view b);
int view_icmp(struct view a, struct view b);
bool view_eqs(struct view a, const char *s);
bool view_ieqs(struct view a, const char *s);
bool view_starts(struct view v, struct view prefix);
bool view_istarts(struct view v, struct view prefix);
bool view_ends(struct view v, struct view suffix);
bool view_iends(struct view v, struct view suffix);

/* The offset of the first (last) occurrence, or SIZE_MAX when there is none. */
size_t view_find(struct view v, char c);
size_t view_rfind(struct view v, char c);
size_t view_search(struct view v, struct view needle);
size_t view_isearch(struct view v, struct view needle);

/* The first n octets; what follows the first n; both clamp n to the length. */
struct view view_head(struct view v, size_t n);
struct view view_skip(struct view v, size_t n);
/* Without the blanks (SP, HT, CR, LF) at both ends. */
struct view view_trim(struct view v);

/*
 * Cuts *rest at the first sep: *head gets what stands before it, *rest what stands after. Without a sep, *head gets
 * all and *rest becomes empty with a null pointer. False when *rest had a null pointer already: nothing was left.
 */
bool view_cut(struct view *rest, char sep, struct view *head);

/* Cuts the next word (run of non-blanks: not SP, HT) off *rest; false when only blanks were left. */
bool view_word(struct view *rest, struct view *word);

/* ASCII classes that ask no locale. */
bool ascii_isalpha(char c);
bool ascii_isdigit(char c);
bool ascii_isalnum(char c);
bool ascii_isspace(char c); /* SP HT CR LF VT FF */
bool ascii_isprint(char c); /* 0x20 to 0x7e */
int ascii_hex(char c); /* the value of a hex digit, or -1 */
char ascii_lower(char c);
char ascii_upper(char c);

#endif
