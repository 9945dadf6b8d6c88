/* SPDX-License-Identifier: ISC */
#include "daemon/processes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sys/priv.h"

/* Requests never go round in a circle, so that no two processes can wait for each other. */
static bool reaches(enum ipc_role from, enum ipc_role to, unsigned depth)
{
	assert_true(depth < ROLE_COUNT);
	for (size_t i = 0; i < process_channel_count; i++)
		if (process_channels[i].from == from && (process_channels[i].to == to || reaches(process_channels[i].to, to, depth + 1)))
			return true;
	return false;
}

static void requests_have_an_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < process_count; i++)
		assert_false(reaches(process_table[i].role, process_table[i].role, 0));
}

static bool joined(enum ipc_role a, enum ipc_role b)
{
	for (size_t i = 0; i < process_channel_count; i++)
		if (process_channels[i].from == a && process_channels[i].to == b)
			return true;
	return false;
}

/* Each request of the message table has a channel in the direction of the order, and each channel a message. */
static void messages_and_channels_agree(void **state)
{
	(void)state;
	for (unsigned from = 1; from < ROLE_COUNT; from++)
		for (unsigned to = 1; to < ROLE_COUNT; to++) {
			bool any = false;
			for (unsigned k = 1; k < IPC_KIND_COUNT; k++) {
				bool may = ipc_permitted((enum ipc_kind)k, (enum ipc_role)from, (enum ipc_role)to);
				any = any || may;
				if (may && ipc_kinds[k].reply != IPC_NONE && from != ROLE_CONTROL)
					assert_true(joined((enum ipc_role)from, (enum ipc_role)to));
				if (may && ipc_kinds[k].reply != IPC_NONE)
					assert_true(ipc_permitted(ipc_kinds[k].reply, (enum ipc_role)to, (enum ipc_role)from));
			}
			if (joined((enum ipc_role)from, (enum ipc_role)to))
				assert_true(any);
		}
}

static void the_door_for_other_hosts_has_no_way_to_auth(void **state)
{
	(void)state;
	assert_false(joined(ROLE_SMTPD_MX, ROLE_AUTH));
	assert_false(ipc_permitted(IPC_AUTH_START, ROLE_SMTPD_MX, ROLE_AUTH));
	assert_false(ipc_permitted(IPC_ACCOUNT, ROLE_SMTPD_SUBMISSION, ROLE_LOOKUP));
	assert_false(ipc_permitted(IPC_SESSION_FORK, ROLE_LOGIN, ROLE_HOST));
}

/* Law 3: who holds an unauthenticated peer's socket has no directory, no capability, and cannot open or connect. */
static void doors_have_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < process_count; i++) {
		const struct process_row *r = &process_table[i];
		bool door = r->role == ROLE_LOGIN || strncmp(r->name, "smtpd", 5) == 0;
		if (!door)
			continue;
		assert_null(r->dirs[0].name);
		assert_int_equal(r->caps, 0);
		assert_int_equal(r->sys & (unsigned)~(PRIV_SYS_ACCEPT | PRIV_SYS_SOCKET), 0);
		assert_non_null(r->listeners[0]);
	}
}

/* Capabilities are host's and its images' alone; uids are shared by nobody else. */
static void few_have_capabilities(void **state)
{
	(void)state;
	for (size_t i = 0; i < process_count; i++) {
		const struct process_row *r = &process_table[i];
		if (r->role != ROLE_HOST && r->role != ROLE_IMAGE)
			assert_int_equal(r->caps, 0);
		for (size_t k = 0; k < i; k++)
			if (r->user != NULL && process_table[k].user != NULL && r->role != ROLE_IMAGE)
				assert_string_not_equal(r->user, process_table[k].user);
	}
}

static void seals_have_both_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < process_seal_count; i++) {
		assert_non_null(process_row(process_seals[i].issuer));
		assert_non_null(process_row(process_seals[i].consumer));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_have_an_order),
		cmocka_unit_test(messages_and_channels_agree),
		cmocka_unit_test(the_door_for_other_hosts_has_no_way_to_auth),
		cmocka_unit_test(doors_have_nothing),
		cmocka_unit_test(few_have_capabilities),
		cmocka_unit_test(seals_have_both_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
