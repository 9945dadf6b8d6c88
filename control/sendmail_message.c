/* SPDX-License-Identifier: ISC */
/* From what a program of this host writes to a message: line ends, the lone dot, Bcc, From. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/sendmail.h"
#include "proto/addrlist.h"
#include "proto/header.h"

enum { READ_CHUNK = 65536 };

/* ---- recipients ---- */

static bool put_address(struct sendmail *s, const struct addr_list *l)
{
	if (!buf_len(&l->local))
		return false;
	buf_addv(&s->rcpts, buf_view(&l->local));
	if (buf_len(&l->domain)) {
		buf_addc(&s->rcpts, '@');
		buf_addv(&s->rcpts, buf_view(&l->domain));
	}
	buf_addc(&s->rcpts, '\0');
	s->nrcpts++;
	return true;
}

bool sendmail_add(struct sendmail *s, struct view list)
{
	struct addr_list l;
	bool some = false;

	addr_list_init(&l, list);
	while (addr_list_next(&l))
		if (l.kind == ADDR_MAILBOX)
			some = put_address(s, &l) || some;
	addr_list_fini(&l);
	return some;
}

/* ---- lines ---- */

/*
 * The next line of a program's output without its end: LF, CRLF, or, since such output is full of them, a CR alone (progress bars of a cron job must not
 * keep its mail from being sent).
 */
static bool next_line(struct view *rest, struct view *line)
{
	size_t n = 0, end = 0;

	if (!rest->n)
		return false;
	while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r')
		n++;
	*line = view_head(*rest, n);
	end = n;
	while (end < rest->n && rest->p[end] == '\r')
		end++;
	if (end < rest->n && rest->p[end] == '\n')
		end++;
	*rest = view_skip(*rest, end);
	return true;
}

static void put_lines(struct sendmail *s, struct view raw)
{
	struct view line;
	bool first = true;

	while (next_line(&raw, &line)) {
		if (!s->ignore_dots && view_eqs(line, "."))
			break;
		/* The separator line of a mailbox file, which some programs write before the header. */
		if (!first || !view_starts(line, VIEW("From "))) {
			buf_addv(&s->message, line);
			buf_adds(&s->message, "\r\n");
		}
		first = false;
	}
}

static bool eight_bit(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] > 0x7f)
			return true;
	return false;
}

/* ---- the header ---- */

static bool is_one_of(struct view name, const char *const *names)
{
	for (; *names; names++)
		if (view_ieqs(name, *names))
			return true;
	return false;
}

/* RFC 5322 3.6.6: a message that is resent goes where the Resent fields say. */
static bool take_rcpts(struct sendmail *s, struct view message)
{
	static const char *const plain[] = { "To", "Cc", "Bcc", NULL };
	static const char *const resent[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };
	struct header_field f;
	struct header_iter it;
	bool again = header_find(message, "Resent-To", &f) || header_find(message, "Resent-Cc", &f) || header_find(message, "Resent-Bcc", &f);

	header_begin(&it, message);
	while (header_next(&it, &f))
		if (is_one_of(f.name, again ? resent : plain))
			sendmail_add(s, f.raw);
	return s->nrcpts > 0;
}

/* The display name as a quoted string (RFC 5322 3.2.4). */
static void put_name(struct buf *b, const char *name)
{
	buf_addc(b, '"');
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			buf_addc(b, '\\');
		if ((unsigned char)*name >= 0x20 && *name != 0x7f)
			buf_addc(b, *name);
	}
	buf_adds(b, "\" ");
}

static void put_from(const struct sendmail *s, struct buf *b)
{
	const char *sender = s->sender && *s->sender ? s->sender : s->user;

	buf_adds(b, "From: ");
	if (s->name && *s->name)
		put_name(b, s->name);
	buf_addc(b, '<');
	buf_adds(b, sender);
	if (!strchr(sender, '@')) {
		buf_addc(b, '@');
		buf_adds(b, s->hostname);
	}
	buf_adds(b, ">\r\n");
}

/* The header without Bcc (RFC 5322 3.6.3), with a From. */
static void rewrite(struct sendmail *s, struct buf *out)
{
	static const char *const hidden[] = { "Bcc", "Resent-Bcc", NULL };
	struct view message = buf_view(&s->message);
	struct header_field f;
	struct header_iter it;
	bool headed = false;

	if (!header_find(message, "From", &f))
		put_from(s, out);
	header_begin(&it, message);
	while (header_next(&it, &f)) {
		if (!f.name.n && !headed)
			break;
		headed = true;
		if (!is_one_of(f.name, hidden))
			buf_addv(out, f.whole);
	}
	size_t body = headed ? header_size(message) : 0;
	/* Without a header at all the text begins behind an empty line; the empty line of a header is not a field, and was not copied. */
	if (!view_starts(message, VIEW("\r\n")) || headed)
		buf_adds(out, "\r\n");
	buf_addv(out, view_skip(message, body));
}

int sendmail_take(struct sendmail *s, struct view raw)
{
	struct buf out;

	put_lines(s, raw);
	if (s->from_headers && !take_rcpts(s, buf_view(&s->message))) {
		fprintf(stderr, "sendmail: no recipients in To, Cc or Bcc\n");
		return SM_DATA;
	}
	buf_init(&out, s->message.max);
	rewrite(s, &out);
	buf_fini(&s->message);
	s->message = out;
	s->eight_bit = eight_bit(buf_view(&s->message));
	s->utf8 = eight_bit(view_head(buf_view(&s->message), header_size(buf_view(&s->message)))) || eight_bit(buf_view(&s->rcpts)) ||
		(s->sender && eight_bit(view_of(s->sender)));
	return buf_ok(&s->message) ? SM_OK : SM_DATA;
}

int sendmail_read(struct sendmail *s, int fd)
{
	struct buf raw;
	ssize_t n = 1;

	buf_init(&raw, s->message.max / 2);
	while (n > 0) {
		char *room = buf_room(&raw, READ_CHUNK);
		n = room ? read(fd, room, READ_CHUNK) : 0;
		if (n > 0)
			buf_commit(&raw, (size_t)n);
	}
	int code = n < 0 ? SM_IO : SM_DATA;
	if (n < 0)
		perror("sendmail: standard input");
	else if (!buf_ok(&raw))
		fprintf(stderr, "sendmail: the message is too big\n");
	else
		code = sendmail_take(s, buf_view(&raw));
	buf_fini(&raw);
	return code;
}
