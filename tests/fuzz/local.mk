# SPDX-License-Identifier: ISC
# A target is a file with LLVMFuzzerTestOneInput; run.c feeds it its seeds and mutations of them in every test run.
EXTRA_DIST += tests/fuzz/seeds

check_PROGRAMS += tests/fuzz/imap
tests_fuzz_imap_SOURCES = tests/fuzz/imap.c tests/fuzz/run.c
tests_fuzz_imap_LDADD = $(L_PROTO)

check_PROGRAMS += tests/fuzz/mime
tests_fuzz_mime_SOURCES = tests/fuzz/mime.c tests/fuzz/run.c
tests_fuzz_mime_LDADD = $(L_PROTO)

check_PROGRAMS += tests/fuzz/segment
tests_fuzz_segment_SOURCES = tests/fuzz/segment.c tests/fuzz/run.c
tests_fuzz_segment_LDADD = $(L_JOURNAL)

check_PROGRAMS += tests/fuzz/search
tests_fuzz_search_SOURCES = tests/fuzz/search.c tests/fuzz/run.c
tests_fuzz_search_LDADD = $(L_PROTO)

check_PROGRAMS += tests/fuzz/smtp
tests_fuzz_smtp_SOURCES = tests/fuzz/smtp.c tests/fuzz/run.c
tests_fuzz_smtp_LDADD = $(L_SMTPD)

check_PROGRAMS += tests/fuzz/smtp_scan
tests_fuzz_smtp_scan_SOURCES = tests/fuzz/smtp_scan.c tests/fuzz/run.c
tests_fuzz_smtp_scan_LDADD = $(L_PROTO)

check_PROGRAMS += tests/fuzz/sign
tests_fuzz_sign_SOURCES = tests/fuzz/sign.c tests/fuzz/run.c
tests_fuzz_sign_LDADD = libtls.a $(L_EVENT) $(OPENSSL_LIBS)

check_PROGRAMS += tests/fuzz/records
tests_fuzz_records_SOURCES = tests/fuzz/records.c tests/fuzz/run.c
tests_fuzz_records_LDADD = $(L_MAILBOX)

check_PROGRAMS += tests/fuzz/table
tests_fuzz_table_SOURCES = tests/fuzz/table.c tests/fuzz/run.c
tests_fuzz_table_LDADD = $(L_TABLE)

check_PROGRAMS += tests/fuzz/auth
tests_fuzz_auth_SOURCES = tests/fuzz/auth.c tests/fuzz/run.c
tests_fuzz_auth_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_auth_LDADD = $(L_AUTH)
check_PROGRAMS += tests/fuzz/spool
tests_fuzz_spool_SOURCES = tests/fuzz/spool.c tests/fuzz/run.c
tests_fuzz_spool_CPPFLAGS = $(QMGR_CPPFLAGS)
tests_fuzz_spool_LDADD = libqmgr.a $(L_BASE)

check_PROGRAMS += tests/fuzz/incoming
tests_fuzz_incoming_SOURCES = tests/fuzz/incoming.c tests/fuzz/run.c
tests_fuzz_incoming_LDADD = libmailbox.a $(L_BASE)

check_PROGRAMS += tests/fuzz/smtp_reply
tests_fuzz_smtp_reply_SOURCES = tests/fuzz/smtp_reply.c tests/fuzz/run.c
tests_fuzz_smtp_reply_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_smtp_reply_LDADD = libsmtpclient.a $(L_PROTO)

check_PROGRAMS += tests/fuzz/ipc
tests_fuzz_ipc_SOURCES = tests/fuzz/ipc.c tests/fuzz/run.c
tests_fuzz_ipc_LDADD = $(L_IPC)

check_PROGRAMS += tests/fuzz/columns
tests_fuzz_columns_SOURCES = tests/fuzz/columns.c tests/fuzz/home.c tests/fuzz/home.h tests/fuzz/run.c
tests_fuzz_columns_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_columns_LDADD = $(L_MAILBOX)

check_PROGRAMS += tests/fuzz/summary
tests_fuzz_summary_SOURCES = tests/fuzz/summary.c tests/fuzz/home.c tests/fuzz/home.h tests/fuzz/run.c
tests_fuzz_summary_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_summary_LDADD = $(L_MAILBOX)
