# SPDX-License-Identifier: ISC
noinst_LIBRARIES += liblog.a
liblog_a_SOURCES = lib/log/log.c lib/log/log.h
