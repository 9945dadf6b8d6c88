/* SPDX-License-Identifier: ISC */
/* mbox files: "mboxrd" out; in, whatever separates messages by an empty line and "From ". */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/date.h"
#include "base/mem.h"
#include "base/num.h"
#include "mailbox/transfer.h"
#include "sys/file.h"

#define PIECE (64u << 10)
#define FILE_NAME_MAX 255

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* from 1970's first on */

static const struct {
	char letter;
	uint8_t flag;
} letters[] = { { 'A', MAIL_ANSWERED }, { 'D', MAIL_DELETED }, { 'F', MAIL_FLAGGED }, { 'T', MAIL_DRAFT } };
#define LETTERS (sizeof letters / sizeof *letters)

/* ---- the From_ line's date, as asctime has it ---- */
static void put_date(struct buf *b, int64_t t)
{
	struct date d;
	int64_t days = t >= 0 ? t / 86400 : 0;
	date_of(t >= 0 ? t : 0, &d);
	buf_printf(b, "%.3s %.3s %2d %02d:%02d:%02d %04d", weekdays + days % 7 * 3, months + (d.month - 1) * 3, d.day, d.hour, d.minute, d.second, d.year);
}

static bool get_month(struct view v, int *month)
{
	for (int i = 0; i < 12; i++)
		if (view_ieq(v, view_make(months + 3 * i, 3))) {
			*month = i + 1;
			return true;
		}
	return false;
}

static bool get_clock(struct view v, struct date *d)
{
	uint32_t h, m, s = 0;
	struct view a, b;
	bool ok = view_cut(&v, ':', &a) && num_u32(a, 23, &h) && view_cut(&v, ':', &b) && num_u32(b, 59, &m) && (v.n == 0 || num_u32(v, 60, &s));
	if (ok) {
		d->hour = (int)h;
		d->minute = (int)m;
		d->second = (int)s;
	}
	return ok;
}

/* "From whoever Sun Nov 22 02:12:44 2026": words before the month are passed over. */
static bool get_date(struct view line, int64_t *t)
{
	struct date d = { 0 };
	struct view word;
	uint32_t day, year;
	line = view_trim(line);
	while (view_word(&line, &word))
		if (get_month(word, &d.month))
			break;
	if (!d.month || !view_word(&line, &word) || !num_u32(word, 31, &day) || day == 0 || !view_word(&line, &word) || !get_clock(word, &d))
		return false;
	while (view_word(&line, &word)) /* a zone may stand between, and behind */
		if (num_u32(word, 9999, &year) && year >= 1970) {
			d.day = (int)day;
			d.year = (int)year;
			*t = date_seconds(&d);
			return true;
		}
	return false;
}

/* ---- fields with flags ---- */
static bool is_own_field(struct view line)
{
	return view_istarts(line, VIEW("Status:")) || view_istarts(line, VIEW("X-Status:")) || view_istarts(line, VIEW("X-Keywords:"));
}

static bool is_folded(struct view line) { return line.n && (line.p[0] == ' ' || line.p[0] == '\t'); }
static bool is_empty(struct view line) { return view_eqs(line, "\n") || view_eqs(line, "\r\n"); }

static struct view take_line(struct view *rest)
{
	const char *nl = memchr(rest->p, '\n', rest->n);
	struct view line = view_head(*rest, nl ? (size_t)(nl - rest->p) + 1 : rest->n);
	*rest = view_skip(*rest, line.n);
	return line;
}

static struct view field_value(struct view line)
{
	return view_trim(view_skip(line, view_find(line, ':') + 1));
}

static void read_flags(struct transfer *im, struct view line, struct mail_flags *f)
{
	struct view value = field_value(line), word;
	unsigned bit;
	if (view_istarts(line, VIEW("X-Keywords:"))) {
		while (view_word(&value, &word))
			if (store_keyword_add(im->s, word, &bit) == ERR_OK)
				f->keywords |= UINT64_C(1) << bit;
		return;
	}
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == 'R')
			f->system |= MAIL_SEEN;
		for (size_t k = 0; k < LETTERS; k++)
			if (value.p[i] == letters[k].letter)
				f->system |= letters[k].flag;
	}
}

