# SPDX-License-Identifier: ISC
# The protocol engine, which does no I/O: a library, so that tests and fuzzers use it without the process around it.
noinst_LIBRARIES += libsmtpd.a
libsmtpd_a_SOURCES = \
	smtpd/answers.c smtpd/answers.h \
	smtpd/class.c smtpd/class.h \
	smtpd/command.c \
	smtpd/content.c \
	smtpd/engine.h \
	smtpd/envelope.c \
	smtpd/login.c \
	smtpd/message.c smtpd/message.h \
	smtpd/session.c smtpd/session.h \
	smtpd/settings.c smtpd/settings.h \
	smtpd/users.c smtpd/users.h
L_SMTPD = libsmtpd.a libproto.a $(L_IPC)

pkglibexec_PROGRAMS += smtpd/smtpd
smtpd_smtpd_SOURCES = \
	smtpd/client.c \
	smtpd/requests.c \
	smtpd/smtpd.c smtpd/smtpd.h
smtpd_smtpd_LDADD = libsmtpd.a libproto.a $(L_DAEMON)
