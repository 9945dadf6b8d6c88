# SPDX-License-Identifier: ISC
dist_noinst_SCRIPTS += bench/run
EXTRA_DIST += bench/cases.py bench/servers.py bench/imap_bench.py bench/peers bench/slow_flush.c
noinst_PROGRAMS += bench/smtp_load
bench_smtp_load_SOURCES = bench/smtp_load.c
noinst_PROGRAMS += bench/skeleton
bench_skeleton_SOURCES = bench/skeleton.c
noinst_PROGRAMS += bench/limits
bench_limits_SOURCES = bench/limits.c
noinst_PROGRAMS += bench/journal_bench
bench_journal_bench_SOURCES = bench/journal_bench.c
bench_journal_bench_LDADD = $(L_JOURNAL)
noinst_PROGRAMS += bench/open_bench
bench_open_bench_SOURCES = bench/open_bench.c
bench_open_bench_LDADD = $(L_MAILBOX)
# Loaded into both servers of a row; without sanitizers, which want to come first.
noinst_DATA = bench/slow_flush.so
CLEANFILES += bench/slow_flush.so
bench/slow_flush.so: bench/slow_flush.c
	$(AM_V_GEN)$(MKDIR_P) bench && $(CC) -std=c17 -O2 -Wall -Wextra -fPIC -shared -o $@ $(srcdir)/bench/slow_flush.c
