# SPDX-License-Identifier: ISC
JOURNAL_HELP = tests/unit/journal/help.c tests/unit/journal/help.h

check_PROGRAMS += tests/unit/journal/journal_test
tests_unit_journal_journal_test_SOURCES = tests/unit/journal/journal_test.c $(JOURNAL_HELP)
tests_unit_journal_journal_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_journal_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)
