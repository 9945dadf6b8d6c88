# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES = \
	lib/proto/address.c lib/proto/address.h \
	lib/proto/address_list.c lib/proto/address_list.h \
	lib/proto/addrlist.c lib/proto/addrlist.h \
	lib/proto/charset.c lib/proto/charset.h \
	lib/proto/charset_words.c \
	lib/proto/dsn.c lib/proto/dsn.h \
	lib/proto/header.c lib/proto/header.h \
	lib/proto/imap_body.c lib/proto/imap_body.h \
	lib/proto/imap_fetch.c lib/proto/imap_fetch.h \
	lib/proto/imap_name.c lib/proto/imap_name.h \
	lib/proto/imap_parse.c lib/proto/imap_parse.h \
	lib/proto/imap_put.c lib/proto/imap_put.h \
	lib/proto/imap_read.c lib/proto/imap_read.h \
	lib/proto/imap_search.c lib/proto/imap_search.h \
	lib/proto/imap_search_match.c \
	lib/proto/imap_set.c lib/proto/imap_set.h \
	lib/proto/mime.c lib/proto/mime.h \
	lib/proto/mime_value.c \
	lib/proto/smtp_command.c lib/proto/smtp_command.h \
	lib/proto/smtp_reply.c lib/proto/smtp_reply.h \
	lib/proto/smtp_scan.c lib/proto/smtp_scan.h \
	lib/proto/xtext.c lib/proto/xtext.h
