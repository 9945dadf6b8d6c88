# SPDX-License-Identifier: ISC
# The layers, lowest first; a library uses only those before it.
include lib/base/local.mk
include lib/sys/local.mk
include lib/log/local.mk
include lib/event/local.mk
include lib/proto/local.mk
include lib/conf/local.mk
include lib/table/local.mk
include lib/ipc/local.mk
include lib/tls/local.mk
include lib/journal/local.mk
include lib/mailbox/local.mk
include lib/daemon/local.mk
