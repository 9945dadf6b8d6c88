/* SPDX-License-Identifier: ISC */
/*
 * The index/columns: what it says is what the records say, or it is not believed, whatever happens to the file and to the journal; and nothing is
 * removed on its word, not even where it lies with a right sum.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "mailbox/columns.h"
#include "mailbox/maildir.h"
#include "mailbox/records.h"
#include "mailbox/store.h"
#include "sys/file.h"
#include "tests/unit/mailbox/help.h"

#define FILE_MAX ((size_t)1 << 22)
#define SEGMENT "journal/0000000000000000"

static void get_file(struct account *a, const char *name, struct buf *b)
{
	buf_init(b, FILE_MAX);
	assert_int_equal(file_slurp(a->fd, name, b), ERR_OK);
}

/* In place, as one who has it open sees it. */
static void put_file(struct account *a, const char *name, const void *p, size_t n)
{
	int fd = openat(a->fd, name, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_pwrite(fd, p, n, 0), ERR_OK);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	fd_close(&fd);
}

static bool there(struct account *a) { return faccessat(a->fd, COLUMNS_NAME, F_OK, 0) == 0; }

static void remove_columns(struct account *a)
{
	if (there(a))
		assert_int_equal(unlinkat(a->fd, COLUMNS_NAME, 0), 0);
}

/* All of INBOX and of Archive, as clients see it. */
static char *told(struct account *a, struct store *s)
{
	static const char *const names[] = { "INBOX", "Archive", "more" };
	struct buf b;
	buf_init(&b, FILE_MAX);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct message_info info;
		if (!store_mailbox(s, view_of(names[i])))
			continue;
		struct mailbox_view *v = view_of_mailbox(s, names[i]);
		buf_printf(&b, "[%s]", names[i]);
		for (uint32_t seq = 1; seq <= mailbox_view_count(v); seq++) {
			assert_int_equal(mailbox_view_info(v, seq, &info), ERR_OK);
			buf_printf(&b, " %x/%llx/%llu/%lld/%u", info.flags.system, (unsigned long long)info.flags.keywords, (unsigned long long)info.modseq,
				(long long)info.date, info.size);
		}
		buf_addc(&b, ' ');
		buf_adds(&b, contents(a, s, v));
		mailbox_view_close(v);
	}
	char *text = strdup(buf_str(&b));
	buf_fini(&b);
	return text;
}

static void assert_tells(struct account *a, struct store *s, const char *expected)
{
	char *text = told(a, s);
	assert_string_equal(text, expected);
	free(text);
}

static void set_flags(struct store *s, uint32_t first, uint32_t last, uint8_t bits, uint64_t keywords)
{
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct uidset u = uids_of(first, last);
	assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, (struct mail_flags){ bits, keywords }, UINT64_MAX, true, NULL), ERR_OK);
	uidset_fini(&u);
	mailbox_view_close(v);
}

static void expunge(struct store *s, uint32_t first, uint32_t last)
{
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct uidset u = uids_of(first, last);
	assert_int_equal(mailbox_view_expunge(v, &u, true, NULL), ERR_OK);
	uidset_fini(&u);
	mailbox_view_close(v);
}

/* Some of everything that a state has. */
static struct store *fill(struct account *a)
{
	char text[32];
	unsigned bit;
	struct store *s = account_open(a);
	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof text, "own message %d", i);
		append_text(s, "INBOX", text, i % 2 ? MAIL_SEEN : 0);
		snprintf(text, sizeof text, "delivered %d", i);
		deliver(a, text, i % 3 ? "INBOX:" : "INBOX:\\Seen $one,Archive:");
		settle(s);
	}
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct uidset u = uids_of(3, 9);
	assert_int_equal(mailbox_view_copy(v, &u, VIEW("Archive"), false, NULL), ERR_OK);
	uidset_fini(&u);
	mailbox_view_close(v);
	assert_int_equal(store_create(s, VIEW("more"), 0), ERR_OK);
	assert_int_equal(store_subscribe(s, VIEW("more"), true), ERR_OK);
	assert_int_equal(store_keyword_add(s, VIEW("$two"), &bit), ERR_OK);
	set_flags(s, 2, 5, MAIL_FLAGGED, UINT64_C(1) << bit);
	expunge(s, 6, 7);
	settle(s);
	return s;
}

