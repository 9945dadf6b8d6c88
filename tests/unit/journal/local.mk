# SPDX-License-Identifier: ISC
JOURNAL_HELP = tests/unit/journal/help.c tests/unit/journal/help.h tests/unit/base/random.h tests/unit/faults.h
JOURNAL_DISK = tests/unit/journal/disk.c tests/unit/journal/disk.h

check_PROGRAMS += tests/unit/journal/journal_test tests/unit/journal/power_test
tests_unit_journal_journal_test_SOURCES = tests/unit/journal/journal_test.c $(JOURNAL_HELP)
tests_unit_journal_journal_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_journal_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)
tests_unit_journal_power_test_SOURCES = tests/unit/journal/power_test.c $(JOURNAL_DISK) $(JOURNAL_HELP)
tests_unit_journal_power_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_power_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)

check_PROGRAMS += tests/unit/journal/damage_test
tests_unit_journal_damage_test_SOURCES = tests/unit/journal/damage_test.c $(JOURNAL_HELP)
tests_unit_journal_damage_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_damage_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)

check_PROGRAMS += tests/unit/journal/cut_test
tests_unit_journal_cut_test_SOURCES = tests/unit/journal/cut_test.c $(JOURNAL_HELP)
tests_unit_journal_cut_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_cut_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)

check_PROGRAMS += tests/unit/journal/kill_test
tests_unit_journal_kill_test_SOURCES = tests/unit/journal/kill_test.c $(JOURNAL_HELP)
tests_unit_journal_kill_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_kill_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)

check_PROGRAMS += tests/unit/journal/copy_test
tests_unit_journal_copy_test_SOURCES = tests/unit/journal/copy_test.c $(JOURNAL_HELP)
tests_unit_journal_copy_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_copy_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)

check_PROGRAMS += tests/unit/journal/compactor_test
tests_unit_journal_compactor_test_SOURCES = tests/unit/journal/compactor_test.c $(JOURNAL_HELP) $(SYS_STEPPER)
tests_unit_journal_compactor_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_journal_compactor_test_LDADD = $(L_JOURNAL) $(TEST_LIBS)

# The long forms: every octet, every step, tens of thousands of power cuts.
JOURNAL_FAULTS = tests/unit/journal/damage_test tests/unit/journal/cut_test tests/unit/journal/kill_test tests/unit/journal/power_test
check-faults-journal: $(JOURNAL_FAULTS)
	$(top_srcdir)/tests/check-faults $(JOURNAL_FAULTS)
.PHONY: check-faults-journal
FAULTS += $(JOURNAL_FAULTS)
