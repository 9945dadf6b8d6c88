# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libtls.a
libtls_a_SOURCES = \
	lib/tls/certs.c \
	lib/tls/context.c lib/tls/context.h \
	lib/tls/digest.c lib/tls/digest.h \
	lib/tls/handshake.c \
	lib/tls/name.c \
	lib/tls/remote_key.c lib/tls/remote_key.h \
	lib/tls/scheme.c lib/tls/scheme.h \
	lib/tls/scram.c lib/tls/scram.h \
	lib/tls/seal.c lib/tls/seal.h \
	lib/tls/server.h \
	lib/tls/sign.c lib/tls/sign.h \
	lib/tls/sign_key.c lib/tls/sign_key.h \
	lib/tls/stream.c lib/tls/stream.h \
	lib/tls/stream_impl.h \
	lib/tls/stream_tls.c
