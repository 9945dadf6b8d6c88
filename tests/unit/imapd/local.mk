# SPDX-License-Identifier: ISC
IMAPD_TEST = tests/unit/imapd/imapd_test.c tests/unit/imapd/imapd_test.h

check_PROGRAMS += tests/unit/imapd/commands_test
tests_unit_imapd_commands_test_SOURCES = tests/unit/imapd/commands_test.c $(IMAPD_TEST)
tests_unit_imapd_commands_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_imapd_commands_test_LDADD = libimapd.a $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/imapd/bounds_test
tests_unit_imapd_bounds_test_SOURCES = tests/unit/imapd/bounds_test.c $(IMAPD_TEST)
tests_unit_imapd_bounds_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_imapd_bounds_test_LDADD = libimapd.a $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/imapd/summary_test
tests_unit_imapd_summary_test_SOURCES = tests/unit/imapd/summary_test.c $(IMAPD_TEST)
tests_unit_imapd_summary_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_imapd_summary_test_LDADD = libimapd.a $(L_MAILBOX) $(TEST_LIBS)
