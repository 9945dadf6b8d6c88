# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/daemon/processes_test
tests_unit_daemon_processes_test_SOURCES = tests/unit/daemon/processes_test.c
tests_unit_daemon_processes_test_LDADD = $(L_DAEMON) $(TEST_LIBS)
