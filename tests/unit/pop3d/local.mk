# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/pop3d/engine_test
tests_unit_pop3d_engine_test_SOURCES = tests/unit/pop3d/engine_test.c $(MAILBOX_HELP) pop3d/engine.c pop3d/engine.h pop3d/inside.h pop3d/transfer.c
tests_unit_pop3d_engine_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_pop3d_engine_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)
