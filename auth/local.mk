# SPDX-License-Identifier: ISC
# All but main(), so that tests link it.
noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = auth/engine.c auth/engine.h auth/exchange.c auth/exchange.h auth/preview.c auth/preview.h auth/verify.c auth/verify.h
libauth_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
L_AUTH = libauth.a $(L_DAEMON) $(SASL_LIBS) $(CRYPT_LIBS)

pkglibexec_PROGRAMS += auth/auth
auth_auth_SOURCES = auth/auth.c
auth_auth_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
auth_auth_LDADD = $(L_AUTH)
