# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libtls.a
libtls_a_SOURCES = \
	lib/tls/context.h \
	lib/tls/digest.c lib/tls/digest.h \
	lib/tls/name.c \
	lib/tls/scheme.c lib/tls/scheme.h \
	lib/tls/scram.c lib/tls/scram.h \
	lib/tls/seal.c lib/tls/seal.h \
	lib/tls/sign.c lib/tls/sign.h \
	lib/tls/sign_key.c lib/tls/sign_key.h \
	lib/tls/stream.h
