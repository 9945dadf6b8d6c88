# SPDX-License-Identifier: ISC

check_PROGRAMS += tests/unit/proto/address_test tests/unit/proto/smtp_scan_test tests/unit/proto/smtp_command_test
tests_unit_proto_address_test_SOURCES = tests/unit/proto/address_test.c
tests_unit_proto_address_test_LDADD = $(L_PROTO) $(TEST_LIBS)
tests_unit_proto_smtp_scan_test_SOURCES = tests/unit/proto/smtp_scan_test.c
tests_unit_proto_smtp_scan_test_LDADD = $(L_PROTO) $(TEST_LIBS)
tests_unit_proto_smtp_command_test_SOURCES = tests/unit/proto/smtp_command_test.c
tests_unit_proto_smtp_command_test_LDADD = $(L_PROTO) $(TEST_LIBS)

check_PROGRAMS += tests/unit/proto/mime_test
tests_unit_proto_mime_test_SOURCES = tests/unit/proto/mime_test.c tests/unit/proto/proto_test.h
tests_unit_proto_mime_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_proto_mime_test_LDADD = $(L_PROTO) $(TEST_LIBS)

check_PROGRAMS += tests/unit/proto/imap_body_test
tests_unit_proto_imap_body_test_SOURCES = tests/unit/proto/imap_body_test.c tests/unit/proto/proto_test.h
tests_unit_proto_imap_body_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_proto_imap_body_test_LDADD = $(L_PROTO) $(TEST_LIBS)

check_PROGRAMS += tests/unit/proto/imap_parse_test
tests_unit_proto_imap_parse_test_SOURCES = tests/unit/proto/imap_parse_test.c tests/unit/proto/proto_test.h
tests_unit_proto_imap_parse_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_proto_imap_parse_test_LDADD = $(L_PROTO) $(TEST_LIBS)

check_PROGRAMS += tests/unit/proto/imap_search_test
tests_unit_proto_imap_search_test_SOURCES = tests/unit/proto/imap_search_test.c tests/unit/proto/proto_test.h
tests_unit_proto_imap_search_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_proto_imap_search_test_LDADD = $(L_PROTO) $(TEST_LIBS)

check_PROGRAMS += tests/unit/proto/dsn_test
tests_unit_proto_dsn_test_SOURCES = tests/unit/proto/dsn_test.c
tests_unit_proto_dsn_test_LDADD = $(L_PROTO) $(TEST_LIBS)