/* Now, and however little mail there is. */
static void write_now(struct store *s)
{
	bool more = false;
	s->columns_least = 0;
	s->columns_covered = 0;
	assert_int_equal(store_flush_now(s), ERR_OK);
	assert_int_equal(store_columns_tidy(s, &more), ERR_OK);
	assert_false(more);
}

static struct columns_identity identity_of(struct store *s)
{
	struct columns_identity id;
	assert_true(store_identity(s, &id.home, &id.journal, &id.uid));
	return id;
}

static bool can_be_read(struct account *a, const struct columns_identity *id)
{
	struct columns_mark m;
	uint64_t octets;
	struct state *st = columns_read(a->fd, id, &m, &octets);
	state_free(st);
	return st != NULL;
}

/* What opening by the index gives is what the records give, message by message, and with what came behind it. */
static void test_round_trip(void **state)
{
	struct account *a = *state;
	struct store *s = fill(a);
	write_now(s);
	assert_true(there(a));
	append_text(s, "INBOX", "behind the index", 0);
	set_flags(s, 1, 3, MAIL_ANSWERED, 0);
	settle(s);
	char *expected = told(a, s);
	s = account_open(a);
	assert_true(s->from_columns);
	assert_tells(a, s, expected);
	remove_columns(a);
	struct store *other = account_other(a);
	assert_false(other->from_columns);
	assert_tells(a, other, expected);
	assert_true(state_same(s->st, other->st));
	assert_int_equal(s->next, other->next);
	assert_int_equal(s->last, other->last);
	assert_int_equal(s->since, other->since);
	/* And what is the same is told from what is not. */
	struct message *m = &other->st->mailboxes[0]->messages[3];
	m->flags ^= MAIL_DELETED;
	assert_false(state_same(s->st, other->st));
	m->flags ^= MAIL_DELETED;
	m->modseq++;
	assert_false(state_same(s->st, other->st));
	m->modseq--;
	assert_true(state_same(s->st, other->st));
	store_close(other);
	/* It goes on as if it had never been. */
	assert_int_equal(append_text(s, "INBOX", "later", 0), 18);
	free(expected);
}

/* With a checkpoint behind it, by housekeeping alone. */
static void test_housekeeping_writes_it(void **state)
{
	struct account *a = *state;
	bool more = true;
	a->tidy_least = 1024;
	a->segment_size = 2048;
	struct store *s = fill(a);
	for (int i = 0; more && i < 100; i++) {
		for (int k = 0; i == 0 && k < 20; k++)
			append_text(s, "INBOX", "a message that is long enough for its like to be more than a kibioctet", 0);
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		assert_int_equal(store_flush_now(s), ERR_OK);
	}
	assert_false(more);
	assert_true(there(a));
	char *expected = told(a, s);
	struct store *other = account_other(a);
	assert_true(other->from_columns);
	assert_true(other->checkpoint != STORE_NO_CHECKPOINT);
	assert_int_equal(other->checkpoint, s->checkpoint);
	assert_int_equal(other->checkpoint_octets, s->checkpoint_octets);
	assert_tells(a, other, expected);
	assert_int_equal(store_from_records(other), ERR_OK);
	assert_false(other->from_columns);
	assert_true(there(a)); /* it was right */
	assert_tells(a, other, expected);
	store_close(other);
	free(expected);
}

static void test_little_mail_has_none(void **state)
{
	struct account *a = *state;
	bool more;
	char text[3001];
	struct store *s = fill(a);
	assert_int_equal(store_tidy(s, &more), ERR_OK);
	assert_false(there(a));
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	for (int i = 0; i < 90; i++)
		append_text(s, "INBOX", text, 0);
	do {
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		assert_int_equal(store_flush_now(s), ERR_OK);
	} while (more);
	assert_true(there(a));
	assert_true(account_open(a)->from_columns);
}

