# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libmailbox.a
libmailbox_a_SOURCES = \
	lib/mailbox/apply.c \
	lib/mailbox/checkpoint.c lib/mailbox/checkpoint.h \
	lib/mailbox/flags.h \
	lib/mailbox/incoming.c lib/mailbox/incoming.h \
	lib/mailbox/mailbox.h \
	lib/mailbox/records.c lib/mailbox/records.h \
	lib/mailbox/state.c lib/mailbox/state.h \
	lib/mailbox/uidset.c lib/mailbox/uidset.h \
	lib/mailbox/varint.h
