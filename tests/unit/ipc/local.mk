# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/ipc/channel_test
tests_unit_ipc_channel_test_SOURCES = tests/unit/ipc/channel_test.c
tests_unit_ipc_channel_test_LDADD = $(L_IPC) $(TEST_LIBS)
