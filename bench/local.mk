# SPDX-License-Identifier: ISC
dist_noinst_SCRIPTS += bench/run
EXTRA_DIST += bench/cases.py bench/imap_bench.py bench/peers
noinst_PROGRAMS += bench/smtp_load
bench_smtp_load_SOURCES = bench/smtp_load.c
noinst_PROGRAMS += bench/journal_bench
bench_journal_bench_SOURCES = bench/journal_bench.c
bench_journal_bench_LDADD = $(L_JOURNAL)
