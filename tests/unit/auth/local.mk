# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/auth/exchange_test tests/unit/auth/verify_test
tests_unit_auth_exchange_test_SOURCES = tests/unit/auth/exchange_test.c
tests_unit_auth_exchange_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_auth_exchange_test_LDADD = $(L_AUTH) $(TEST_LIBS)
tests_unit_auth_verify_test_SOURCES = tests/unit/auth/verify_test.c
tests_unit_auth_verify_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_auth_verify_test_LDADD = $(L_AUTH) $(TEST_LIBS)
