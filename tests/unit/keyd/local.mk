# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/keyd/store_test
tests_unit_keyd_store_test_SOURCES = tests/unit/keyd/store_test.c tests/unit/tls/credentials.c tests/unit/tls/credentials.h \
	keyd/store.c keyd/store.h keyd/tickets.c keyd/tickets.h
tests_unit_keyd_store_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_keyd_store_test_LDADD = $(L_TLS_TEST)
check_PROGRAMS += tests/unit/keyd/door_test
tests_unit_keyd_door_test_SOURCES = tests/unit/keyd/door_test.c $(TLS_BENCH) keyd/answers.c keyd/answers.h keyd/store.c keyd/store.h \
	keyd/tickets.c keyd/tickets.h
tests_unit_keyd_door_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_keyd_door_test_LDADD = $(L_DAEMON) $(TEST_LIBS)