static void put_flags(struct buf *b, const struct store *s, const struct message_info *i)
{
	buf_printf(b, "Status: %sO\n", i->flags.system & MAIL_SEEN ? "R" : "");
	if (i->flags.system & (uint8_t)~MAIL_SEEN) {
		buf_adds(b, "X-Status: ");
		for (size_t k = 0; k < LETTERS; k++)
			if (i->flags.system & letters[k].flag)
				buf_addc(b, letters[k].letter);
		buf_addc(b, '\n');
	}
	if (!i->flags.keywords)
		return;
	buf_adds(b, "X-Keywords:");
	for (unsigned k = 0; k < store_keyword_count(s); k++)
		if (i->flags.keywords >> k & 1)
			buf_printf(b, " %s", store_keyword(s, k));
	buf_addc(b, '\n');
}

/* ---- out ---- */
/* Behind any number of '>'s. */
static bool is_from(struct view line)
{
	while (line.n && line.p[0] == '>')
		line = view_skip(line, 1);
	return view_starts(line, VIEW("From "));
}

static void put_message(struct transfer_walk *w, const struct message_info *i, struct view rest)
{
	bool header = true, skipping = false;
	buf_adds(&w->text, "From MAILER-DAEMON ");
	put_date(&w->text, i->date);
	buf_addc(&w->text, '\n');
	put_flags(&w->text, w->s, i);
	while (rest.n) {
		struct view line = take_line(&rest);
		header = header && !is_empty(line);
		skipping = header && (is_folded(line) ? skipping : is_own_field(line));
		if (skipping)
			continue;
		if (is_from(line))
			buf_addc(&w->text, '>');
		transfer_put_lf(&w->text, line);
		if (rest.n == 0 && line.p[line.n - 1] != '\n')
			buf_addc(&w->text, '\n');
	}
	buf_addc(&w->text, '\n');
}

static int write_message(struct transfer_walk *w, const struct message_info *i, struct view content)
{
	buf_reset(&w->text);
	put_message(w, i, content);
	return buf_ok(&w->text) ? file_write(w->cur, buf_view(&w->text).p, buf_len(&w->text)) : ERR_TOO_BIG;
}

static int export_mailbox(struct transfer_walk *w)
{
	struct buf folder, name;
	int root = w->cur, err;
	buf_init(&folder, FILE_NAME_MAX);
	buf_init(&name, FILE_NAME_MAX);
	maildir_folder(&folder, view_of(w->mailbox));
	buf_addv(&name, buf_len(&folder) ? view_skip(buf_view(&folder), 1) : VIEW("INBOX"));
	buf_adds(&name, ".mbox");
	err = buf_ok(&folder) && buf_ok(&name) ? file_create(root, buf_str(&name), 0600, &w->cur) : ERR_TOO_BIG;
	if (err == ERR_OK) {
		err = transfer_each_message(w, write_message);
		fd_close(&w->cur);
	} else if (err == ERR_TOO_BIG) {
		transfer_bad(w->report, w->r, w->mailbox, err);
		err = ERR_OK;
	}
	buf_fini(&folder);
	buf_fini(&name);
	w->cur = root;
	return err;
}

int tool_export_mbox(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r)
{
	struct transfer_walk w = { .s = s, .report = report, .r = r, .cur = dirfd };
	*r = (struct tool_result){ 0 };
	buf_init(&w.text, 2 * STORE_APPEND_MAX);
	int err = transfer_each_mailbox(&w, export_mailbox);
	buf_fini(&w.text);
	if (err == ERR_OK && syncfs(dirfd) != 0)
		err = ERR_IO;
	return err;
}

