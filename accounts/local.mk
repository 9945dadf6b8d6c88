# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += accounts/accounts
accounts_accounts_SOURCES = accounts/accounts.c accounts/accounts.h accounts/change.c accounts/change.h accounts/holds.c accounts/homes.c accounts/jobs.c \
	accounts/lists.c accounts/password.c accounts/password.h
accounts_accounts_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
accounts_accounts_LDADD = libtable.a libproto.a $(BDB_LIBS) $(LMDB_LIBS) $(L_DAEMON) $(CRYPT_LIBS)
