/* SPDX-License-Identifier: ISC */
/*
 * Walks the header of a message, field by field, in linear time and without memory of its own: everything given back is
 * a view into the caller's octets. Lines end in CRLF or LF; a bare CR is an octet like any other, so that it can neither
 * end a field nor begin one. The header ends at the first empty line, or where the octets end.
 */
#ifndef POSTRIDER_PROTO_HEADER_H
#define POSTRIDER_PROTO_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/view.h"

struct header_field {
	struct view name;  /* as written, without the colon; empty for a line that is no field at all (RFC 5322 2.2) */
	struct view raw;   /* what stands behind the colon, folds and all, without the last line end */
	struct view whole; /* the field with its line ends */
};

struct header_iter {
	struct view in;
	size_t at; /* where the next field begins */
};

void header_begin(struct header_iter *it, struct view message);
/* The next field; false at the end of the header, when it->at stands behind the empty line: where the body begins. */
bool header_next(struct header_iter *it, struct header_field *f);
/* The first field with this name (letters of either case). */
bool header_find(struct view message, const char *name, struct header_field *f);
/* Octets up to and with the empty line; all of them when there is none. */
size_t header_size(struct view message);
/* Adds the value unfolded (RFC 5322 2.2.3: line ends vanish) and without blanks at both ends. */
void header_unfold(struct buf *b, struct view raw);

/* The line at `at`: up to and with its LF, or all that is left. Empty only at the end. */
struct view header_line(struct view in, size_t at);
/* The line without its line end. */
struct view header_chomp(struct view line);

#endif
