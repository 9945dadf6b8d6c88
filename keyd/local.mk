# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += keyd/keyd
keyd_keyd_SOURCES = keyd/answers.c keyd/answers.h keyd/keyd.c keyd/store.c keyd/store.h keyd/tickets.c keyd/tickets.h
keyd_keyd_LDADD = $(L_DAEMON)
