/* SPDX-License-Identifier: ISC */
#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static const char *const texts[] = {
#define X(name, class, text) [ERR_##name] = text,
	ERR_TABLE(X)
#undef X
};

static const enum err_class classes[] = {
#define X(name, class, text) [ERR_##name] = ERR_CLASS_##class,
	ERR_TABLE(X)
#undef X
};

/* The preprocessor cannot fold case: the names for logs are what the enum's are, in lower case (a test compares them). */
static const char *const names[] = {
	[ERR_OK] = "ok",
	[ERR_AGAIN] = "again",
	[ERR_CONFLICT] = "conflict",
	[ERR_BUSY] = "busy",
	[ERR_LOST] = "lost",
	[ERR_TIMEOUT] = "timeout",
	[ERR_IO] = "io",
	[ERR_FULL] = "full",
	[ERR_LIMIT] = "limit",
	[ERR_NOT_FOUND] = "not_found",
	[ERR_EXISTS] = "exists",
	[ERR_DENIED] = "denied",
	[ERR_INVALID] = "invalid",
	[ERR_TOO_BIG] = "too_big",
	[ERR_DAMAGED] = "damaged",
	[ERR_UNSUPPORTED] = "unsupported",
	[ERR_PROTOCOL] = "protocol",
	[ERR_END] = "end",
};

enum { ROWS = sizeof texts / sizeof texts[0] };
_Static_assert(sizeof names / sizeof names[0] == ROWS, "a code lacks its name for logs");

static bool known(int err)
{
	return err >= 0 && err < ROWS;
}

enum err_class err_class(int err)
{
	return known(err) ? classes[err] : ERR_CLASS_BUG;
}

const char *err_text(int err)
{
	return known(err) ? texts[err] : "unknown error";
}

const char *err_name(int err)
{
	return known(err) ? names[err] : "unknown";
}

int err_of_errno(int e)
{
	static const struct {
		int e, err;
	} rows[] = {
		{ 0, ERR_OK },
		{ EAGAIN, ERR_AGAIN }, { EINTR, ERR_AGAIN }, { EINPROGRESS, ERR_AGAIN }, { EALREADY, ERR_AGAIN },
		{ EBUSY, ERR_BUSY }, { ETXTBSY, ERR_BUSY }, { EDEADLK, ERR_BUSY }, { EADDRINUSE, ERR_BUSY },
		{ EPIPE, ERR_LOST }, { ECONNRESET, ERR_LOST }, { ECONNABORTED, ERR_LOST }, { ECONNREFUSED, ERR_LOST },
		{ ENOTCONN, ERR_LOST }, { ESHUTDOWN, ERR_LOST }, { ENETUNREACH, ERR_LOST }, { EHOSTUNREACH, ERR_LOST },
		{ ENETDOWN, ERR_LOST }, { EHOSTDOWN, ERR_LOST }, { ENETRESET, ERR_LOST },
		{ ETIMEDOUT, ERR_TIMEOUT },
		{ ENOSPC, ERR_FULL }, { EDQUOT, ERR_FULL },
		{ EMFILE, ERR_LIMIT }, { ENFILE, ERR_LIMIT }, { ENOBUFS, ERR_LIMIT }, { ENOMEM, ERR_LIMIT },
		{ EUSERS, ERR_LIMIT }, { ENOLCK, ERR_LIMIT }, { EMLINK, ERR_LIMIT },
		{ ENOENT, ERR_NOT_FOUND }, { ENXIO, ERR_NOT_FOUND }, { ENODEV, ERR_NOT_FOUND }, { ESRCH, ERR_NOT_FOUND },
		{ EEXIST, ERR_EXISTS }, { ENOTEMPTY, ERR_EXISTS },
		{ EACCES, ERR_DENIED }, { EPERM, ERR_DENIED }, { EROFS, ERR_DENIED },
		{ EINVAL, ERR_INVALID }, { ENOTDIR, ERR_INVALID }, { EISDIR, ERR_INVALID }, { ELOOP, ERR_INVALID },
		{ EBADF, ERR_INVALID }, { ENOTSOCK, ERR_INVALID }, { EXDEV, ERR_INVALID }, { EADDRNOTAVAIL, ERR_INVALID },
		{ E2BIG, ERR_TOO_BIG }, { EFBIG, ERR_TOO_BIG }, { ENAMETOOLONG, ERR_TOO_BIG }, { EMSGSIZE, ERR_TOO_BIG },
		{ EOVERFLOW, ERR_TOO_BIG }, { ERANGE, ERR_TOO_BIG },
		{ ENOSYS, ERR_UNSUPPORTED }, { EOPNOTSUPP, ERR_UNSUPPORTED }, { EAFNOSUPPORT, ERR_UNSUPPORTED },
		{ EPROTONOSUPPORT, ERR_UNSUPPORTED }, { ENOTTY, ERR_UNSUPPORTED },
		{ EPROTO, ERR_PROTOCOL }, { EBADMSG, ERR_PROTOCOL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].e == e)
			return rows[i].err;
	return ERR_IO;
}