/* ---- in ---- */
struct reader {
	int fd;
	char *p;
	size_t at, n;
	bool end;
};

static int fill(struct reader *r)
{
	memmove(r->p, r->p + r->at, r->n - r->at);
	r->n -= r->at;
	r->at = 0;
	ssize_t k = read(r->fd, r->p + r->n, PIECE - r->n);
	if (k < 0)
		return ERR_IO;
	r->n += (size_t)k;
	r->end = k == 0;
	return ERR_OK;
}

/* A line with its end, or a piece of a long one. An empty view at the end. */
static int next_piece(struct reader *r, struct view *v)
{
	const char *nl;
	int err = ERR_OK;
	while (err == ERR_OK && !(nl = memchr(r->p + r->at, '\n', r->n - r->at)) && !r->end && r->n - r->at < PIECE)
		err = fill(r);
	if (err != ERR_OK)
		return err;
	nl = memchr(r->p + r->at, '\n', r->n - r->at);
	*v = view_make(r->p + r->at, nl ? (size_t)(nl + 1 - (r->p + r->at)) : r->n - r->at);
	r->at += v->n;
	return ERR_OK;
}

/* im->raw without what the file added to the message. */
static void unwrap(struct transfer *im, struct mail_flags *f)
{
	struct view rest = buf_view(&im->raw);
	bool header = true, skipping = false;
	if (view_ends(rest, VIEW("\n\n")))
		rest = view_head(rest, rest.n - 1);
	else if (view_ends(rest, VIEW("\n\r\n")))
		rest = view_head(rest, rest.n - 2);
	buf_reset(&im->text);
	while (rest.n && header) {
		struct view line = take_line(&rest);
		header = !is_empty(line);
		skipping = header && (is_folded(line) ? skipping : is_own_field(line));
		if (!skipping)
			transfer_put_crlf(&im->text, line);
		else if (!is_folded(line))
			read_flags(im, line, f);
	}
	transfer_put_crlf(&im->text, rest);
}

static int finish(struct transfer *im, int64_t date)
{
	struct mail_flags f = { 0 };
	int err = buf_ok(&im->raw) ? ERR_OK : ERR_TOO_BIG;
	if (err == ERR_OK) {
		unwrap(im, &f);
		err = buf_ok(&im->text) ? transfer_append(im, date, f) : ERR_TOO_BIG;
	}
	if (err == ERR_OK)
		transfer_count(im->report, im->r, buf_len(&im->text));
	else if (err == ERR_TOO_BIG)
		transfer_bad(im->report, im->r, "a message of the file", err);
	buf_reset(&im->raw);
	return err == ERR_TOO_BIG ? ERR_OK : err;
}

static int64_t file_time(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? st.st_mtime : 0;
}

static int read_messages(struct transfer *im, struct reader *r)
{
	bool begins = true, blank = true, inside = false;
	int64_t date = 0;
	struct view v;
	int err;
	buf_reset(&im->raw);
	while ((err = next_piece(r, &v)) == ERR_OK && v.n) {
		if (begins && blank && view_starts(v, VIEW("From "))) {
			if (inside)
				err = finish(im, date);
			inside = true;
			if (!get_date(v, &date))
				date = file_time(r->fd);
		} else if (!inside && !is_empty(v)) {
			return ERR_INVALID;
		} else {
			buf_addv(&im->raw, begins && v.p[0] == '>' && is_from(v) ? view_skip(v, 1) : v);
		}
		if (err != ERR_OK)
			return err;
		blank = begins && is_empty(v);
		begins = v.p[v.n - 1] == '\n';
	}
	return err == ERR_OK && inside ? finish(im, date) : err;
}

int mbox_import(struct transfer *im, int fd)
{
	struct reader r = { .fd = fd, .p = mem_new(PIECE) };
	int err = read_messages(im, &r);
	free(r.p);
	return err;
}
