# SPDX-License-Identifier: ISC

check_PROGRAMS += tests/unit/proto/address_test tests/unit/proto/smtp_scan_test tests/unit/proto/smtp_command_test
tests_unit_proto_address_test_SOURCES = tests/unit/proto/address_test.c
tests_unit_proto_address_test_LDADD = $(L_PROTO) $(TEST_LIBS)
tests_unit_proto_smtp_scan_test_SOURCES = tests/unit/proto/smtp_scan_test.c
tests_unit_proto_smtp_scan_test_LDADD = $(L_PROTO) $(TEST_LIBS)
tests_unit_proto_smtp_command_test_SOURCES = tests/unit/proto/smtp_command_test.c
tests_unit_proto_smtp_command_test_LDADD = $(L_PROTO) $(TEST_LIBS)
