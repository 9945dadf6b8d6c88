/* SPDX-License-Identifier: ISC */
/* A client: octets between its stream and its session, TLS, delays and time-outs, and what is logged of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/keys.h"
#include "log/log.h"
#include "smtpd/smtpd.h"
#include "sys/clock.h"
#include "sys/file.h"

/* Octets of a client's that wait here while its session does not take them. */
enum { INPUT_MAX = 64 * 1024 };

/* A local user may have so many of the places for clients, so that others can hand in mail too. */
enum { PLACES_OF_USER = 4 };

/* ---- how many come from one address, or of one user ---- */

/* Loopback, where proxies, tests and our own programs stand, is not counted. */
static bool exempt(const struct sock_addr *a)
{
	return a->ss.ss_family == AF_UNIX || sock_addr_in(a, VIEW("127.0.0.0/8")) || sock_addr_in(a, VIEW("::1"));
}

static uintptr_t address_count(const struct smtpd *m, const char *peer)
{
	return (uintptr_t)map_get(m->addresses, view_of(peer));
}

/* As whom the client counts; empty when it does not. Root may need a place when all are taken. */
static void name_counter(const struct class *class, int fd, const struct sock_addr *peer, char out[64])
{
	uid_t uid;

	out[0] = '\0';
	if (class->kernel && sock_peer_uid(fd, &uid, NULL, NULL) == ERR_OK && uid != 0)
		snprintf(out, 64, "uid-%lu", (unsigned long)uid);
	else if (class->stranger && !exempt(peer))
		sock_addr_text(peer, out);
}

static bool is_crowd(const struct smtpd *m, const struct class *class, const char *counter)
{
	size_t most = class->kernel ? 1 + conf_num(m->d->conf, PARAM_CLIENTS_PER_PROCESS) / PLACES_OF_USER : m->settings.per_address;

	return counter[0] && most && address_count(m, counter) >= most;
}

static void count_address(struct smtpd *m, const char *peer, bool more)
{
	uintptr_t n = address_count(m, peer) + (more ? 1u : 0u) - (more ? 0u : 1u);

	if (n)
		map_set(m->addresses, view_of(peer), (void *)n);
	else
		map_del(m->addresses, view_of(peer));
}

/* ---- the end ---- */

static void accept_again(struct smtpd *m)
{
	if (m->full && m->nclients < conf_num(m->d->conf, PARAM_CLIENTS_PER_PROCESS)) {
		m->full = false;
		daemon_accept(m->d, true);
	}
}

static void client_free(struct client *c)
{
	struct smtpd *m = c->smtpd;

	requests_forget(c);
	session_free(c->session);
	fd_close(&c->content_fd);
	timer_free(c->timer);
	if (c->counter[0])
		count_address(m, c->counter, false);
	list_remove(&c->node);
	m->nclients--;
	free(c);
	accept_again(m);
	if (m->d->stopping && list_empty(&m->clients))
		daemon_exit(m->d);
}

static void note_end(const struct client *c, const char *why)
{
	log_info("disconnect", LS("session", c->id), LS("peer", c->peer), LS("why", why), LU("messages", session_messages(c->session)),
		LU("errors", session_errors(c->session)));
}

/* Sends what was said, and closes; after QUIT nothing more can come, so that nobody needs to wait for it. */
static void client_end(struct client *c, const char *why)
{
	bool quit = session_quit(c->session);

	note_end(c, why);
	if (quit && !buf_len(stream_input(c->stream)))
		stream_close(c->stream);
	else
		stream_close_linger(c->stream);
	client_free(c);
}

/* ---- between stream and session ---- */

static void start_timer(struct client *c, uint64_t ms);

static void start_tls(struct client *c)
{
	stream_resume(c->stream);
	if (stream_starttls_server(c->stream, keys_server(c->smtpd->d)) != ERR_OK)
		client_end(c, "starttls");
}

