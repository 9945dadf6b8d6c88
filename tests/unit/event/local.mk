# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/event/loop_test
tests_unit_event_loop_test_SOURCES = tests/unit/event/loop_test.c tests/unit/base/random.h
tests_unit_event_loop_test_LDADD = $(L_EVENT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/event/pool_test
tests_unit_event_pool_test_SOURCES = tests/unit/event/pool_test.c
tests_unit_event_pool_test_LDADD = $(L_EVENT) $(TEST_LIBS)
