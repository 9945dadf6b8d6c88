/* SPDX-License-Identifier: ISC */
/*
 * Mail addresses as they stand in envelopes: RFC 5321 4.1.2 paths and mailboxes, with the UTF-8 of RFC 6531 3.3 where the caller lets
 * it. An address that was read is kept in canonical form: source route gone, domain in lower case, the local part without quotes that it
 * does not need and with exactly those that it does. So two spellings of one mailbox compare equal, and no octet of it is a control.
 */
#ifndef POSTRIDER_PROTO_ADDRESS_H
#define POSTRIDER_PROTO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/view.h"

/*
 * RFC 5321 4.5.3.1.1 to 4.5.3.1.3 ask for 64, 255 and 256 octets at least. Longer local parts are common in the wild (VERP, SRS), and
 * none is ever cut: what does not fit is refused.
 */
enum { ADDRESS_LOCAL_MAX = 255, ADDRESS_DOMAIN_MAX = 255, ADDRESS_MAX = 320, ADDRESS_LABEL_MAX = 63 };

struct address {
	size_t n;      /* octets in text; 0 is the null reverse-path */
	size_t domain; /* where the domain begins in text; n when there is none (postmaster) */
	bool utf8;     /* it holds octets above 0x7f */
	char text[ADDRESS_MAX + 1];
};

static inline struct view address_view(const struct address *a) { return view_make(a->text, a->n); }
static inline struct view address_domain(const struct address *a) { return view_make(a->text + a->domain, a->n - a->domain); }
/* The local part in its canonical form, quoted where it has to be. */
static inline struct view address_local(const struct address *a)
{
	return view_make(a->text, a->domain < a->n ? a->domain - 1 : a->n);
}

enum address_form {
	ADDRESS_REVERSE = 1, /* "<>" is allowed */
	ADDRESS_UTF8 = 2,    /* RFC 6531 is in force */
	ADDRESS_BARE = 4,    /* a local part without a domain is allowed; without this flag only "postmaster" is (RFC 5321 4.5.1) */
};

/*
 * Reads a path, "<" … ">", at the begin of *in and takes it off. A path without brackets is no path (RFC 5321 3.3). False, with
 * nothing taken, where the grammar or a bound is broken.
 */
bool address_path(struct view *in, unsigned form, struct address *out);
/* All of v is one mailbox, without brackets. */
bool address_mailbox(struct view v, unsigned form, struct address *out);
/* All of v is a domain or an address literal, RFC 5321 4.1.2; underscores are borne. */
bool address_is_domain(struct view v, bool utf8);
/*
 * The argument of HELO, EHLO and LHLO: a domain or literal by the grammar, or, since RFC 5321 4.1.4 forbids to refuse mail for a wrong
 * name, any printable text of at most 255 octets; a "[" must open a literal that is whole.
 */
bool address_is_helo(struct view v);
/* Well-formed UTF-8 (RFC 3629) without controls. */
bool address_utf8_ok(struct view v);

#endif
