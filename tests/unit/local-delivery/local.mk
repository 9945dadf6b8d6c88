# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/local-delivery/streams_test
tests_unit_local_delivery_streams_test_SOURCES = tests/unit/local-delivery/streams_test.c $(QMGR_SCRATCH)
tests_unit_local_delivery_streams_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_local_delivery_streams_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fcntl
tests_unit_local_delivery_streams_test_LDADD = liblocaldelivery.a $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/local-delivery/kill_test
tests_unit_local_delivery_kill_test_SOURCES = tests/unit/local-delivery/kill_test.c tests/unit/faults.h $(QMGR_SCRATCH) $(SYS_STEPPER)
tests_unit_local_delivery_kill_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_local_delivery_kill_test_LDADD = liblocaldelivery.a $(L_MAILBOX) $(TEST_LIBS)

# The daemons of a message's way whole, but for their main()s, each under a name of its own; so are the functions that qmgr and lib/mailbox both name.
PATH_NAMES = -Dstate_new=queue_state_new -Dstate_free=queue_state_free -Dstate_apply=queue_state_apply
check_LIBRARIES += tests/unit/local-delivery/libpathqmgr.a tests/unit/local-delivery/libpathdelivery.a
tests_unit_local_delivery_libpathqmgr_a_SOURCES = $(qmgr_qmgr_SOURCES) $(libqmgr_a_SOURCES)
nodist_tests_unit_local_delivery_libpathqmgr_a_SOURCES = $(nodist_libqmgr_a_SOURCES)
tests_unit_local_delivery_libpathqmgr_a_CPPFLAGS = $(QMGR_CPPFLAGS) $(PATH_NAMES) -Dmain=qmgr_main
tests_unit_local_delivery_libpathqmgr_a_CFLAGS = $(AM_CFLAGS) -Wno-missing-prototypes
tests_unit_local_delivery_libpathdelivery_a_CFLAGS = $(AM_CFLAGS) -Wno-missing-prototypes
tests_unit_local_delivery_libpathdelivery_a_SOURCES = $(local_delivery_local_delivery_SOURCES) host/homes.c host/host.h
tests_unit_local_delivery_libpathdelivery_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -I$(top_srcdir)/host -Dmain=local_delivery_main

# All system calls by which a file comes, changes, becomes durable and goes (calls.h).
CALLS_WRAPPED = -Wl,--wrap=openat,--wrap=__openat_2,--wrap=dup,--wrap=close,--wrap=write,--wrap=pwrite,--wrap=pwritev,--wrap=ftruncate,--wrap=fallocate,--wrap=posix_fallocate,--wrap=fdatasync,--wrap=fsync,--wrap=syncfs,--wrap=renameat,--wrap=renameat2,--wrap=unlinkat,--wrap=mkdirat,--wrap=linkat,--wrap=fstatat
check_PROGRAMS += tests/unit/local-delivery/power_test
tests_unit_local_delivery_power_test_SOURCES = tests/unit/local-delivery/power_test.c tests/unit/faults.h tests/unit/local-delivery/calls.c \
	tests/unit/local-delivery/calls.h tests/unit/local-delivery/stage.c tests/unit/local-delivery/stage.h $(JOURNAL_DISK) tests/unit/base/random.h
tests_unit_local_delivery_power_test_CPPFLAGS = $(QMGR_CPPFLAGS) -I$(top_srcdir)/host
tests_unit_local_delivery_power_test_LDFLAGS = $(AM_LDFLAGS) $(CALLS_WRAPPED)
tests_unit_local_delivery_power_test_LDADD = tests/unit/local-delivery/libpathqmgr.a tests/unit/local-delivery/libpathdelivery.a liblocaldelivery.a \
	libmailbox.a libjournal.a libproto.a libtls.a libipc.a $(L_CONF) $(OPENSSL_LIBS) $(TEST_LIBS)

# The long form: power cuts on a message's whole way, by the thousand.
POWER_FAULTS = tests/unit/local-delivery/power_test
check-faults-power: $(POWER_FAULTS)
	$(top_srcdir)/tests/check-faults $(POWER_FAULTS)
.PHONY: check-faults-power
FAULTS += $(POWER_FAULTS)
