# SPDX-License-Identifier: ISC
# Unit tests mirror the tree; they are built where cmocka is found.
if HAVE_CMOCKA
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
# The power cut of the whole suite, in its long form; on the build that ./quickstart makes.
check-faults-powercut:
	POSTRIDER_IMAGES=100 python3 $(top_srcdir)/tests/system/powercut_test.py
# Floods of 100,000 deliveries, likewise.
check-faults-flood:
	POSTRIDER_FLOOD=100000 python3 $(top_srcdir)/tests/system/fairness_test.py
check-faults: check-faults-powercut check-faults-flood
.PHONY: check-faults-powercut check-faults-flood
endif
include tests/fuzz/local.mk
dist_noinst_SCRIPTS += tests/run build-aux/check-layers build-aux/check-standards
EXTRA_DIST += build-aux/check-standards.list tests/system
