/* SPDX-License-Identifier: ISC */
/*
 * The structure of a message (RFC 2045, RFC 2046) as a tree of parts that are octet ranges of it. The parser goes over the
 * octets once, keeps its place in the tree instead of a stack of calls, and never fails: what is broken or past a bound
 * becomes a leaf. Views in a part point into the message, which must outlive the tree.
 */
#ifndef POSTRIDER_PROTO_MIME_H
#define POSTRIDER_PROTO_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/view.h"

#define MIME_DEPTH_MAX 100   /* levels below the message; what is nested deeper is one leaf */
#define MIME_PARTS_MAX 10000 /* parts of a message; what comes behind belongs to the last one */
#define MIME_PARAMS_MAX 64   /* parameters of one field; the rest is ignored */
#define MIME_NONE UINT32_MAX

enum mime_kind {
	MIME_LEAF,      /* no parts */
	MIME_MULTIPART, /* its children are its parts */
	MIME_MESSAGE,   /* message/rfc822: its one child is the message inside */
};

struct mime_part {
	enum mime_kind kind;
	bool plain;       /* to be shown as text/plain: a multipart without parts, or past a bound */
	uint16_t depth;   /* 0 for the message itself */
	uint32_t number;  /* 1 for its parent's first part */
	uint32_t parent, first, last, next; /* indexes in the tree, or MIME_NONE */
	size_t header_at, header_n;         /* header_n counts the empty line */
	size_t body_at, body_n;             /* without the line end that belongs to the next delimiter (RFC 2046 5.1.1) */
	size_t lines;                       /* line ends in the body */
	/* The fields' raw values (header.h), null pointers where there is none. */
	struct view type, encoding, disposition, id, description, md5, language, location;
	struct view major, minor; /* the two words of the type; null pointers where it states none that can be read */
};

struct mime_tree {
	struct view message;
	struct mime_part *part; /* part[0] is the message; a parent stands before its children */
	uint32_t n;
};

/* Parses; time is linear in the message, memory in the number of parts. */
void mime_parse(struct mime_tree *t, struct view message);
void mime_free(struct mime_tree *t);
struct view mime_header(const struct mime_tree *t, const struct mime_part *p);
struct view mime_body(const struct mime_tree *t, const struct mime_part *p);
/* The part that IMAP's section number names (RFC 3501 6.4.5: a single-part message has part 1); NULL when there is none. */
const struct mime_part *mime_find(const struct mime_tree *t, const uint32_t *numbers, size_t n);

struct mime_param {
	struct view name; /* "filename*" when the value is in RFC 2231's charset'language'%XX form */
	struct view value;
};

/* A structured value: "text/plain; charset=utf-8" has word "text", word2 "plain"; a disposition has no word2. */
struct mime_value {
	struct view word, word2;
	struct mime_param *params;
	size_t n;
};

/* A reader of structured field bodies: tokens, quoted strings, comments (RFC 2045 5.1, RFC 5322 3.2.2). */
struct mime_lex {
	struct view in;
	size_t at;
};
void mime_skip_cfws(struct mime_lex *l);
/* A token; empty when none stands here. */
struct view mime_token(struct mime_lex *l);
/* The octet here if it is c: taken. */
bool mime_take(struct mime_lex *l, char c);

/*
 * Reads a Content-Type, Content-Disposition or the like. Comments and folds vanish, quotes are undone, continued parameters
 * (name*0, name*1 …, RFC 2231 3) are joined up to the first gap. False when no word (pair) can be read. All views
 * are the arena's or point into raw.
 */
bool mime_value_parse(struct arena *a, struct view raw, bool pair, struct mime_value *v);
/* The parameter's value as its octets, RFC 2231's continuations and %XX undone and the charset left aside; false when there is none. */
bool mime_param_octets(const struct mime_value *v, const char *name, struct buf *out);
/* The parameter's value as UTF-8, RFC 2231 decoded; false when there is none. */
bool mime_param_text(const struct mime_value *v, const char *name, struct buf *out);

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QUOTED_PRINTABLE, MIME_UNKNOWN };
/* What Content-Transfer-Encoding says (RFC 2045 6.1). */
enum mime_encoding mime_encoding(const struct mime_part *p);
/* "text", "plain" and so on, lower-case comparison; the default of RFC 2045 5.2 is heeded. */
bool mime_is(const struct mime_part *p, const char *type, const char *subtype);

#endif
