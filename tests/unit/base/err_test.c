/* SPDX-License-Identifier: ISC */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/view.h"

static const char *const upper[] = {
#define X(name, class, text) #name,
	ERR_TABLE(X)
#undef X
};
enum { ROWS = sizeof upper / sizeof upper[0] };

static void names(void **state)
{
	(void)state;
	for (int i = 0; i < ROWS; i++) {
		assert_true(view_ieqs(view_of(err_name(i)), upper[i]));
		for (const char *c = err_name(i); *c; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '_');
		assert_true(strlen(err_text(i)) > 0);
	}
	assert_string_equal(err_name(-1), "unknown");
	assert_string_equal(err_name(ROWS), "unknown");
	assert_non_null(err_text(INT32_MIN));
}

static void classes(void **state)
{
	(void)state;
	assert_int_equal(err_class(ERR_OK), ERR_CLASS_NONE);
	assert_int_equal(err_class(ERR_END), ERR_CLASS_NONE);
	assert_int_equal(err_class(ERR_FULL), ERR_CLASS_TEMPORARY);
	assert_int_equal(err_class(ERR_NOT_FOUND), ERR_CLASS_PERMANENT);
	assert_int_equal(err_class(ERR_PROTOCOL), ERR_CLASS_PEER);
	assert_int_equal(err_class(9999), ERR_CLASS_BUG);
}

static void of_errno(void **state)
{
	(void)state;
	assert_int_equal(err_of_errno(0), ERR_OK);
	assert_int_equal(err_of_errno(ENOSPC), ERR_FULL);
	assert_int_equal(err_of_errno(EDQUOT), ERR_FULL);
	assert_int_equal(err_of_errno(ENOENT), ERR_NOT_FOUND);
	assert_int_equal(err_of_errno(EIO), ERR_IO);
	assert_int_equal(err_of_errno(EAGAIN), ERR_AGAIN);
	assert_int_equal(err_of_errno(EMFILE), ERR_LIMIT);
	assert_int_equal(err_of_errno(ECONNRESET), ERR_LOST);
	assert_int_equal(err_of_errno(EACCES), ERR_DENIED);
	/* What nobody thought of is never success, and may be tried again. */
	for (int e = 1; e < 200; e++)
		assert_int_not_equal(err_of_errno(e), ERR_OK);
	assert_int_equal(err_class(err_of_errno(12345)), ERR_CLASS_TEMPORARY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(classes),
		cmocka_unit_test(of_errno),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
