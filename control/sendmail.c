/* SPDX-License-Identifier: ISC */
/*
 * sendmail, mailq, newaliases: the command line. Options that mean nothing here are taken and ignored, as programs expect that write them out of habit.
 */
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "control/sendmail.h"
#include "log/log.h"
#include "sys/file.h"

enum { CONF_MAX = 1024 * 1024, PATH_MAX_OCTETS = 4096, TRIES = 10 };

enum action { ACT_SEND, ACT_SMTP, ACT_QUEUE, ACT_ALIASES, ACT_NOTHING, ACT_USAGE };

struct options {
	enum action action;
	const char *config;
	struct sendmail s;
	char *user, *full; /* the caller's name and full name, where they are ours to free */
};

/* ---- the command line ---- */

static void mode(struct options *o, const char *value)
{
	static const struct {
		char letter;
		enum action action;
	} modes[] = { { 'm', ACT_SEND }, { 'v', ACT_SEND }, { 's', ACT_SMTP }, { 'p', ACT_QUEUE }, { 'i', ACT_ALIASES } };

	o->s.verify = value[0] == 'v';
	o->action = ACT_USAGE;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (modes[i].letter == value[0])
			o->action = modes[i].action;
	if (o->action == ACT_USAGE)
		fprintf(stderr, "sendmail: -b%s is not known here; the server is started with postrider start\n", value);
}

/* -oX and -O name: the old and the long form. Only "i" means something here. */
static void old_option(struct options *o, const char *value)
{
	if (value[0] == 'i')
		o->s.ignore_dots = true;
}

static void one_option(struct options *o, int letter, const char *value)
{
	switch (letter) {
	case 'b':
		mode(o, value);
		break;
	case 'C':
		o->config = value;
		break;
	case 'F':
		o->s.name = value;
		break;
	case 'f':
	case 'r':
		o->s.sender = strcmp(value, "<>") == 0 ? "" : value;
		break;
	case 'i':
		o->s.ignore_dots = true;
		break;
	case 'N':
		o->s.notify = value;
		break;
	case 'o':
		old_option(o, value);
		break;
	case 'q':
		o->action = ACT_NOTHING;
		break;
	case 'R':
		o->s.ret = value;
		break;
	case 't':
		o->s.from_headers = true;
		break;
	case 'V':
		o->s.envid = value;
		break;
	case 'v':
		o->s.verbose = true;
		break;
	case '?':
		o->action = ACT_USAGE;
		break;
	default: /* taken, and ignored */
		break;
	}
}

/* The options of other systems' sendmail, with those that take a value; -q, -d and -e take theirs only when it is joined to them. */
static void read_options(struct options *o, int argc, char **argv)
{
	int letter;

	while (o->action != ACT_USAGE && (letter = getopt(argc, argv, "A:B:b:C:d::e::F:f:Gh:IiL:mN:nO:o:p:q::R:r:sTtUV:vX:x")) != -1)
		one_option(o, letter, optarg ? optarg : "");
	for (; optind < argc; optind++)
		if (!sendmail_add(&o->s, view_of(argv[optind]))) {
			fprintf(stderr, "sendmail: no address: %s\n", argv[optind]);
			o->action = ACT_USAGE;
		}
}

/* ---- surroundings ---- */

static struct conf *read_conf(const char *path)
{
	struct conf *c = conf_new();
	struct buf text, why;
	char *copy = mem_str(view_of(path)), *slash = strrchr(copy, '/');
	int dir = -1;

	buf_init(&text, CONF_MAX);
	buf_init(&why, CONF_MAX);
	if (slash)
		*slash = '\0';
	int err = file_open_dir(AT_FDCWD, slash ? (*copy ? copy : "/") : ".", &dir);
	if (err == ERR_OK)
		err = file_slurp(dir, slash ? slash + 1 : copy, &text);
	if (err == ERR_OK)
		err = conf_read(c, path, buf_view(&text), &why);
	if (err != ERR_OK) {
		fprintf(stderr, "sendmail: %s: %s\n%s", path, err_text(err), buf_str(&why));
		conf_free(c);
		c = NULL;
	}
	fd_close(&dir);
	free(copy);
	buf_fini(&text);
	buf_fini(&why);
	return c;
}

/* What stands in the user's entry before the first comma is the full name. */
static char *full_name(const struct passwd *pw)
{
	return pw ? mem_str(view_head(view_of(pw->pw_gecos), strcspn(pw->pw_gecos, ","))) : NULL;
}

static void name_caller(struct options *o)
{
	struct sendmail *s = &o->s;
	const struct passwd *pw = getpwuid(getuid());
	char *user;

	if (!s->name)
		s->name = getenv("NAME");
	if (!s->name || !*s->name)
		s->name = o->full = full_name(pw);
	if (pw) {
		user = mem_str(view_of(pw->pw_name));
	} else {
		user = mem_new(32);
		snprintf(user, 32, "uid-%lu", (unsigned long)getuid());
	}
	s->user = o->user = user;
}

