# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libmailbox.a
libmailbox_a_SOURCES = \
	lib/mailbox/incoming.c lib/mailbox/incoming.h
