# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += login/login
login_login_SOURCES = login/carry.c login/client.c login/imap.c login/login.c login/login.h login/pop3.c login/sasl.c
login_login_LDADD = $(L_DAEMON) libproto.a libbase.a
