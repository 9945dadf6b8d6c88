# SPDX-License-Identifier: ISC
# All but main is a library, so that tests speak IMAP to it without processes.
noinst_LIBRARIES += libimapd.a
libimapd_a_SOURCES = \
	imapd/append.c \
	imapd/args.c \
	imapd/commands.c \
	imapd/copy.c \
	imapd/fetch.c \
	imapd/imapd.h \
	imapd/list.c \
	imapd/mailboxes.c \
	imapd/search.c \
	imapd/select.c \
	imapd/session.c imapd/session.h \
	imapd/status.c \
	imapd/store.c

pkglibexec_PROGRAMS += imapd/imapd
imapd_imapd_SOURCES = imapd/main.c
imapd_imapd_LDADD = libimapd.a $(L_DAEMON) $(L_MAILBOX)
