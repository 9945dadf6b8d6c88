# SPDX-License-Identifier: ISC
noinst_PROGRAMS += bench/smtp_load
bench_smtp_load_SOURCES = bench/smtp_load.c
