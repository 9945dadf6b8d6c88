/* SPDX-License-Identifier: ISC */
#include "mailbox/maildir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "mailbox/repair.h"
#include "mailbox/store.h"
#include "mailbox/transfer.h"
#include "proto/imap_name.h"
#include "sys/file.h"

#define NAME_MAX_OCTETS 255
#define KEYWORDS_FILE "dovecot-keywords"

static const struct {
	char letter; /* in the order of the alphabet, as the form wants them */
	uint8_t flag;
} letters[] = { { 'D', MAIL_DRAFT }, { 'F', MAIL_FLAGGED }, { 'R', MAIL_ANSWERED }, { 'S', MAIL_SEEN }, { 'T', MAIL_DELETED } };
#define LETTERS (sizeof letters / sizeof *letters)

/* ---- names: levels in modified UTF-7, a '.' within a level as "&AC4-" ---- */
void maildir_folder(struct buf *out, struct view mailbox)
{
	struct buf wire;
	buf_init(&wire, MAILBOX_NAME_MAX * 4);
	if (!view_ieq(mailbox, VIEW("INBOX"))) {
		imap_name_encode(&wire, mailbox);
		buf_addc(out, '.');
	}
	struct view v = buf_view(&wire);
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '.')
			buf_adds(out, "&AC4-");
		else
			buf_addc(out, v.p[i] == MAILBOX_SEPARATOR ? '.' : v.p[i]);
	}
	buf_fini(&wire);
}

bool maildir_mailbox(struct buf *out, struct view folder)
{
	static const struct view dot = VIEW("&AC4-");
	struct buf wire;
	if (folder.n < 2 || folder.p[0] != '.')
		return false;
	buf_init(&wire, NAME_MAX_OCTETS);
	for (folder = view_skip(folder, 1); folder.n; folder = view_skip(folder, view_starts(folder, dot) ? dot.n : 1))
		buf_addc(&wire, view_starts(folder, dot) ? '.' : folder.p[0] == '.' ? MAILBOX_SEPARATOR : folder.p[0]);
	size_t base = buf_len(out);
	bool ok = buf_ok(&wire) && imap_name_decode(out, buf_view(&wire)) && mailbox_name_valid(view_skip(buf_view(out), base));
	buf_fini(&wire);
	return ok;
}

/* ---- check ---- */
static int check_message(struct transfer_walk *w, const struct message_info *i, struct view content)
{
	(void)w;
	(void)i;
	(void)content; /* that it could be read is all: its sum was right */
	return ERR_OK;
}

static int check_mailbox(struct transfer_walk *w)
{
	struct mailbox_status st;
	mailbox_status(mailbox_view_mailbox(w->view), &st);
	int err = transfer_each_message(w, check_message);
	if (w->report && w->report->mailbox)
		w->report->mailbox(w->report->arg, w->mailbox, st.messages, st.size);
	return err;
}

struct stream_check {
	const struct tool_report *report;
	struct tool_result *r;
	const char *name;
	struct store *incoming_of; /* or NULL */
};

static void stream_damaged(void *arg, uint64_t from, uint64_t to)
{
	const struct stream_check *c = arg;
	char what[80];
	if (c->incoming_of && repair_knows(c->incoming_of, from, to))
		return;
	snprintf(what, sizeof what, "%s, positions %llu to %llu", c->name, (unsigned long long)from, (unsigned long long)to);
	transfer_bad(c->report, c->r, what, ERR_DAMAGED);
}

static int pass_over(void *arg, const struct journal_record *r)
{
	(void)arg;
	(void)r;
	return ERR_OK;
}

static int check_stream(struct journal *j, struct stream_check *c)
{
	uint64_t next;
	if (!j)
		return ERR_OK;
	journal_on_damage(j, stream_damaged, c);
	int err = journal_scan(j, journal_start(j), pass_over, NULL, &next);
	journal_on_damage(j, NULL, NULL);
	return err;
}

int tool_check(struct store *s, const struct tool_report *report, struct tool_result *r)
{
	struct transfer_walk w = { .s = s, .report = report, .r = r };
	*r = (struct tool_result){ 0 };
	int err = store_from_records(s);
	if (err == ERR_OK)
		err = check_stream(s->journal, &(struct stream_check){ report, r, "journal", NULL });
	if (err == ERR_OK)
		err = check_stream(s->incoming, &(struct stream_check){ report, r, "incoming", s });
	return err == ERR_OK ? transfer_each_mailbox(&w, check_mailbox) : err;
}

