# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/smtp-client/session_test
tests_unit_smtp_client_session_test_SOURCES = tests/unit/smtp-client/session_test.c
tests_unit_smtp_client_session_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_smtp_client_session_test_LDADD = libsmtpclient.a $(L_PROTO) $(TEST_LIBS)
