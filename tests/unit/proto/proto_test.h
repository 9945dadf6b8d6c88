/* SPDX-License-Identifier: ISC */
/* What the tests of this directory share. */
#ifndef POSTRIDER_TESTS_UNIT_PROTO_PROTO_TEST_H
#define POSTRIDER_TESTS_UNIT_PROTO_PROTO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/view.h"

/* The view's octets are those of the string. */
static inline void assert_view_is(struct view v, const char *s, const char *file, int line)
{
	if (view_eqs(v, s))
		return;
	print_error("got  \"%.*s\"\nwant \"%s\"\n", (int)v.n, v.p ? v.p : "", s);
	_fail(file, line);
}
#define assert_view(v, s) assert_view_is((v), (s), __FILE__, __LINE__)

#endif