/* ---- compact ---- */
static uint64_t octets_taken(const struct store *s)
{
	struct journal_info own, come = { 0 };
	journal_info(s->journal, &own);
	if (s->incoming)
		journal_info(s->incoming, &come);
	return own.octets + come.octets;
}

int tool_compact(struct store *s, const struct tool_report *report, struct tool_result *r)
{
	uint64_t before = octets_taken(s), after;
	(void)report;
	*r = (struct tool_result){ 0 };
	int err = store_compact(s);
	after = octets_taken(s);
	r->octets = before > after ? before - after : 0;
	return err;
}

/* ---- export ---- */
static void put_file_name(struct buf *b, const struct mailbox_view *v, const struct message_info *i)
{
	struct mailbox_status st;
	mailbox_status(mailbox_view_mailbox(v), &st);
	buf_printf(b, "%lld.V%uU%u.postrider:2,", (long long)i->date, st.uidvalidity, i->uid);
	for (size_t k = 0; k < LETTERS; k++)
		if (i->flags.system & letters[k].flag)
			buf_addc(b, letters[k].letter);
	for (unsigned k = 0; k < KEYWORD_LETTERS; k++)
		if (i->flags.keywords >> k & 1)
			buf_addc(b, (char)('a' + k));
}

static int write_message(struct transfer_walk *w, const struct message_info *i, struct view content)
{
	struct timespec times[2] = { { .tv_sec = i->date }, { .tv_sec = i->date } };
	struct buf name;
	int fd;
	buf_init(&name, NAME_MAX_OCTETS);
	put_file_name(&name, w->view, i);
	buf_reset(&w->text);
	transfer_put_lf(&w->text, content);
	int err = file_create(w->cur, buf_str(&name), 0600, &fd);
	buf_fini(&name);
	if (err != ERR_OK)
		return err;
	err = file_write(fd, buf_view(&w->text).p, buf_len(&w->text));
	if (err == ERR_OK && futimens(fd, times) != 0)
		err = ERR_IO;
	fd_close(&fd);
	return err;
}

/* `a/new`, `a/cur`, `a/tmp`; *cur is the caller's. */
static int make_folder(int dirfd, const char *name, int *folder, int *cur)
{
	int err = *name ? file_mkdir(dirfd, name, 0700) : ERR_OK;
	if (err == ERR_OK)
		err = file_open_dir(dirfd, *name ? name : ".", folder);
	if (err != ERR_OK)
		return err;
	static const char *const parts[] = { "new", "tmp", "cur" };
	for (size_t i = 0; i < 3 && err == ERR_OK; i++)
		err = file_mkdir(*folder, parts[i], 0700);
	if (err == ERR_OK && *name)
		err = file_replace(*folder, "maildirfolder", VIEW_NONE, 0600); /* so Maildir++ tells a folder from a whole Maildir */
	if (err == ERR_OK)
		err = file_open_dir(*folder, "cur", cur);
	if (err != ERR_OK)
		fd_close(folder);
	return err;
}

static int write_keywords(const struct store *s, int folder)
{
	struct buf b;
	int err = ERR_OK;
	buf_init(&b, 1 << 16);
	for (unsigned i = 0; i < store_keyword_count(s) && i < KEYWORD_LETTERS; i++)
		buf_printf(&b, "%u %s\n", i, store_keyword(s, i));
	if (buf_len(&b))
		err = file_replace(folder, KEYWORDS_FILE, buf_view(&b), 0600);
	buf_fini(&b);
	return err;
}

static int export_mailbox(struct transfer_walk *w)
{
	struct buf name;
	int folder, root = w->cur, err;
	buf_init(&name, NAME_MAX_OCTETS - 8);
	maildir_folder(&name, view_of(w->mailbox));
	err = buf_ok(&name) ? make_folder(root, buf_str(&name), &folder, &w->cur) : ERR_TOO_BIG;
	buf_fini(&name);
	if (err == ERR_TOO_BIG)
		transfer_bad(w->report, w->r, w->mailbox, err); /* the file system has no such long names: the others go on */
	if (err == ERR_OK) {
		err = write_keywords(w->s, folder);
		if (err == ERR_OK)
			err = transfer_each_message(w, write_message);
		fd_close(&w->cur);
		fd_close(&folder);
	}
	w->cur = root;
	return err == ERR_TOO_BIG ? ERR_OK : err;
}

