/* SPDX-License-Identifier: ISC */
/*
 * Configuration: postrider.conf is `name = value` lines, `#` comments, and lines that begin with a blank go on. Every parameter is one file in
 * lib/conf/parameters/ (type, default, range, reload, used by, prose), from which the enum param_id, the checks, `postrider config` and
 * postrider.conf(5) are made. A struct conf holds the value of every parameter, checked: getters cannot fail.
 */
#ifndef POSTRIDER_CONF_CONF_H
#define POSTRIDER_CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"
#include "conf/parameters.h" /* generated: enum param_id { PARAM_MESSAGE_SIZE_LIMIT … PARAM_COUNT } */

struct conf;

enum conf_type { CONF_STRING, CONF_NUMBER, CONF_SIZE, CONF_DURATION, CONF_BOOL, CONF_CHOICE, CONF_LIST };

struct conf_parameter {
	const char *name;    /* "smtpd.bare_newline" */
	enum conf_type type;
	const char *fallback; /* the default, as text */
	uint64_t min, max;   /* numbers, sizes (octets), durations (seconds) */
	const char *choices; /* "reject normalize" */
	bool live;           /* takes effect at reload */
	const char *used;    /* roles, "smtpd_mx smtpd_submission" or "any" */
	const char *text;    /* one sentence for people */
};
const struct conf_parameter *conf_parameter(enum param_id p);
/* PARAM_COUNT when there is none of this name. */
enum param_id conf_find(struct view name);

/* All defaults. */
struct conf *conf_new(void);
void conf_free(struct conf *c);
/*
 * Reads text over what c holds. On failure ERR_INVALID, and `why` gets "file:line: what is wrong, what was expected" lines, one for each mistake.
 */
MUST_CHECK int conf_read(struct conf *c, const char *file, struct view text, struct buf *why);
/* Checks across parameters (paths are absolute, listeners parse …); appends to why as above. */
MUST_CHECK int conf_check(const struct conf *c, struct buf *why);
MUST_CHECK int conf_set(struct conf *c, enum param_id p, struct view value, struct buf *why);

struct view conf_text(const struct conf *c, enum param_id p);   /* the value as text */
const char *conf_str(const struct conf *c, enum param_id p);    /* the same, NUL-terminated */
uint64_t conf_num(const struct conf *c, enum param_id p);       /* number, size in octets, duration in seconds, choice's index */
bool conf_bool(const struct conf *c, enum param_id p);
bool conf_is_default(const struct conf *c, enum param_id p);
/* The i-th element of a list (separated by blanks or commas); false behind the last. */
bool conf_item(const struct conf *c, enum param_id p, size_t i, struct view *out);
bool conf_has(const struct conf *c, enum param_id p, struct view item); /* folding ASCII case */

/* The parameters that a role uses, as text that conf_read reads. Secret ones go only to roles that they name. */
void conf_subset(const struct conf *c, const char *role, struct buf *out);

#endif
