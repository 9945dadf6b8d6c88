/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyd/store.h"
#include "keyd/tickets.h"
#include "sys/file.h"
#include "tests/unit/tls/credentials.h"

struct place {
	char path[64];
	int dir;
	struct store *store;
};

static void set_up(struct place *p)
{
	(void)snprintf(p->path, sizeof p->path, "/tmp/postrider-keys-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	assert_int_equal(file_open_dir(AT_FDCWD, p->path, &p->dir), ERR_OK);
	p->store = store_new(p->dir, 4);
}

static int remove_one(const char *name, void *arg)
{
	const struct place *p = arg;
	return unlinkat(p->dir, name, 0);
}

static void tear_down(struct place *p)
{
	store_free(p->store);
	assert_int_equal(file_list(p->dir, remove_one, p), 0);
	close(p->dir);
	rmdir(p->path);
}

static void put(struct place *p, const char *file, struct view content)
{
	assert_int_equal(file_replace(p->dir, file, content, 0600), ERR_OK);
}

static void put_key(struct place *p, const char *file, const char *kind)
{
	struct buf b;
	buf_init(&b, 65536);
	credentials_put(&b, kind, "some.test");
	put(p, file, buf_view(&b));
	buf_fini(&b);
}

static size_t count(struct place *p, const char *name)
{
	struct store_key keys[STORE_KINDS];
	return store_host(p->store, view_of(name), keys);
}

static void test_hosts(void **state)
{
	static const char *const unknown[] = { "none.test", "default", "..", "../a", "/etc/passwd", "a.test/", "A.TEST", "a.test.", "", "a..test", "a.test.rsa" };
	struct place p;
	struct store_key keys[STORE_KINDS];
	(void)state;
	set_up(&p);
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		assert_int_equal(count(&p, unknown[i]), 0);
	put_key(&p, "default.ecdsa.pem", "p256");
	put_key(&p, "default.rsa.pem", "rsa");
	put_key(&p, "a.test.ed25519.pem", "ed25519");
	assert_int_equal(store_host(p.store, VIEW_NONE, keys), 2);
	assert_true(view_starts(view_of(keys[0].name), VIEW("default.ecdsa.")));
	assert_ptr_equal(store_key(p.store, view_of(keys[0].name)), keys[0].key);
	assert_ptr_equal(store_key(p.store, view_of(keys[1].name)), keys[1].key);
	assert_int_equal(count(&p, "a.test"), 1);
	assert_int_equal(count(&p, "b.test"), 0);
	tear_down(&p);
}

static void test_key_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "...", "default", "default.rsa", "default.rsa.", "default..x", "default.dsa.0000000000000000",
		"../default.rsa.0000000000000000", "default.rsa.0000000000000000", "/.rsa.0", "a b.rsa.0" };
	struct place p;
	(void)state;
	set_up(&p);
	put_key(&p, "default.rsa.pem", "rsa");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(store_key(p.store, view_of(bad[i])));
	tear_down(&p);
}

/* A replaced key signs for who still shows its certificate; a file that is no good replaces nothing. */
static void test_replaced(void **state)
{
	struct place p;
	struct store_key first[STORE_KINDS], second[STORE_KINDS], third[STORE_KINDS];
	(void)state;
	set_up(&p);
	put_key(&p, "default.ecdsa.pem", "p256");
	assert_int_equal(store_host(p.store, VIEW_NONE, first), 1);
	put_key(&p, "default.ecdsa.pem", "p256");
	assert_int_equal(store_host(p.store, VIEW_NONE, second), 1);
	assert_string_equal(first[0].name, second[0].name);
	store_reload(p.store);
	assert_int_equal(store_host(p.store, VIEW_NONE, second), 1);
	assert_string_not_equal(first[0].name, second[0].name);
	assert_non_null(store_key(p.store, view_of(first[0].name)));
	assert_ptr_equal(store_key(p.store, view_of(second[0].name)), second[0].key);
	put(&p, "default.ecdsa.pem", VIEW("broken"));
	store_reload(p.store);
	assert_int_equal(store_host(p.store, VIEW_NONE, third), 1);
	assert_string_equal(second[0].name, third[0].name);
	assert_non_null(store_key(p.store, view_of(first[0].name)));
	assert_int_equal(unlinkat(p.dir, "default.ecdsa.pem", 0), 0);
	store_reload(p.store);
	assert_int_equal(count(&p, ""), 0);
	assert_non_null(store_key(p.store, view_of(second[0].name)));
	tear_down(&p);
}

static void test_refused(void **state)
{
	struct place p;
	(void)state;
	set_up(&p);
	put_key(&p, "a.test.rsa.pem", "p256"); /* not what its name says */
	put(&p, "b.test.rsa.pem", VIEW_NONE);
	assert_int_equal(mkdirat(p.dir, "c.test.rsa.pem", 0700), 0);
	put_key(&p, "real.pem", "rsa");
	assert_int_equal(symlinkat("real.pem", p.dir, "d.test.rsa.pem"), 0);
	assert_int_equal(mkfifoat(p.dir, "e.test.rsa.pem", 0600), 0);
	for (char name[] = "a.test"; name[0] <= 'e'; name[0]++)
		assert_int_equal(count(&p, name), 0);
	assert_int_equal(unlinkat(p.dir, "c.test.rsa.pem", AT_REMOVEDIR), 0);
	tear_down(&p);
}

/* Of many hosts the last used stay in memory, the others are read again. */
static void test_bounded(void **state)
{
	struct place p;
	char name[64];
	(void)state;
	set_up(&p);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 10; i++) {
			(void)snprintf(name, sizeof name, "h%d.test.ecdsa.pem", i);
			if (round == 0)
				put_key(&p, name, "p256");
			(void)snprintf(name, sizeof name, "h%d.test", i);
			assert_int_equal(count(&p, name), 1);
		}
	tear_down(&p);
}

static void test_tickets(void **state)
{
	struct tickets t = { 0 };
	uint8_t first[TLS_TICKET_KEY];
	uint64_t hour = TICKETS_LIFE * UINT64_C(1000);
	(void)state;
	assert_int_equal(tickets_renew(&t, hour * 7), TICKETS_LIFE);
	assert_false(t.has_previous);
	memcpy(first, t.current, sizeof first);
	assert_int_equal(tickets_renew(&t, hour * 7 + 600500), TICKETS_LIFE - 600);
	assert_memory_equal(first, t.current, sizeof first);
	tickets_renew(&t, hour * 8 + 5);
	assert_true(t.has_previous);
	assert_memory_equal(first, t.previous, sizeof first);
	assert_memory_not_equal(first, t.current, sizeof first);
	tickets_renew(&t, hour * 10); /* nobody asked for an hour: what was current is too old */
	assert_false(t.has_previous);
	assert_memory_not_equal(first, t.previous, sizeof first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts), cmocka_unit_test(test_key_names), cmocka_unit_test(test_replaced), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounded), cmocka_unit_test(test_tickets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
