# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	lib/base/base64.c \
	lib/base/buf.c lib/base/buf.h \
	lib/base/crc32c.c \
	lib/base/date.c lib/base/date.h \
	lib/base/err.c lib/base/err.h \
	lib/base/list.h \
	lib/base/map.c lib/base/map.h \
	lib/base/mem.c lib/base/mem.h \
	lib/base/num.c lib/base/num.h \
	lib/base/view.c lib/base/view.h
