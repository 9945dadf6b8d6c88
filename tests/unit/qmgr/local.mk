# SPDX-License-Identifier: ISC
QMGR_SCRATCH = tests/unit/qmgr/scratch.c tests/unit/qmgr/scratch.h
QMGR_HELP = tests/unit/qmgr/help.c tests/unit/qmgr/help.h $(QMGR_SCRATCH)
QMGR_TEST_LIBS = libqmgr.a libproto.a libjournal.a $(L_TLS) $(TEST_LIBS)

check_PROGRAMS += tests/unit/qmgr/state_test
tests_unit_qmgr_state_test_SOURCES = tests/unit/qmgr/state_test.c $(QMGR_HELP)
tests_unit_qmgr_state_test_CPPFLAGS = $(QMGR_CPPFLAGS)
tests_unit_qmgr_state_test_LDADD = $(QMGR_TEST_LIBS)

check_PROGRAMS += tests/unit/qmgr/lanes_test
tests_unit_qmgr_lanes_test_SOURCES = tests/unit/qmgr/lanes_test.c $(QMGR_HELP)
tests_unit_qmgr_lanes_test_CPPFLAGS = $(QMGR_CPPFLAGS)
tests_unit_qmgr_lanes_test_LDADD = $(QMGR_TEST_LIBS)

check_PROGRAMS += tests/unit/qmgr/admit_test
tests_unit_qmgr_admit_test_SOURCES = tests/unit/qmgr/admit_test.c $(QMGR_HELP)
tests_unit_qmgr_admit_test_CPPFLAGS = $(QMGR_CPPFLAGS)
tests_unit_qmgr_admit_test_LDADD = $(QMGR_TEST_LIBS)

check_PROGRAMS += tests/unit/qmgr/spool_test
tests_unit_qmgr_spool_test_SOURCES = tests/unit/qmgr/spool_test.c $(QMGR_HELP)
tests_unit_qmgr_spool_test_CPPFLAGS = $(QMGR_CPPFLAGS)
tests_unit_qmgr_spool_test_LDADD = $(QMGR_TEST_LIBS)

check_PROGRAMS += tests/unit/qmgr/commits_test
tests_unit_qmgr_commits_test_SOURCES = tests/unit/qmgr/commits_test.c
tests_unit_qmgr_commits_test_CPPFLAGS = $(QMGR_CPPFLAGS)
tests_unit_qmgr_commits_test_LDADD = $(QMGR_TEST_LIBS)

check_PROGRAMS += tests/unit/qmgr/windows_test
tests_unit_qmgr_windows_test_SOURCES = tests/unit/qmgr/windows_test.c $(QMGR_HELP)
tests_unit_qmgr_windows_test_CPPFLAGS = $(QMGR_CPPFLAGS)
tests_unit_qmgr_windows_test_LDADD = $(QMGR_TEST_LIBS)
