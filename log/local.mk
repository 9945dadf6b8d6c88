# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += log/log
log_log_SOURCES = log/log.c
log_log_LDADD = $(L_DAEMON)