/* What cannot be handed over is kept where its owner finds it. */
static void keep_dead_letter(const struct sendmail *s)
{
	const char *home = getenv("HOME");
	char path[PATH_MAX_OCTETS], head[64];
	time_t now = time(NULL);
	struct tm utc;

	if (!home || !buf_len(&s->message) || snprintf(path, sizeof path, "%s/dead.letter", home) >= (int)sizeof path)
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	gmtime_r(&now, &utc);
	size_t n = strftime(head, sizeof head, "%a %b %e %H:%M:%S %Y\r\n", &utc);
	bool ok = fd >= 0 && dprintf(fd, "From %s ", s->user) > 0 && file_write(fd, head, n) == ERR_OK &&
		file_write(fd, buf_view(&s->message).p, buf_len(&s->message)) == ERR_OK && file_write(fd, "\r\n", 2) == ERR_OK;
	if (ok)
		fprintf(stderr, "sendmail: the message is kept in %s\n", path);
	else
		fprintf(stderr, "sendmail: the message could not be kept in %s\n", path);
	fd_close(&fd);
}

/* ---- what is done ---- */

/* A receiver that dies is back in a moment; one that dies again and again is not waited for. */
static int hand_in(struct sendmail *s)
{
	bool again = true;
	int code = SM_LATER;

	for (int i = 0; again && i < TRIES; i++) {
		int fd = sendmail_connect(s->socket);
		if (fd < 0)
			break;
		code = sendmail_send(s, fd, &again);
		close(fd);
	}
	if (again)
		fprintf(stderr, "sendmail: the mail system does not answer at %s\n", s->socket);
	return code;
}

static int send_it(struct sendmail *s)
{
	int code = s->verify ? SM_OK : sendmail_read(s, STDIN_FILENO);

	if (code != SM_OK)
		return code;
	code = hand_in(s);
	if (code != SM_OK && code != SM_NO_USER)
		keep_dead_letter(s);
	return code;
}

static int carry_it(const struct sendmail *s)
{
	int fd = sendmail_connect(s->socket);

	if (fd >= 0)
		return sendmail_carry(fd);
	printf("421 4.3.0 The mail system does not answer\r\n");
	return SM_LATER;
}

/* The queue belongs to postrider(1), which stands beside this program. */
static int show_queue(const char *config)
{
	char path[PATH_MAX_OCTETS];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		strcpy(slash ? slash + 1 : path, "postrider");
		execl(path, "postrider", "-c", config, "queue", "list", (char *)NULL);
	}
	execlp("postrider", "postrider", "-c", config, "queue", "list", (char *)NULL);
	fprintf(stderr, "sendmail: postrider(1) cannot be started\n");
	return SM_OS;
}

static int run(struct options *o)
{
	struct conf *c = read_conf(o->config);
	char path[PATH_MAX_OCTETS];

	if (!c)
		return SM_CONFIG;
	snprintf(path, sizeof path, "%s/submit", conf_str(c, PARAM_DIRECTORY_RUN));
	o->s.socket = path;
	o->s.hostname = conf_str(c, PARAM_HOSTNAME);
	name_caller(o);
	int code = o->action == ACT_SMTP ? carry_it(&o->s) : send_it(&o->s);
	conf_free(c);
	return code;
}

static int usage(void)
{
	fprintf(stderr, "usage: sendmail [-itv] [-b mode] [-C file] [-F name] [-f sender] [-N notify] [-R ret] [-V envid] [recipient ...]\n");
	return SM_USAGE;
}

/* By its name, as ever: mailq and newaliases are links to this program. */
static enum action action_of(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *base = slash ? slash + 1 : program;

	return strcmp(base, "mailq") == 0 ? ACT_QUEUE : strcmp(base, "newaliases") == 0 ? ACT_ALIASES : ACT_SEND;
}

int main(int argc, char **argv)
{
	const char *config = getenv("POSTRIDER_CONFIG");
	struct options o = { .action = action_of(argc ? argv[0] : "sendmail"), .config = config ? config : POSTRIDER_SYSCONFDIR "/postrider.conf" };

	signal(SIGPIPE, SIG_IGN);
	log_to(STDERR_FILENO, LOG_LEVEL_ERROR);
	buf_init(&o.s.rcpts, 16 * 1024 * 1024);
	buf_init(&o.s.message, (size_t)2 * 1024 * 1024 * 1024);
	read_options(&o, argc, argv);
	if (o.action == ACT_SEND && !o.s.nrcpts && !o.s.from_headers)
		o.action = ACT_USAGE;
	switch (o.action) {
	case ACT_QUEUE:
		return show_queue(o.config);
	case ACT_ALIASES: /* Aliases live in tables that are always in force. */
	case ACT_NOTHING: /* The queue runs by itself. */
		return SM_OK;
	case ACT_USAGE:
		return usage();
	case ACT_SEND:
	case ACT_SMTP:
		break;
	}
	int code = run(&o);
	buf_fini(&o.s.rcpts);
	buf_fini(&o.s.message);
	free(o.user);
	free(o.full);
	return code;
}
