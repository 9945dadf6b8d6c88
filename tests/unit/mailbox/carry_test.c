/* SPDX-License-Identifier: ISC */
/* A home that takes another's place: what is carried over, once, and what its locks keep out. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox/carry.h"
#include "mailbox/incoming.h"
#include "sys/file.h"
#include "tests/unit/mailbox/help.h"

/* The old home is the account's; the new one is the directory `new` in it. */
static int make_new(const struct account *a)
{
	int home, fd;
	assert_int_equal(file_mkdir(a->fd, "new", 0700), ERR_OK);
	assert_int_equal(file_open_dir(a->fd, "new", &home), ERR_OK);
	assert_int_equal(file_mkdir(home, "incoming", 0700), ERR_OK);
	assert_int_equal(file_open_dir(home, "incoming", &fd), ERR_OK);
	fd_close(&home);
	return fd;
}

static struct journal *open_old(const struct account *a)
{
	struct journal *j;
	int fd;
	assert_int_equal(file_open_dir(a->fd, "incoming", &fd), ERR_OK);
	assert_int_equal(carry_open(fd, &j), ERR_OK);
	fd_close(&fd);
	return j;
}

struct seen {
	char text[256];
	unsigned n;
};

static int see_one(void *arg, const struct journal_record *r)
{
	struct seen *s = arg;
	struct incoming in;
	assert_int_equal(incoming_decode(r->payload, &in), ERR_OK);
	assert_true(in.back <= r->position);
	size_t n = strlen(s->text);
	(void)snprintf(s->text + n, sizeof s->text - n, "%llu:%.*s(%u) ", (unsigned long long)in.id.message, (int)(r->payload.n - in.head),
		r->payload.p + in.head, in.ntargets);
	s->n++;
	return ERR_OK;
}

static const char *all_of(struct journal *j)
{
	static struct seen s;
	uint64_t next;
	memset(&s, 0, sizeof s);
	assert_int_equal(journal_scan(j, journal_start(j), see_one, &s, &next), ERR_OK);
	return s.text;
}

static void heritage(struct account *a, uint64_t *adopted, uint32_t *uidvalidity)
{
	struct store_options o = { .alone = true };
	struct store *s;
	assert_int_equal(store_open(NULL, a->fd, &o, &s), ERR_OK);
	store_heritage(s, adopted, uidvalidity);
	store_close(s);
}

static void what_is_in_no_mailbox_is_carried(void **state)
{
	struct account *a = *state;
	struct carry_result r;
	struct journal *from, *to;
	uint64_t adopted;
	uint32_t valid;
	int fd = make_new(a);
	deliver(a, "one", NULL);
	deliver(a, "two", NULL);
	(void)account_open(a);
	account_close(a);
	deliver(a, "three", "Junk:\\Seen");
	deliver(a, "four", NULL);
	heritage(a, &adopted, &valid);
	from = open_old(a);
	assert_int_equal(carry_open(fd, &to), ERR_OK);
	assert_int_equal(carry_over(from, adopted, to, &r), ERR_OK);
	assert_int_equal(r.carried, 2);
	assert_int_equal(r.damaged, 0);
	assert_string_equal(all_of(to), "3:three(1) 4:four(0) ");
	assert_int_equal(journal_durable(to), journal_end(to));
	/* Once more, and from further back: what is there already stays one. */
	assert_int_equal(carry_over(from, adopted, to, &r), ERR_OK);
	assert_int_equal(r.carried, 0);
	assert_int_equal(carry_over(from, 0, to, &r), ERR_OK);
	assert_int_equal(r.carried, 2);
	assert_string_equal(all_of(to), "3:three(1) 4:four(0) 1:one(0) 2:two(0) ");
	journal_close(from);
	journal_close(to);
	fd_close(&fd);
}

static void one_that_is_alone_keeps_all_out_and_adopts_nothing(void **state)
{
	struct account *a = *state;
	struct store_options alone = { .alone = true }, o = { 0 };
	struct store *s, *other;
	uint64_t before, adopted;
	uint32_t valid;
	(void)account_open(a);
	assert_int_equal(store_open(NULL, a->fd, &alone, &s), ERR_BUSY);
	account_close(a);
	heritage(a, &before, &valid);
	deliver(a, "news", NULL);
	heritage(a, &adopted, &valid);
	assert_int_equal(adopted, before);
	assert_int_equal(store_open(NULL, a->fd, &alone, &s), ERR_OK);
	assert_int_equal(store_open(NULL, a->fd, &o, &other), ERR_BUSY);
	assert_int_equal(store_open(NULL, a->fd, &alone, &other), ERR_BUSY);
	store_close(s);
	assert_string_equal(contents_of(a, account_open(a), "INBOX"), "1:news");
}

static uint32_t least_validity(struct store *s)
{
	uint32_t least = UINT32_MAX;
	for (size_t i = 0; i < store_mailbox_count(s); i++) {
		struct mailbox_status st;
		mailbox_status(store_mailbox_at(s, i), &st);
		least = st.uidvalidity < least ? st.uidvalidity : least;
	}
	return least;
}

static void renewed_ones_are_above_both_homes(void **state)
{
	struct account *a = *state;
	struct store *s = account_open(a);
	uint64_t adopted;
	uint32_t valid, above;
	account_close(a);
	heritage(a, &adopted, &valid);
	above = valid + 1000000;
	s = account_open(a);
	assert_int_equal(store_renew(s, above), ERR_OK);
	assert_true(least_validity(s) > above);
	above = least_validity(s);
	assert_int_equal(store_renew(s, 0), ERR_OK);
	assert_true(least_validity(s) > above);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(what_is_in_no_mailbox_is_carried),
		account_test(one_that_is_alone_keeps_all_out_and_adopts_nothing),
		account_test(renewed_ones_are_above_both_homes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
