/* SPDX-License-Identifier: ISC */
/*
 * Results: 0 (ERR_OK) or one of these codes. The class says what a caller may do about it; three outcomes are never
 * merged: done, later, never.
 */
#ifndef POSTRIDER_BASE_ERR_H
#define POSTRIDER_BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum err_class {
	ERR_CLASS_NONE,      /* success */
	ERR_CLASS_TEMPORARY, /* the same call may succeed later */
	ERR_CLASS_PERMANENT, /* it will not */
	ERR_CLASS_PEER,      /* the other side broke the rules */
	ERR_CLASS_BUG,       /* we did */
};

/* One row a code: name, class, text for people. */
#define ERR_TABLE(X)                                                                  \
	X(OK, NONE, "success")                                                        \
	X(AGAIN, TEMPORARY, "not now, try again")                                     \
	X(CONFLICT, TEMPORARY, "somebody else changed it first")                      \
	X(BUSY, TEMPORARY, "in use by another")                                       \
	X(LOST, TEMPORARY, "the peer went away")                                      \
	X(TIMEOUT, TEMPORARY, "took too long")                                        \
	X(IO, TEMPORARY, "input or output failed")                                    \
	X(FULL, TEMPORARY, "no space is left")                                        \
	X(LIMIT, TEMPORARY, "a limit of this system is reached")                      \
	X(NOT_FOUND, PERMANENT, "not found")                                          \
	X(EXISTS, PERMANENT, "exists already")                                        \
	X(DENIED, PERMANENT, "not permitted")                                         \
	X(INVALID, PERMANENT, "not valid")                                            \
	X(TOO_BIG, PERMANENT, "too big")                                              \
	X(DAMAGED, PERMANENT, "stored data are damaged")                              \
	X(UNSUPPORTED, PERMANENT, "not supported")                                    \
	X(PROTOCOL, PEER, "the peer broke the protocol")                              \
	X(END, NONE, "the end is reached")

enum err {
#define X(name, class, text) ERR_##name,
	ERR_TABLE(X)
#undef X
};

enum err_class err_class(int err);
/* The text for people; never NULL. */
const char *err_text(int err);
/* The lower-case name for logs, "not_found". */
const char *err_name(int err);
/* The code for an errno value: ENOSPC and EDQUOT give FULL, ENOENT NOT_FOUND, EIO IO, EAGAIN AGAIN … */
int err_of_errno(int e);

#endif
