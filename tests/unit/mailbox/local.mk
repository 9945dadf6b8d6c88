# SPDX-License-Identifier: ISC
MAILBOX_HELP = tests/unit/mailbox/help.c tests/unit/mailbox/help.h

check_PROGRAMS += tests/unit/mailbox/uidset_test
tests_unit_mailbox_uidset_test_SOURCES = tests/unit/mailbox/uidset_test.c
tests_unit_mailbox_uidset_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_uidset_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/store_test
tests_unit_mailbox_store_test_SOURCES = tests/unit/mailbox/store_test.c $(MAILBOX_HELP)
tests_unit_mailbox_store_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_store_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/view_test
tests_unit_mailbox_view_test_SOURCES = tests/unit/mailbox/view_test.c $(MAILBOX_HELP)
tests_unit_mailbox_view_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_view_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/model_test
tests_unit_mailbox_model_test_SOURCES = tests/unit/mailbox/model_test.c tests/unit/faults.h $(MAILBOX_HELP) $(SYS_STEPPER)
tests_unit_mailbox_model_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_model_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/recovery_test
tests_unit_mailbox_recovery_test_SOURCES = tests/unit/mailbox/recovery_test.c $(MAILBOX_HELP)
tests_unit_mailbox_recovery_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_recovery_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/maildir_test
tests_unit_mailbox_maildir_test_SOURCES = tests/unit/mailbox/maildir_test.c $(MAILBOX_HELP)
tests_unit_mailbox_maildir_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_maildir_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/repair_test
tests_unit_mailbox_repair_test_SOURCES = tests/unit/mailbox/repair_test.c $(MAILBOX_HELP)
tests_unit_mailbox_repair_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_repair_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/summary_test
tests_unit_mailbox_summary_test_SOURCES = tests/unit/mailbox/summary_test.c $(MAILBOX_HELP)
tests_unit_mailbox_summary_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_summary_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/columns_test
tests_unit_mailbox_columns_test_SOURCES = tests/unit/mailbox/columns_test.c $(MAILBOX_HELP)
tests_unit_mailbox_columns_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_columns_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += tests/unit/mailbox/carry_test
tests_unit_mailbox_carry_test_SOURCES = tests/unit/mailbox/carry_test.c $(MAILBOX_HELP)
tests_unit_mailbox_carry_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_mailbox_carry_test_LDADD = $(L_MAILBOX) $(TEST_LIBS)

# Each system call of what happens to an account, and of a delivery.
KILL_FAULTS = tests/unit/mailbox/model_test tests/unit/local-delivery/kill_test
check-faults-kill: $(KILL_FAULTS)
	$(top_srcdir)/tests/check-faults $(KILL_FAULTS)
.PHONY: check-faults-kill
FAULTS += $(KILL_FAULTS)
