# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += lookup/lookup
lookup_lookup_SOURCES = lookup/lookup.c lookup/resolve.c lookup/resolve.h
lookup_lookup_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
lookup_lookup_LDADD = libtable.a libproto.a $(BDB_LIBS) $(LMDB_LIBS) $(L_DAEMON)
