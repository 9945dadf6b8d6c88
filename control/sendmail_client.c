/* SPDX-License-Identifier: ISC */
/* SMTP over the receiver's UNIX socket, blocking: this program does one thing and may wait. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/sendmail.h"

enum { WAIT_SECONDS = 30, REPLY_SECONDS = 600, REPLY_MAX = 4096 };

struct dialogue {
	const struct sendmail *s;
	int fd;
	char in[REPLY_MAX]; /* what came and was not used */
	size_t n;
	char reply[REPLY_MAX]; /* the last line of the last reply */
	bool sent; /* the message went out: whether it was taken is known from the reply alone */
	bool gone; /* the connection was lost */
};

static int connect_once(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof a.sun_path)
		return -1;
	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

int sendmail_connect(const char *path)
{
	const struct timespec pause = { .tv_nsec = 250000000 };

	for (int i = 0; i < WAIT_SECONDS * 4; i++) {
		int fd = connect_once(path);
		if (fd >= 0)
			return fd;
		nanosleep(&pause, NULL);
	}
	return -1;
}

/* ---- octets ---- */

static bool say(struct dialogue *d, struct view v)
{
	while (v.n) {
		ssize_t n = send(d->fd, v.p, v.n, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		v = view_skip(v, (size_t)n);
	}
	return true;
}

static bool more_input(struct dialogue *d)
{
	struct pollfd p = { .fd = d->fd, .events = POLLIN };

	if (d->n == sizeof d->in || poll(&p, 1, REPLY_SECONDS * 1000) <= 0)
		return false;
	ssize_t n = read(d->fd, d->in + d->n, sizeof d->in - d->n);
	if (n <= 0)
		return false;
	d->n += (size_t)n;
	return true;
}

/* One line of a reply into d->reply, without its end. */
static bool reply_line(struct dialogue *d)
{
	char *lf;

	while (!(lf = memchr(d->in, '\n', d->n)))
		if (!more_input(d))
			return false;
	size_t n = (size_t)(lf - d->in);
	memcpy(d->reply, d->in, n);
	d->reply[n && d->in[n - 1] == '\r' ? n - 1 : n] = '\0';
	d->n -= n + 1;
	memmove(d->in, lf + 1, d->n);
	return true;
}

/* The code of the next reply; 0 when the connection is gone. */
static int next_reply(struct dialogue *d)
{
	do {
		if (!reply_line(d))
			return 0;
		if (d->s->verbose)
			printf("%s\n", d->reply);
	} while (d->reply[0] && d->reply[1] && d->reply[2] && d->reply[3] == '-');
	return (d->reply[0] - '0') * 100 + (d->reply[1] - '0') * 10 + (d->reply[2] - '0');
}

static int command(struct dialogue *d, const struct buf *line)
{
	if (d->s->verbose)
		printf(">>> %.*s", (int)buf_len(line), buf_view(line).p);
	return say(d, buf_view(line)) ? next_reply(d) : 0;
}

static int command_text(struct dialogue *d, const char *text)
{
	struct buf b;

	buf_init(&b, 1024);
	buf_adds(&b, text);
	int code = command(d, &b);
	buf_fini(&b);
	return code;
}

/* ---- the transaction ---- */

static int exit_code(struct dialogue *d, int code, int never)
{
	d->gone = !code;
	if (d->gone && d->sent)
		fprintf(stderr, "sendmail: the mail system went away\n");
	else if (code)
		fprintf(stderr, "sendmail: %s\n", d->reply);
	return !code || code / 100 == 4 ? SM_LATER : never;
}

static int say_mail(struct dialogue *d)
{
	const struct sendmail *s = d->s;
	struct buf b;

	buf_init(&b, 2048);
	buf_printf(&b, "MAIL FROM:<%s>", s->sender ? s->sender : s->user);
	if (!s->verify)
		buf_printf(&b, " SIZE=%zu", buf_len(&s->message));
	if (s->eight_bit)
		buf_adds(&b, " BODY=8BITMIME");
	if (s->utf8)
		buf_adds(&b, " SMTPUTF8");
	if (s->ret)
		buf_printf(&b, " RET=%s", s->ret);
	if (s->envid)
		buf_printf(&b, " ENVID=%s", s->envid);
	buf_adds(&b, "\r\n");
	int code = command(d, &b);
	buf_fini(&b);
	return code == 250 ? SM_OK : exit_code(d, code, SM_UNAVAILABLE);
}

static int say_rcpt(struct dialogue *d, const char *rcpt)
{
	struct buf b;

	buf_init(&b, 2048);
	buf_printf(&b, "RCPT TO:<%s>", rcpt);
	if (d->s->notify)
		buf_printf(&b, " NOTIFY=%s", d->s->notify);
	buf_adds(&b, "\r\n");
	int code = buf_ok(&b) ? command(d, &b) : 501;
	buf_fini(&b);
	if (code == 250 && d->s->verify)
		printf("%s... deliverable\n", rcpt);
	if (code != 250)
		fprintf(stderr, "%s... ", rcpt);
	return code == 250 ? SM_OK : exit_code(d, code, SM_NO_USER);
}

/* One wrong recipient does not keep the others from theirs; it shows in the exit code. */
static int say_rcpts(struct dialogue *d, size_t *taken)
{
	struct view rest = buf_view(&d->s->rcpts), one;
	int worst = SM_OK;

	while (rest.n && !d->gone && view_cut(&rest, '\0', &one)) {
		int code = say_rcpt(d, one.p);
		*taken += code == SM_OK;
		if (code != SM_OK)
			worst = code;
	}
	return worst;
}

/* RFC 5321 4.5.2. The message's lines end in CRLF. */
static void stuff(struct view message, struct buf *out)
{
	while (message.n) {
		const char *lf = memchr(message.p, '\n', message.n);
		size_t n = lf ? (size_t)(lf - message.p) + 1 : message.n;
		if (message.p[0] == '.')
			buf_addc(out, '.');
		buf_add(out, message.p, n);
		message = view_skip(message, n);
	}
	buf_adds(out, ".\r\n");
}

static int say_data(struct dialogue *d)
{
	struct buf b;
	int code = command_text(d, "DATA\r\n");

	if (code != 354)
		return exit_code(d, code, SM_UNAVAILABLE);
	buf_init(&b, 2 * buf_len(&d->s->message) + 16);
	stuff(buf_view(&d->s->message), &b);
	d->sent = true;
	code = say(d, buf_view(&b)) ? next_reply(d) : 0;
	buf_fini(&b);
	return code == 250 ? SM_OK : exit_code(d, code, SM_UNAVAILABLE);
}

static int transaction(struct dialogue *d)
{
	size_t taken = 0;
	int code = say_mail(d);

	if (code != SM_OK)
		return code;
	int worst = say_rcpts(d, &taken);
	if (!taken || d->gone || d->s->verify)
		return worst;
	code = say_data(d);
	return code != SM_OK ? code : worst;
}

static int converse(struct sendmail *s, struct dialogue *d)
{
	struct buf hello;
	int code = next_reply(d);

	buf_init(&hello, 600);
	buf_printf(&hello, "EHLO %s\r\n", s->hostname);
	if (code == 220)
		code = command(d, &hello);
	buf_fini(&hello);
	if (code != 250)
		return exit_code(d, code, SM_UNAVAILABLE);
	int result = transaction(d);
	if (!d->gone)
		(void)!command_text(d, "QUIT\r\n");
	return result;
}

int sendmail_send(struct sendmail *s, int fd, bool *again)
{
	struct dialogue d = { .s = s, .fd = fd };
	int code = converse(s, &d);

	*again = d.gone && !d.sent;
	return code;
}

/* ---- -bs ---- */

/* From one to the other; false at the end. */
static bool carry(int from, int to)
{
	char octets[65536];
	ssize_t n = read(from, octets, sizeof octets);
	size_t at = 0;

	while (n > 0 && at < (size_t)n) {
		ssize_t put = write(to, octets + at, (size_t)n - at);
		if (put <= 0)
			return false;
		at += (size_t)put;
	}
	return n > 0;
}

int sendmail_carry(int fd)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return SM_OS;
		if (p[1].revents && !carry(fd, STDOUT_FILENO))
			return SM_OK;
		if (p[0].revents && !carry(STDIN_FILENO, fd)) {
			(void)!shutdown(fd, SHUT_WR);
			p[0].fd = -1;
		}
	}
}
