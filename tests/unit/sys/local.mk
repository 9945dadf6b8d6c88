# SPDX-License-Identifier: ISC
SYS_STEPPER = tests/unit/sys/stepper.c tests/unit/sys/stepper.h
check_PROGRAMS += tests/unit/sys/file_test
tests_unit_sys_file_test_SOURCES = tests/unit/sys/file_test.c
tests_unit_sys_file_test_LDADD = $(L_SYS) $(TEST_LIBS)
check_PROGRAMS += tests/unit/sys/priv_test
tests_unit_sys_priv_test_SOURCES = tests/unit/sys/priv_test.c tests/unit/sys/child.h
tests_unit_sys_priv_test_LDADD = $(L_SYS) $(TEST_LIBS)
check_PROGRAMS += tests/unit/sys/seccomp_test
tests_unit_sys_seccomp_test_SOURCES = tests/unit/sys/seccomp_test.c tests/unit/sys/child.h
tests_unit_sys_seccomp_test_LDADD = $(L_SYS) $(TEST_LIBS)
check_PROGRAMS += tests/unit/sys/sock_test
tests_unit_sys_sock_test_SOURCES = tests/unit/sys/sock_test.c
tests_unit_sys_sock_test_LDADD = $(L_SYS) $(TEST_LIBS)
