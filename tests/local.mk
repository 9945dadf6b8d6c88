# SPDX-License-Identifier: ISC
# Unit tests mirror the tree; they are built where cmocka is found.
if HAVE_CMOCKA
# The parts of `make check-faults` (tests/check-faults), each with a target of its own besides.
FAULTS =
include tests/unit/base/local.mk
include tests/unit/sys/local.mk
include tests/unit/log/local.mk
include tests/unit/event/local.mk
include tests/unit/proto/local.mk
include tests/unit/conf/local.mk
include tests/unit/table/local.mk
include tests/unit/ipc/local.mk
include tests/unit/tls/local.mk
include tests/unit/keyd/local.mk
include tests/unit/journal/local.mk
include tests/unit/mailbox/local.mk
include tests/unit/qmgr/local.mk
include tests/unit/local-delivery/local.mk
include tests/unit/smtp-client/local.mk
include tests/unit/smtpd/local.mk
include tests/unit/imapd/local.mk
include tests/unit/pop3d/local.mk
include tests/unit/auth/local.mk
include tests/unit/daemon/local.mk
check-faults: $(check_PROGRAMS)
	$(top_srcdir)/tests/check-faults $(FAULTS)
# The power cut of the whole suite, and floods of 100,000 deliveries; on the build that ./quickstart makes.
check-faults-powercut:
	$(top_srcdir)/tests/check-faults powercut
check-faults-flood:
	$(top_srcdir)/tests/check-faults flood
.PHONY: check-faults check-faults-powercut check-faults-flood
FAULTS += powercut flood
endif
include tests/fuzz/local.mk
dist_noinst_SCRIPTS += tests/run tests/check-faults build-aux/check-layers build-aux/check-standards
EXTRA_DIST += build-aux/check-standards.list tests/system
