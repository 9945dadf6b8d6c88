/* SPDX-License-Identifier: ISC */
/*
 * Text from mail's character sets to clean UTF-8, and the two transfer encodings. Built in, for no process loads
 * converters after it is confined: US-ASCII, UTF-8, ISO-8859-1, ISO-8859-15 and windows-1252. Of any other charset the ASCII octets are
 * kept and each run of others becomes U+FFFD. Output is at most three octets for each that came in.
 */
#ifndef POSTRIDER_PROTO_CHARSET_H
#define POSTRIDER_PROTO_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "proto/mime.h"

/* One code point off the front of v (its length in *n, at least 1); U+FFFD for what is not UTF-8 (RFC 3629 3). v is not empty. */
uint32_t utf8_get(struct view v, size_t *n);
void utf8_put(struct buf *b, uint32_t c);
bool utf8_ok(struct view v);
bool ascii_only(struct view v);
/* How many octets at the end of v begin a sequence that v cuts off (0 to 3). */
size_t utf8_cut_tail(struct view v);

/* Adds v as clean UTF-8. False when the charset is not known. */
bool charset_to_utf8(struct buf *out, struct view charset, struct view v);
bool charset_known(struct view charset);

/* Adds v (UTF-8) folded for comparison: simple case folding of Latin, Greek, Cyrillic and Armenian; the length may change. */
void utf8_fold(struct buf *out, struct view v);

/* Adds a header value, unfolded, with its encoded words decoded (RFC 2047), as clean UTF-8. */
void words_decode(struct buf *out, struct view raw);

/* Adds the text of quoted-printable (RFC 2045 6.7); with `word` the Q encoding of RFC 2047 4.2. What is malformed stays as it is. */
void qp_decode(struct buf *out, struct view v, bool word);

/*
 * A body decoded piece by piece, for search: transfer encoding undone, charset to UTF-8. Memory is bounded by the piece.
 */
struct text_decoder {
	enum mime_encoding encoding;
	struct view charset;
	uint32_t bits; /* of base64, waiting for more */
	unsigned nbits;
	struct buf carry;  /* quoted-printable that waits for what follows it */
	struct buf octets; /* decoded, but not yet converted */
};
void text_decoder_init(struct text_decoder *d, enum mime_encoding encoding, struct view charset);
void text_decoder_fini(struct text_decoder *d);
/* Adds to out what the piece gives; `last` flushes. */
void text_decode(struct text_decoder *d, struct view piece, bool last, struct buf *out);

#endif