/* Sends what is due and does what the session wants next. The client may be gone behind it. */
static void client_act(struct client *c)
{
	struct buf *out = session_out(c->session);
	enum session_state state = session_state(c->session);

	if (session_delay(c->session)) {
		stream_pause(c->stream);
		start_timer(c, session_delay(c->session));
		return;
	}
	if (buf_len(out)) {
		stream_write(c->stream, buf_view(out));
		buf_reset(out);
	}
	if (state == SESSION_ENDED)
		client_end(c, session_quit(c->session) ? "quit" : "closed");
	else if (state == SESSION_STARTTLS)
		start_tls(c);
	else if (state == SESSION_WAITING)
		stream_pause(c->stream);
	else
		stream_resume(c->stream);
}

static void take_input(struct client *c)
{
	struct buf *in = stream_input(c->stream);

	if (!session_delay(c->session))
		buf_consume(in, session_input(c->session, buf_view(in)));
}

void client_go_on(struct client *c)
{
	take_input(c);
	client_act(c);
}

void client_shut(struct client *c, const char *status, const char *text, bool when_idle)
{
	session_shut(c->session, status, text, when_idle);
	session_delayed(c->session);
	client_act(c);
}

void client_check_rate(struct client *c, uint64_t now)
{
	uint64_t octets, least = c->smtpd->settings.data_rate;

	if (!least || !session_content_coming(c->session, &octets)) {
		c->rate_since = 0;
	} else if (!c->rate_since) {
		c->rate_since = now;
		c->rate_from = octets;
	} else if (now - c->rate_since > RATE_GRACE && (octets - c->rate_from) * 1000 / (now - c->rate_since) < least) {
		client_shut(c, "4.4.2", "The message comes too slowly", false);
	}
}

/* ---- what the stream and the timer tell ---- */

static void greet(struct client *c)
{
	c->greeting = false;
	client_go_on(c);
}

static void on_timer(void *arg)
{
	struct client *c = arg;

	if (c->greeting) {
		greet(c);
		return;
	}
	session_delayed(c->session);
	client_go_on(c);
}

static void start_timer(struct client *c, uint64_t ms)
{
	if (!c->timer)
		c->timer = timer_new(c->smtpd->d->loop, on_timer, c);
	timer_set(c->timer, ms);
}

/* RFC 5321 4.3.1: a client waits for the greeting; one that does not is a program that never listens. */
static void spoke_too_early(struct client *c)
{
	log_info("reject", LS("session", c->id), LS("peer", c->peer), LU("code", 554), LS("text", "spoke before the greeting"));
	stream_puts(c->stream, "554 5.5.1 Wait for the greeting\r\n");
	client_end(c, "spoke before the greeting");
}

static void on_data(void *arg, struct stream *s)
{
	struct client *c = arg;

	(void)s;
	if (c->greeting)
		spoke_too_early(c);
	else
		client_go_on(c);
}

static void on_secure(void *arg, struct stream *s)
{
	struct client *c = arg;
	struct stream_tls_info info;
	struct session_tls tls = { .version = NULL };

	if (stream_tls_info(s, &info))
		tls = (struct session_tls){ info.version, info.cipher, info.bits };
	session_secured(c->session, &tls);
	client_go_on(c);
}

static void on_closed(void *arg, struct stream *s, enum stream_end why)
{
	struct client *c = arg;

	if (why == STREAM_END_IDLE) {
		client_shut(c, "4.4.2", "Timeout", false);
		return;
	}
	note_end(c, why == STREAM_END_TLS ? stream_tls_error(s) : stream_end_name(why));
	stream_close(s);
	client_free(c);
}

static const struct stream_callbacks callbacks = { .on_data = on_data, .on_secure = on_secure, .on_closed = on_closed };

/* ---- the beginning ---- */

static void turn_away(struct smtpd *m, const struct class *class, int fd, const char *peer, const char *reply)
{
	struct stream *s = stream_new(m->d->loop, fd, &callbacks, NULL);

	log_info("reject", LS("listener", class->listener), LS("peer", peer), LS("text", reply));
	if (!class->tls_at_once)
		stream_printf(s, "%s\r\n", reply);
	stream_close(s);
}

