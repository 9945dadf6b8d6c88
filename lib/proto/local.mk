# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES = \
	lib/proto/charset.c lib/proto/charset.h \
	lib/proto/charset_words.c \
	lib/proto/header.c lib/proto/header.h \
	lib/proto/mime.c lib/proto/mime.h \
	lib/proto/mime_value.c