/* Each octet of the file another, the file cut anywhere, or longer. */
static void test_every_octet(void **state)
{
	struct account *a = *state;
	struct buf file;
	struct store *s = fill(a);
	struct columns_identity id = identity_of(s);
	write_now(s);
	char *expected = told(a, s);
	get_file(a, COLUMNS_NAME, &file);
	char *p = file.mem + file.off;
	size_t n = buf_len(&file);
	assert_true(can_be_read(a, &id));
	for (size_t i = 0; i < n; i++) {
		p[i] ^= (char)(1 << i % 8);
		put_file(a, COLUMNS_NAME, p, n);
		assert_false(can_be_read(a, &id));
		if (i % 97 == 0) {
			s = account_open(a);
			assert_false(s->from_columns);
			assert_false(there(a));
			assert_tells(a, s, expected);
		}
		p[i] ^= (char)(1 << i % 8);
	}
	for (size_t i = 0; i < n; i += i < 256 ? 1 : 31) {
		put_file(a, COLUMNS_NAME, p, i);
		assert_false(can_be_read(a, &id));
	}
	buf_addc(&file, 0);
	put_file(a, COLUMNS_NAME, buf_view(&file).p, n + 1);
	assert_false(can_be_read(a, &id));
	put_file(a, COLUMNS_NAME, buf_view(&file).p, n);
	assert_true(can_be_read(a, &id));
	/* Another account's, or of another life of this one. */
	struct columns_identity others[] = { id, id, id };
	others[0].home++;
	others[1].journal++;
	others[2].uid++;
	for (size_t i = 0; i < 3; i++)
		assert_false(can_be_read(a, &others[i]));
	buf_fini(&file);
	free(expected);
}

static int remove_in(const char *name, void *arg) { return unlinkat(*(int *)arg, name, 0); }

/* The journal as it was, or cut. */
static void put_journal(struct account *a, const struct buf *segment, size_t n)
{
	int fd;
	account_close(a);
	assert_int_equal(file_open_dir(a->fd, "journal", &fd), ERR_OK);
	assert_int_equal(file_list(fd, remove_in, &fd), ERR_OK);
	fd_close(&fd);
	put_file(a, SEGMENT, buf_view(segment).p, n);
}

/* The journal's end is torn, behind the index' word and before it: as without an index. */
static void test_torn_tail(void **state)
{
	struct account *a = *state;
	struct buf segment, columns;
	unsigned by_columns = 0, by_records = 0;
	struct store *s = account_open(a);
	append_text(s, "INBOX", "one", 0);
	append_text(s, "INBOX", "two", 0);
	set_flags(s, 1, 1, MAIL_SEEN, 0);
	write_now(s);
	append_text(s, "INBOX", "three", 0);
	set_flags(s, 2, 3, MAIL_FLAGGED, 0);
	account_close(a);
	get_file(a, SEGMENT, &segment);
	get_file(a, COLUMNS_NAME, &columns);
	size_t n = buf_len(&segment);
	while (n > 0 && buf_view(&segment).p[n - 1] == 0)
		n--;
	for (size_t cut = n; cut > n - 700; cut -= 4) {
		put_journal(a, &segment, cut);
		remove_columns(a);
		char *expected = told(a, account_open(a));
		put_journal(a, &segment, cut);
		put_file(a, COLUMNS_NAME, buf_view(&columns).p, buf_len(&columns));
		s = account_open(a);
		*(s->from_columns ? &by_columns : &by_records) += 1;
		assert_int_equal(s->st->refused, 0);
		assert_tells(a, s, expected);
		assert_int_equal(there(a), s->from_columns);
		free(expected);
	}
	assert_true(by_columns > 10 && by_records > 10);
	buf_fini(&segment);
	buf_fini(&columns);
}

/* The tail that it spoke of is gone, and another one has come to the same place. */
static void test_another_tail(void **state)
{
	struct account *a = *state;
	struct buf before, columns;
	struct store *s = account_open(a);
	append_text(s, "INBOX", "one", 0);
	account_close(a);
	get_file(a, SEGMENT, &before);
	s = account_open(a);
	append_text(s, "INBOX", "two", 0);
	write_now(s);
	account_close(a);
	get_file(a, COLUMNS_NAME, &columns);
	put_journal(a, &before, buf_len(&before));
	assert_string_equal(contents_of(a, account_open(a), "INBOX"), "1:one");
	assert_false(there(a));
	append_text(a->store, "INBOX", "2", 0);
	append_text(a->store, "INBOX", "another one", 0);
	put_file(a, COLUMNS_NAME, buf_view(&columns).p, buf_len(&columns));
	s = account_open(a);
	assert_false(s->from_columns);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 2:2 3:another one");
	buf_fini(&before);
	buf_fini(&columns);
}