static bool in_networks(const struct smtpd *m, const struct sock_addr *peer)
{
	struct view one;

	for (size_t i = 0; conf_item(m->d->conf, PARAM_RELAY_NETWORKS, i, &one); i++)
		if (sock_addr_in(peer, one))
			return true;
	return false;
}

/* Who may not even begin, and what is said to them; NULL for the others. */
static const char *unwelcome(const struct smtpd *m, const struct class *class, const struct sock_addr *peer, const char *counter)
{
	if (class->networks && !in_networks(m, peer))
		return "554 5.7.1 Your network may not use this service";
	if (is_crowd(m, class, counter))
		return class->kernel ? "421 4.7.0 You have too many connections" : "421 4.7.0 Too many connections from your address";
	return NULL;
}

/* The user at the other end of a UNIX socket, by the kernel's word. */
static void name_user(struct client *c, int fd, struct session_facts *f, char unnamed[32])
{
	uid_t uid = 0;
	gid_t gid;
	pid_t pid;

	if (sock_peer_uid(fd, &uid, &gid, &pid) != ERR_OK)
		uid = UINT32_MAX;
	f->uid = uid;
	f->user = users_name(c->smtpd->users, uid);
	f->user_trusted = f->user.n && conf_has(c->smtpd->d->conf, PARAM_SMTPD_LOCAL_TRUSTED, f->user);
	if (f->user.n)
		return;
	snprintf(unnamed, 32, "uid-%lu", (unsigned long)uid);
	f->user = view_of(unnamed);
}

static struct session *start_session(struct client *c, int fd)
{
	char unnamed[32];
	struct session_facts f = {
		.class = c->class,
		.settings = &c->smtpd->settings,
		.budget = &c->smtpd->budget,
		.id = view_of(c->id),
		.peer = view_of(c->peer),
		.tls_offered = !c->class->kernel && keys_server(c->smtpd->d),
		.user = VIEW_NONE,
	};

	if (c->class->kernel)
		name_user(c, fd, &f, unnamed);
	return session_new(&f, &request_ops, c);
}

static struct client *client_new(struct smtpd *m, const struct class *class, int fd, const char *peer)
{
	struct client *c = mem_new(sizeof *c);

	c->smtpd = m;
	c->class = class;
	c->content_fd = -1;
	list_init(&c->questions);
	snprintf(c->id, sizeof c->id, "%016llx", (unsigned long long)random_u64());
	snprintf(c->peer, sizeof c->peer, "%s", peer);
	c->stream = stream_new(m->d->loop, fd, &callbacks, c);
	stream_set_input_max(c->stream, INPUT_MAX);
	stream_set_idle(c->stream, m->settings.idle);
	c->session = start_session(c, fd);
	list_append(&m->clients, &c->node);
	m->nclients++;
	return c;
}

static void begin(struct client *c)
{
	bool pause = strcmp(c->class->listener, "smtp") == 0 && c->smtpd->settings.greeting_pause;

	if (c->class->tls_at_once) {
		if (stream_starttls_server(c->stream, keys_server(c->smtpd->d)) != ERR_OK)
			client_end(c, "tls");
	} else if (pause) {
		c->greeting = true;
		start_timer(c, c->smtpd->settings.greeting_pause);
	} else {
		client_act(c);
	}
}

void client_accepted(struct smtpd *m, const struct class *class, int fd, const struct sock_addr *peer)
{
	char text[64], counter[64];

	sock_addr_text(peer, text);
	name_counter(class, fd, peer, counter);
	const char *no = unwelcome(m, class, peer, counter);
	if (no) {
		turn_away(m, class, fd, text, no);
		return;
	}
	if (class->tls_at_once && !keys_server(m->d)) {
		close(fd);
		return;
	}
	struct client *c = client_new(m, class, fd, text);
	memcpy(c->counter, counter, sizeof c->counter);
	if (counter[0])
		count_address(m, counter, true);
	log_info("connect", LS("session", c->id), LS("listener", class->listener), LS("peer", c->peer));
	if (m->nclients >= conf_num(m->d->conf, PARAM_CLIENTS_PER_PROCESS)) {
		m->full = true;
		daemon_accept(m->d, false);
	}
	begin(c);
}
