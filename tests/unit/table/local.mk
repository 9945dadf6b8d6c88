# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/table/base_test tests/unit/table/table_test
tests_unit_table_base_test_SOURCES = tests/unit/table/base_test.c tests/unit/table/scratch.h
tests_unit_table_base_test_LDADD = $(L_TABLE) $(TEST_LIBS)
tests_unit_table_table_test_SOURCES = tests/unit/table/table_test.c tests/unit/table/scratch.h
tests_unit_table_table_test_LDADD = $(L_TABLE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/table/resolve_test
tests_unit_table_resolve_test_SOURCES = tests/unit/table/resolve_test.c tests/unit/table/scratch.h lookup/resolve.c
tests_unit_table_resolve_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_table_resolve_test_LDADD = $(L_TABLE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/table/change_test
tests_unit_table_change_test_SOURCES = tests/unit/table/change_test.c tests/unit/table/scratch.h accounts/change.c accounts/password.c
tests_unit_table_change_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_table_change_test_LDADD = libtable.a libproto.a $(BDB_LIBS) $(LMDB_LIBS) $(L_TLS) $(CRYPT_LIBS) $(TEST_LIBS)
