# SPDX-License-Identifier: ISC
# The protocol, which tests link, and the daemon.
noinst_LIBRARIES += libsmtpclient.a
libsmtpclient_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
libsmtpclient_a_SOURCES = \
	smtp-client/body.c smtp-client/body.h \
	smtp-client/reply.c smtp-client/reply.h \
	smtp-client/session.c smtp-client/session.h

pkglibexec_PROGRAMS += smtp-client/smtp-client
smtp_client_smtp_client_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
smtp_client_smtp_client_SOURCES = smtp-client/main.c
smtp_client_smtp_client_LDADD = libsmtpclient.a libproto.a $(L_DAEMON)
