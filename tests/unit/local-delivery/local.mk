# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/local-delivery/streams_test
tests_unit_local_delivery_streams_test_SOURCES = tests/unit/local-delivery/streams_test.c $(QMGR_SCRATCH)
tests_unit_local_delivery_streams_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_local_delivery_streams_test_LDADD = liblocaldelivery.a $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/local-delivery/kill_test
tests_unit_local_delivery_kill_test_SOURCES = tests/unit/local-delivery/kill_test.c tests/unit/faults.h $(QMGR_SCRATCH) $(SYS_STEPPER)
tests_unit_local_delivery_kill_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_local_delivery_kill_test_LDADD = liblocaldelivery.a $(L_MAILBOX) $(TEST_LIBS)
