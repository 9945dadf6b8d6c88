# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += pop3d/pop3d
pop3d_pop3d_SOURCES = \
	pop3d/client.c pop3d/client.h \
	pop3d/engine.c pop3d/engine.h pop3d/inside.h \
	pop3d/pop3d.c \
	pop3d/transfer.c
pop3d_pop3d_LDADD = libmailbox.a libjournal.a libproto.a $(L_DAEMON)