int tool_export(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r)
{
	struct transfer_walk w = { .s = s, .report = report, .r = r, .cur = dirfd };
	*r = (struct tool_result){ 0 };
	buf_init(&w.text, STORE_APPEND_MAX);
	int err = transfer_each_mailbox(&w, export_mailbox);
	buf_fini(&w.text);
	if (err == ERR_OK && syncfs(dirfd) != 0)
		err = ERR_IO;
	return err;
}

/* ---- import ---- */
struct names {
	char **v;
	size_t n, cap;
};

static int names_add(const char *name, void *arg)
{
	struct names *l = arg;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = mem_resize(l->v, l->cap * sizeof(char *));
	}
	l->v[l->n++] = mem_str(view_of(name));
	return 0;
}

static int name_cmp(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* In the order of their names: of a Maildir's files that is the order of arrival. */
static int names_list(struct names *l, int dirfd)
{
	*l = (struct names){ 0 };
	int err = file_list(dirfd, names_add, l);
	if (l->n)
		qsort(l->v, l->n, sizeof(char *), name_cmp);
	return err;
}

static void names_free(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static void read_keywords(struct transfer *im, int folder)
{
	struct buf b;
	struct view rest, line, number;
	uint64_t letter;
	unsigned bit;
	for (unsigned i = 0; i < KEYWORD_LETTERS; i++)
		im->bits[i] = -1;
	buf_init(&b, 1 << 16);
	if (file_slurp(folder, KEYWORDS_FILE, &b) == ERR_OK)
		for (rest = buf_view(&b); view_cut(&rest, '\n', &line);)
			if (view_cut(&line, ' ', &number) && num_u64(number, KEYWORD_LETTERS - 1, &letter) &&
				store_keyword_add(im->s, line, &bit) == ERR_OK)
				im->bits[letter] = (int)bit;
	buf_fini(&b);
}

static struct mail_flags flags_of_name(const struct transfer *im, struct view name)
{
	struct mail_flags f = { 0 };
	size_t at = view_search(name, VIEW(":2,"));
	for (struct view v = at == SIZE_MAX ? VIEW_NONE : view_skip(name, at + 3); v.n; v = view_skip(v, 1)) {
		for (size_t k = 0; k < LETTERS; k++)
			if (v.p[0] == letters[k].letter)
				f.system |= letters[k].flag;
		if (v.p[0] >= 'a' && v.p[0] <= 'z' && im->bits[v.p[0] - 'a'] >= 0)
			f.keywords |= UINT64_C(1) << im->bits[v.p[0] - 'a'];
	}
	return f;
}

static int read_file(struct transfer *im, int dirfd, const char *name, int64_t *date)
{
	struct stat st;
	int fd, err = file_open_read(dirfd, name, &fd);
	if (err != ERR_OK)
		return err;
	if (fstat(fd, &st) != 0)
		err = ERR_IO;
	*date = st.st_mtime;
	fd_close(&fd);
	buf_reset(&im->raw);
	if (err == ERR_OK)
		err = file_slurp(dirfd, name, &im->raw);
	buf_reset(&im->text);
	transfer_put_crlf(&im->text, buf_view(&im->raw));
	return err == ERR_OK && !buf_ok(&im->text) ? ERR_TOO_BIG : err;
}

/* A file that cannot be read is told and passed over; a store that cannot be written ends it. */
static int import_file(struct transfer *im, int dirfd, const char *name)
{
	int64_t date = 0;
	int err = read_file(im, dirfd, name, &date);
	if (err == ERR_OK)
		err = transfer_append(im, date, flags_of_name(im, view_of(name)));
	if (err == ERR_OK)
		transfer_count(im->report, im->r, buf_len(&im->text));
	else if (err != ERR_FULL && err != ERR_IO)
		transfer_bad(im->report, im->r, name, err);
	return err == ERR_FULL || err == ERR_IO ? err : ERR_OK;
}

static int import_files(struct transfer *im, int folder, const char *part)
{
	struct names l;
	int dirfd, err = file_open_dir(folder, part, &dirfd);
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = names_list(&l, dirfd);
	for (size_t i = 0; i < l.n && err == ERR_OK; i++)
		if (l.v[i][0] != '.')
			err = import_file(im, dirfd, l.v[i]);
	names_free(&l);
	fd_close(&dirfd);
	return err;
}

static int make_mailbox(struct transfer *im)
{
	int err = store_create(im->s, im->mailbox, 0);
	return err == ERR_EXISTS ? ERR_OK : err == ERR_OK ? store_subscribe(im->s, im->mailbox, true) : err;
}

static int import_folder(struct transfer *im, int dirfd, const char *name)
{
	struct buf mailbox;
	int folder, err = file_open_dir(dirfd, name, &folder);
	if (err != ERR_OK)
		return ERR_OK; /* a file beside the folders */
	buf_init(&mailbox, MAILBOX_NAME_MAX);
	if (strcmp(name, ".") == 0)
		buf_adds(&mailbox, "INBOX");
	if (buf_len(&mailbox) || maildir_mailbox(&mailbox, view_of(name))) {
		im->mailbox = buf_view(&mailbox);
		read_keywords(im, folder);
		err = make_mailbox(im);
		if (err == ERR_OK)
			err = import_files(im, folder, "cur");
		if (err == ERR_OK)
			err = import_files(im, folder, "new");
		if (err == ERR_OK)
			err = transfer_commit(im);
	} else {
		transfer_bad(im->report, im->r, name, ERR_INVALID);
	}
	buf_fini(&mailbox);
	fd_close(&folder);
	return err;
}

/* A directory of files NAME.mbox, as tool_export_mbox makes it. */
static int import_mbox_of(struct transfer *im, int dirfd, const char *name)
{
	struct view v = view_of(name);
	struct buf folder, mailbox;
	int fd, err = ERR_OK;
	if (!view_ends(v, VIEW(".mbox")))
		return ERR_OK;
	buf_init(&folder, NAME_MAX_OCTETS + 1);
	buf_init(&mailbox, MAILBOX_NAME_MAX);
	v = view_head(v, v.n - 5);
	buf_addc(&folder, '.');
	buf_addv(&folder, v);
	if (view_ieqs(v, "INBOX"))
		buf_adds(&mailbox, "INBOX");
	if (!buf_len(&mailbox) && !maildir_mailbox(&mailbox, buf_view(&folder))) {
		transfer_bad(im->report, im->r, name, ERR_INVALID);
	} else if ((err = file_open_read(dirfd, name, &fd)) == ERR_OK) {
		im->mailbox = buf_view(&mailbox);
		err = make_mailbox(im);
		if (err == ERR_OK)
			err = mbox_import(im, fd);
		if (err == ERR_OK)
			err = transfer_commit(im);
		fd_close(&fd);
	}
	if (err == ERR_INVALID)
		transfer_bad(im->report, im->r, name, err);
	buf_fini(&folder);
	buf_fini(&mailbox);
	return err == ERR_INVALID ? ERR_OK : err;
}

int tool_import_mbox(struct store *s, int fd, const struct tool_report *report, struct tool_result *r)
{
	struct transfer im = { .s = s, .report = report, .r = r, .mailbox = VIEW("INBOX") };
	*r = (struct tool_result){ 0 };
	buf_init(&im.raw, STORE_APPEND_MAX);
	buf_init(&im.text, STORE_APPEND_MAX);
	int err = mbox_import(&im, fd);
	if (err == ERR_OK)
		err = transfer_commit(&im);
	store_append_abort(im.append);
	buf_fini(&im.raw);
	buf_fini(&im.text);
	return err == ERR_OK ? store_flush_now(s) : err;
}

int tool_import(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r)
{
	struct transfer im = { .s = s, .report = report, .r = r };
	struct names l;
	*r = (struct tool_result){ 0 };
	buf_init(&im.raw, STORE_APPEND_MAX);
	buf_init(&im.text, STORE_APPEND_MAX);
	int err = names_list(&l, dirfd);
	if (err == ERR_OK)
		err = import_folder(&im, dirfd, ".");
	for (size_t i = 0; i < l.n && err == ERR_OK; i++)
		err = l.v[i][0] == '.' ? import_folder(&im, dirfd, l.v[i]) : import_mbox_of(&im, dirfd, l.v[i]);
	store_append_abort(im.append);
	names_free(&l);
	buf_fini(&im.raw);
	buf_fini(&im.text);
	return err == ERR_OK ? store_flush_now(s) : err;
}
