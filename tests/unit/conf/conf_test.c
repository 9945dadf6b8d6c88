/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
	struct conf *c;
	struct buf why;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	w->c = conf_new();
	buf_init(&w->why, 65536);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	conf_free(w->c);
	buf_fini(&w->why);
	free(w);
	return 0;
}

static int feed(struct world *w, const char *text)
{
	buf_reset(&w->why);
	return conf_read(w->c, "test.conf", view_of(text), &w->why);
}

static void every_default_is_legal_and_told(void **state)
{
	struct world *w = *state;
	for (unsigned i = 0; i < PARAM_COUNT; i++) {
		const struct conf_parameter *p = conf_parameter((enum param_id)i);
		assert_true(conf_is_default(w->c, (enum param_id)i));
		assert_int_equal(conf_find(view_of(p->name)), i);
		assert_true(strlen(p->text) > 10);
		assert_true(strlen(p->used) > 0);
	}
	assert_int_equal(conf_check(w->c, &w->why), ERR_OK);
}

static void reads_settings_comments_and_continuations(void **state)
{
	struct world *w = *state;
	struct view v;
	assert_int_equal(feed(w, "# note\n\nmessage_size_limit = 10M\nlisten.smtp = 127.0.0.1:1,\n  127.0.0.1:2\t127.0.0.1:3\n# end"), ERR_OK);
	assert_int_equal(conf_num(w->c, PARAM_MESSAGE_SIZE_LIMIT), 10u << 20);
	assert_true(conf_item(w->c, PARAM_LISTEN_SMTP, 2, &v) && view_eqs(v, "127.0.0.1:3"));
	assert_false(conf_item(w->c, PARAM_LISTEN_SMTP, 3, &v));
	assert_true(conf_has(w->c, PARAM_LISTEN_SMTP, VIEW("127.0.0.1:2")));
	assert_false(conf_is_default(w->c, PARAM_LISTEN_SMTP));
}

static void says_file_line_and_what_was_expected(void **state)
{
	struct world *w = *state;
	assert_int_equal(feed(w, "hostname = a\nsmtpd.bare_newline = maybe\nmesage_size_limit = 1M\nmessage_size_limit = 1\nnonsense\n"), ERR_INVALID);
	const char *said = buf_str(&w->why);
	assert_non_null(strstr(said, "test.conf:2: smtpd.bare_newline: 'maybe' is not one of the choices (reject normalize)"));
	assert_non_null(strstr(said, "test.conf:3: there is no parameter 'mesage_size_limit'; did you mean 'message_size_limit'?"));
	assert_non_null(strstr(said, "test.conf:4: message_size_limit: '1' is not a size"));
	assert_non_null(strstr(said, "test.conf:5: expected 'name = value'"));
	/* What was legal before the mistake is in force, what was not is as before. */
	assert_true(conf_is_default(w->c, PARAM_MESSAGE_SIZE_LIMIT));
	assert_int_equal(conf_num(w->c, PARAM_SMTPD_BARE_NEWLINE), 0);
}

static void refuses_values_past_their_bounds(void **state)
{
	struct world *w = *state;
	char long_line[20000] = "hostname = ";
	memset(long_line + 11, 'x', sizeof long_line - 13);
	assert_int_equal(feed(w, long_line), ERR_INVALID);
	assert_int_equal(feed(w, "hostname = a\001b\n"), ERR_INVALID);
	assert_int_equal(feed(w, "recipient_limit = 99999999999999999999\n"), ERR_INVALID);
	assert_int_equal(feed(w, "recipient_limit = -1\n"), ERR_INVALID);
	assert_int_equal(feed(w, "directory.spool = relative/path\n"), ERR_OK);
	assert_int_equal(conf_check(w->c, &w->why), ERR_INVALID);
}

static void checks_routes(void **state)
{
	static const char *const bad[] = { "x.test", "=192.0.2.1:25", "x.test=", "x.test=192.0.2.1", "x.test=192.0.2.1:70000", "x.test=host.test:25" };
	struct world *w = *state;
	char text[300];
	assert_int_equal(feed(w, "relay_routes = x.test=192.0.2.1:25, y.test=[2001:db8::1]:587\n"), ERR_OK);
	assert_int_equal(conf_check(w->c, &w->why), ERR_OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		(void)snprintf(text, sizeof text, "relay_routes = y.test=192.0.2.2:25 %s\n", bad[i]);
		assert_int_equal(feed(w, text), ERR_OK);
		assert_int_equal(conf_check(w->c, &w->why), ERR_INVALID);
		assert_non_null(strstr(buf_str(&w->why), bad[i]));
	}
}

static void gives_each_role_only_its_own(void **state)
{
	struct world *w = *state;
	struct buf out;
	buf_init(&out, 65536);
	conf_subset(w->c, "smtpd_mx", &out);
	assert_non_null(strstr(buf_str(&out), "smtpd.bare_newline = "));
	assert_non_null(strstr(buf_str(&out), "hostname = "));
	assert_null(strstr(buf_str(&out), "directory.keys"));
	/* What was handed on reads back as the same. */
	assert_int_equal(feed(w, buf_str(&out)), ERR_OK);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_default_is_legal_and_told, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_settings_comments_and_continuations, setup, teardown),
		cmocka_unit_test_setup_teardown(says_file_line_and_what_was_expected, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_values_past_their_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(checks_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_each_role_only_its_own, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
