# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/log/log_test
tests_unit_log_log_test_SOURCES = tests/unit/log/log_test.c tests/unit/base/random.h
tests_unit_log_log_test_LDADD = $(L_LOG) $(TEST_LIBS)
