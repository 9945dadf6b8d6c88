# SPDX-License-Identifier: ISC
TLS_BENCH = tests/unit/tls/credentials.c tests/unit/tls/credentials.h tests/unit/tls/pair.c tests/unit/tls/pair.h
L_TLS_TEST = libtls.a $(L_EVENT) $(OPENSSL_LIBS) $(TEST_LIBS)
check_PROGRAMS += tests/unit/tls/handshake_test
tests_unit_tls_handshake_test_SOURCES = tests/unit/tls/handshake_test.c $(TLS_BENCH)
tests_unit_tls_handshake_test_LDADD = $(L_TLS_TEST)
check_PROGRAMS += tests/unit/tls/seal_test
tests_unit_tls_seal_test_SOURCES = tests/unit/tls/seal_test.c
tests_unit_tls_seal_test_LDADD = $(L_TLS_TEST)
check_PROGRAMS += tests/unit/tls/sign_test
tests_unit_tls_sign_test_SOURCES = tests/unit/tls/sign_test.c tests/unit/tls/credentials.c tests/unit/tls/credentials.h
tests_unit_tls_sign_test_LDADD = $(L_TLS_TEST)
check_PROGRAMS += tests/unit/tls/stream_test
tests_unit_tls_stream_test_SOURCES = tests/unit/tls/stream_test.c $(TLS_BENCH)
tests_unit_tls_stream_test_LDADD = $(L_TLS_TEST)
