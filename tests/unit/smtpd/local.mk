# SPDX-License-Identifier: ISC
check_PROGRAMS += tests/unit/smtpd/session_test tests/unit/smtpd/content_test tests/unit/smtpd/login_test
tests_unit_smtpd_session_test_SOURCES = tests/unit/smtpd/session_test.c tests/unit/smtpd/rig.c tests/unit/smtpd/rig.h
tests_unit_smtpd_session_test_LDADD = $(L_SMTPD) $(TEST_LIBS)
tests_unit_smtpd_content_test_SOURCES = tests/unit/smtpd/content_test.c tests/unit/smtpd/rig.c tests/unit/smtpd/rig.h
tests_unit_smtpd_content_test_LDADD = $(L_SMTPD) $(TEST_LIBS)
tests_unit_smtpd_login_test_SOURCES = tests/unit/smtpd/login_test.c tests/unit/smtpd/rig.c tests/unit/smtpd/rig.h
tests_unit_smtpd_login_test_LDADD = $(L_SMTPD) $(TEST_LIBS)
check_PROGRAMS += tests/unit/smtpd/sendmail_test
tests_unit_smtpd_sendmail_test_SOURCES = tests/unit/smtpd/sendmail_test.c control/sendmail.h control/sendmail_message.c
tests_unit_smtpd_sendmail_test_LDADD = $(L_PROTO) $(TEST_LIBS)
check_PROGRAMS += tests/unit/smtpd/answers_test
tests_unit_smtpd_answers_test_SOURCES = tests/unit/smtpd/answers_test.c
tests_unit_smtpd_answers_test_LDADD = $(L_SMTPD) $(TEST_LIBS)