/* Whatever is done to the file under a session, that has what it has read. */
static void test_under_a_session(void **state)
{
	struct account *a = *state;
	struct store *s = fill(a);
	char *expected = told(a, s);
	for (int how = 0; how < 5; how++) {
		struct buf file;
		write_now(s);
		s = account_open(a);
		assert_true(s->from_columns);
		get_file(a, COLUMNS_NAME, &file);
		memset(file.mem + file.off, 0xa5, buf_len(&file));
		switch (how) {
		case 0:
			remove_columns(a);
			break;
		case 1: /* replaced */
			assert_int_equal(file_replace(a->fd, COLUMNS_NAME, VIEW("PRcols1\n and what not"), 0600), ERR_OK);
			break;
		case 2: /* cut */
			put_file(a, COLUMNS_NAME, "", 0);
			break;
		case 3: /* garbage over all of it */
			put_file(a, COLUMNS_NAME, buf_view(&file).p, buf_len(&file));
			break;
		default: /* not even a file */
			remove_columns(a);
			assert_int_equal(mkfifoat(a->fd, COLUMNS_NAME, 0600), 0);
		}
		assert_tells(a, s, expected);
		struct store *other = account_other(a);
		assert_false(other->from_columns);
		assert_tells(a, other, expected);
		write_now(other);
		store_close(other);
		assert_true(there(a));
		assert_tells(a, s, expected);
		buf_fini(&file);
	}
	free(expected);
}

/* What a killed writer left is no hindrance; one that is at it is not disturbed. */
static void test_left_new(void **state)
{
	struct account *a = *state;
	struct store *s = fill(a);
	int fd;
	write_now(s);
	put_file(a, COLUMNS_NAME ".new", "half", 4);
	remove_columns(a);
	write_now(s);
	assert_true(there(a));
	assert_int_not_equal(faccessat(a->fd, COLUMNS_NAME ".new", F_OK, 0), 0);
	remove_columns(a);
	put_file(a, COLUMNS_NAME ".new", "half", 4);
	assert_int_equal(file_open_edit(a->fd, COLUMNS_NAME ".new", &fd), ERR_OK);
	assert_int_equal(file_lock(fd, true, false), ERR_OK);
	write_now(s);
	assert_false(there(a));
	assert_false(s->columns_off);
	fd_close(&fd);
	write_now(s);
	assert_true(there(a));
}

/* Contents whose record is still to come: an index here would lose them. */
static void test_not_amid_a_group(void **state)
{
	struct account *a = *state;
	struct store *s = fill(a);
	struct buf list, item, payload;
	struct journal_frame f = { .kind = RECORD_content, .parts = { VIEW("four") } };
	assert_int_equal(journal_append(s->journal, journal_end(s->journal), &f, 1), ERR_OK);
	settle(s);
	write_now(s);
	assert_false(there(a));
	buf_init(&list, 64);
	buf_init(&item, 64);
	buf_init(&payload, 128);
	record_put_appended(&item, &(struct record_appended){ .size = 4 });
	record_add_item(&list, &item);
	record_put_append(&payload, &(struct record_append){ .mailbox = store_mailbox(s, VIEW("more"))->id, .uid = 1, .list = buf_view(&list) });
	f = (struct journal_frame){ .kind = RECORD_append, .parts = { buf_view(&payload) } };
	assert_int_equal(journal_append(s->journal, journal_end(s->journal), &f, 1), ERR_OK);
	settle(s);
	write_now(s);
	assert_true(there(a));
	s = account_open(a);
	assert_true(s->from_columns);
	assert_string_equal(contents_of(a, s, "more"), "1:four");
	buf_fini(&list);
	buf_fini(&item);
	buf_fini(&payload);
}

/* ---- nothing is removed on its word ---- */
/* A right file that says there is no mail but the first message. */
static void write_lie(struct account *a, struct store *s)
{
	struct columns_identity id = identity_of(s);
	struct columns_mark m;
	uint64_t octets;
	write_now(s);
	struct state *st = columns_read(a->fd, &id, &m, &octets);
	assert_non_null(st);
	for (size_t i = 0; i < st->n; i++)
		if (st->mailboxes[i]->n > 0)
			st->mailboxes[i]->n = i == 0;
	assert_int_equal(columns_write(a->fd, &id, &m, st, &octets), ERR_OK);
	state_free(st);
}

static uint64_t octets_of(struct journal *j)
{
	struct journal_info i;
	journal_info(j, &i);
	return i.octets;
}

