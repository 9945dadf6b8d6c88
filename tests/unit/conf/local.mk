# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/conf/conf_test
tests_unit_conf_conf_test_SOURCES = tests/unit/conf/conf_test.c
tests_unit_conf_conf_test_LDADD = $(L_CONF) $(TEST_LIBS)
