# SPDX-License-Identifier: ISC
# What qmgr is made of but its main(): a library, so that tests link it.
QMGR_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -I$(top_builddir)
noinst_LIBRARIES += libqmgr.a
libqmgr_a_CPPFLAGS = $(QMGR_CPPFLAGS)
libqmgr_a_SOURCES = \
	qmgr/admit.c qmgr/admit.h \
	qmgr/cache.c qmgr/cache.h \
	qmgr/checkpoint.c \
	qmgr/commits.c qmgr/commits.h \
	qmgr/content.c qmgr/content.h \
	qmgr/floor.c qmgr/floor.h \
	qmgr/heap.c \
	qmgr/lanes.c qmgr/lanes.h \
	qmgr/routes.c qmgr/routes.h \
	qmgr/spool.c qmgr/spool.h qmgr/spool_private.h \
	qmgr/state.c qmgr/state.h qmgr/state_private.h \
	qmgr/table.c \
	qmgr/tidy.c \
	qmgr/windows.c qmgr/windows.h
nodist_libqmgr_a_SOURCES = qmgr/records.c qmgr/records.h
BUILT_SOURCES += qmgr/records.h qmgr/records.c
CLEANFILES += qmgr/records.h qmgr/records.c
EXTRA_DIST += qmgr/records.tbl build-aux/records.awk
qmgr/records.h: $(srcdir)/qmgr/records.tbl $(srcdir)/build-aux/records.awk
	$(AM_V_GEN)$(MKDIR_P) qmgr && $(AWK) -v mode=h -f $(srcdir)/build-aux/records.awk $(srcdir)/qmgr/records.tbl >$@.tmp && mv $@.tmp $@
qmgr/records.c: $(srcdir)/qmgr/records.tbl $(srcdir)/build-aux/records.awk
	$(AM_V_GEN)$(MKDIR_P) qmgr && $(AWK) -v mode=c -f $(srcdir)/build-aux/records.awk $(srcdir)/qmgr/records.tbl >$@.tmp && mv $@.tmp $@

pkglibexec_PROGRAMS += qmgr/qmgr
qmgr_qmgr_CPPFLAGS = $(QMGR_CPPFLAGS)
qmgr_qmgr_SOURCES = \
	qmgr/agents.c \
	qmgr/control.c \
	qmgr/intake.c \
	qmgr/main.c \
	qmgr/notice.c \
	qmgr/qmgr.h \
	qmgr/results.c
qmgr_qmgr_LDADD = libqmgr.a libproto.a libjournal.a $(L_DAEMON)