static void test_liveness(void **state)
{
	struct account *a = *state;
	char text[600];
	a->segment_size = 4096;
	struct store *s = fill(a);
	memset(text, 'y', sizeof text);
	text[sizeof text - 1] = 0;
	for (int i = 0; i < 40; i++) {
		append_text(s, "INBOX", text, 0);
		deliver(a, text, NULL);
		settle(s);
	}
	expunge(s, 30, 80); /* much is dead, in the journal and in incoming */
	settle(s);
	char *expected = told(a, s);
	write_lie(a, s);
	a->tidy_least = 1024;
	s = account_open(a);
	assert_true(s->from_columns);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:own message 0"); /* it is believed, for showing */
	uint64_t own = octets_of(s->journal), incoming = octets_of(s->incoming);
	bool more = true;
	for (int i = 0; more && i < 200; i++) {
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		assert_int_equal(store_flush_now(s), ERR_OK);
	}
	assert_false(more);
	assert_false(s->from_columns);
	assert_true(octets_of(s->journal) < own || octets_of(s->incoming) < incoming); /* there was something to remove */
	assert_tells(a, s, expected);
	s = account_open(a);
	assert_tells(a, s, expected);
	remove_columns(a);
	(void)unlinkat(a->fd, "index/checkpoint", 0);
	assert_tells(a, account_open(a), expected);
	free(expected);
}

/* Each way by itself: compaction at once; and only the release of incoming, which has no checkpoint before it. */
static void test_liveness_compact(void **state)
{
	struct account *a = *state;
	a->segment_size = 4096;
	struct store *s = fill(a);
	char *expected = told(a, s);
	write_lie(a, s);
	s = account_open(a);
	assert_true(s->from_columns);
	assert_int_equal(store_compact(s), ERR_OK);
	assert_tells(a, s, expected);
	remove_columns(a);
	assert_tells(a, account_open(a), expected);
	free(expected);
}

static void test_liveness_release(void **state)
{
	struct account *a = *state;
	char text[3000];
	bool more = true;
	a->segment_size = 4096;
	memset(text, 'z', sizeof text);
	text[sizeof text - 1] = 0;
	struct store *s = account_open(a);
	for (int i = 0; i < 12; i++) {
		deliver(a, text, NULL);
		settle(s);
	}
	char *expected = told(a, s);
	write_lie(a, s);
	s = account_open(a);
	assert_true(s->from_columns);
	expunge(s, 1, 1);
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "");
	for (int i = 0; more && i < 50; i++) {
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		assert_int_equal(store_flush_now(s), ERR_OK);
	}
	assert_false(s->from_columns);
	assert_int_equal(store_mailbox(s, VIEW("INBOX"))->n, 11);
	assert_non_null(strstr(contents_of(a, s, "INBOX"), "12:zzz"));
	assert_null(strchr(contents_of(a, s, "INBOX"), '?'));
	free(expected);
}

/* Who has the account checked is told what the records say. */
static void test_check(void **state)
{
	struct account *a = *state;
	struct tool_report report = { .progress = NULL };
	struct tool_result r;
	struct store *s = fill(a);
	assert_int_equal(tool_check(s, &report, &r), ERR_OK);
	uint64_t messages = r.messages;
	assert_true(messages > 20);
	write_lie(a, s);
	s = account_open(a);
	assert_true(s->from_columns);
	assert_int_equal(tool_check(s, &report, &r), ERR_OK);
	assert_int_equal(r.messages, messages);
	assert_int_equal(r.bad, 0);
}

/* \Recent is told once, also when the records are read again under the session. */
static void test_recent_stays(void **state)
{
	struct account *a = *state;
	struct store *s = fill(a);
	write_now(s);
	s = account_open(a);
	assert_true(s->from_columns);
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	uint32_t recent = store_mailbox(s, VIEW("INBOX"))->recent;
	assert_int_equal(recent, 17);
	assert_int_equal(store_from_records(s), ERR_OK);
	assert_false(s->from_columns);
	assert_int_equal(store_mailbox(s, VIEW("INBOX"))->recent, recent);
	assert_string_equal(changes(a, v, true), "");
	mailbox_view_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(test_round_trip),
		account_test(test_housekeeping_writes_it),
		account_test(test_little_mail_has_none),
		account_test(test_every_octet),
		account_test(test_torn_tail),
		account_test(test_another_tail),
		account_test(test_under_a_session),
		account_test(test_left_new),
		account_test(test_not_amid_a_group),
		account_test(test_liveness),
		account_test(test_liveness_compact),
		account_test(test_liveness_release),
		account_test(test_check),
		account_test(test_recent_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
