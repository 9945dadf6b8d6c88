# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/table/base_test tests/unit/table/table_test
tests_unit_table_base_test_SOURCES = tests/unit/table/base_test.c tests/unit/table/scratch.h
tests_unit_table_base_test_LDADD = $(L_TABLE) $(TEST_LIBS)
tests_unit_table_table_test_SOURCES = tests/unit/table/table_test.c tests/unit/table/scratch.h
tests_unit_table_table_test_LDADD = $(L_TABLE) $(TEST_LIBS)
