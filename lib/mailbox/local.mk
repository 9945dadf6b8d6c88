# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libmailbox.a
libmailbox_a_SOURCES = \
	lib/mailbox/adopt.c \
	lib/mailbox/append.c \
	lib/mailbox/apply.c \
	lib/mailbox/batch.c lib/mailbox/batch.h \
	lib/mailbox/change.c \
	lib/mailbox/carry.c lib/mailbox/carry.h \
	lib/mailbox/checkpoint.c lib/mailbox/checkpoint.h \
	lib/mailbox/columns.c lib/mailbox/columns.h \
	lib/mailbox/flags.h \
	lib/mailbox/flush.c \
	lib/mailbox/incoming.c lib/mailbox/incoming.h \
	lib/mailbox/indexes.c \
	lib/mailbox/mailbox.h \
	lib/mailbox/maildir.c lib/mailbox/maildir.h \
	lib/mailbox/mbox.c \
	lib/mailbox/names.c \
	lib/mailbox/read.c \
	lib/mailbox/records.c lib/mailbox/records.h \
	lib/mailbox/repair.c lib/mailbox/repair.h \
	lib/mailbox/salvage.c lib/mailbox/salvage.h \
	lib/mailbox/state.c lib/mailbox/state.h \
	lib/mailbox/store.c lib/mailbox/store.h \
	lib/mailbox/summary.c lib/mailbox/summary.h \
	lib/mailbox/summaries.c \
	lib/mailbox/tidy.c \
	lib/mailbox/transfer.c lib/mailbox/transfer.h \
	lib/mailbox/uidset.c lib/mailbox/uidset.h \
	lib/mailbox/varint.h \
	lib/mailbox/view.c lib/mailbox/viewing.h
