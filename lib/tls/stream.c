/* SPDX-License-Identifier: ISC */
#include "tls/stream_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/sock.h"

enum {
	CHUNK = 65536, /* octets read at once, so that others have their turn */
	INPUT_MAX = 65536,
	HIGH = 256 * 1024,
	OUTPUT_MAX = 16 * 1024 * 1024,
	WIRE_EXTRA = 1024 * 1024, /* what TLS may add of its own to the wire */
	ROUNDS = 8,               /* writes in a row for one stream */
	CLOSE_MS = 30000,
	LINGER_MS = 2000,
	LINGER_MAX = 1024 * 1024,
	HANDSHAKE_MS = 60000,
};

static const struct stream_callbacks no_callbacks;

const char *stream_end_name(enum stream_end why)
{
	static const char *const names[] = {
		[STREAM_END_CLEAN] = "clean", [STREAM_END_IDLE] = "idle", [STREAM_END_TRUNCATED] = "truncated",
		[STREAM_END_RESET] = "reset", [STREAM_END_TLS] = "tls", [STREAM_END_DEADLINE] = "deadline",
		[STREAM_END_OVERFLOW] = "overflow",
	};
	return names[why];
}

/* ---- life ---- */

static void destroy(struct stream *s)
{
	loop_later_cancel(s->loop, &s->later);
	io_free(s->io);
	timer_free(s->timer);
	if (s->tls)
		stream_tls_free(s);
	buf_fini(&s->in);
	buf_fini(&s->wire);
	fd_close(&s->fd);
	free(s);
}

static void enter(struct stream *s)
{
	s->busy++;
}

/* What is waited for follows from the state. Readability is given up only when it came unwanted, so that a pause between two commands costs nothing. */
static void leave(struct stream *s)
{
	s->busy--;
	if (s->dead) {
		if (s->busy == 0)
			destroy(s);
		return;
	}
	if (s->phase == STREAM_CONNECTING) {
		io_want(s->io, s->end_seen ? 0 : IO_WRITE);
		return;
	}
	if (stream_wants_read(s))
		s->deaf = false;
	io_want(s->io, (s->deaf ? 0U : IO_READ) | (s->blocked ? IO_WRITE : 0U));
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	s->cb = &no_callbacks;
	s->dead = true;
	if (s->busy == 0)
		destroy(s);
}

static void on_timer(void *arg);

void stream_arm(struct stream *s, uint64_t ms)
{
	if (!s->timer)
		s->timer = timer_new(s->loop, on_timer, s);
	timer_set(s->timer, ms);
}

void stream_touch(struct stream *s)
{
	if (s->lingering || s->phase == STREAM_HANDSHAKE)
		return;
	if (s->closing)
		stream_arm(s, s->idle_ms && s->idle_ms < CLOSE_MS ? s->idle_ms : CLOSE_MS);
	else if (s->idle_ms && !(s->ended && s->mute))
		stream_arm(s, s->idle_ms);
}

bool stream_wants_read(const struct stream *s)
{
	if (s->lingering)
		return true;
	if (s->closing || s->end_seen)
		return false;
	if (s->phase == STREAM_HANDSHAKE)
		return !s->tls->waiting;
	return !s->paused && !s->choked && buf_len(&s->in) < s->in.max;
}

void stream_schedule(struct stream *s, unsigned work)
{
	s->work |= work;
	if (!s->in_io)
		loop_later(s->loop, &s->later);
}

/* ---- the end ---- */

void stream_see_end(struct stream *s, enum stream_end why)
{
	if (s->end_seen)
		return;
	s->end_seen = true;
	s->why = why;
	s->deaf = true;
	s->mute = why != STREAM_END_CLEAN && why != STREAM_END_IDLE;
}

/* Told behind the input; a paused user gets it when it goes on. */
static void tell_end(struct stream *s)
{
	if (s->ended || s->closing || s->dead)
		return;
	s->ended = true;
	if (s->mute) {
		buf_reset(&s->wire);
		s->blocked = false;
	}
	if (s->timer)
		timer_stop(s->timer);
	if (s->cb->on_closed)
		s->cb->on_closed(s->arg, s, s->why);
}

void stream_fail(struct stream *s, enum stream_end why)
{
	if (s->closing) {
		s->dead = true;
		stream_schedule(s, WORK_END);
		return;
	}
	stream_see_end(s, why);
	s->mute = s->mute || (why != STREAM_END_CLEAN && why != STREAM_END_IDLE);
	stream_schedule(s, WORK_END);
}

void stream_deliver(struct stream *s)
{
	if (buf_len(&s->in) > 0 && !s->paused && s->cb->on_data)
		s->cb->on_data(s->arg, s);
	if (s->dead)
		return;
	buf_give_back(&s->in, loop_scratch(s->loop));
	if (s->end_seen && !s->paused)
		tell_end(s);
}

static void on_timer(void *arg)
{
	struct stream *s = arg;
	bool waits = stream_backlog(s) > 0 || (!s->paused && !s->end_seen);
	enter(s);
	if (s->closing)
		s->dead = true;
	else if (s->phase == STREAM_HANDSHAKE)
		stream_fail(s, STREAM_END_DEADLINE);
	else if (waits)
		stream_fail(s, STREAM_END_IDLE);
	else
		stream_touch(s);
	leave(s);
}

/* ---- reading ---- */

static void read_plain(struct stream *s)
{
	size_t room = s->in.max - buf_len(&s->in), got;
	int err = sock_read(s->fd, &s->in, room < CHUNK ? room : CHUNK, &got);
	if (err == ERR_AGAIN)
		return;
	if (err == ERR_OK)
		stream_touch(s);
	else
		stream_see_end(s, err == ERR_END ? STREAM_END_CLEAN : STREAM_END_RESET);
	stream_deliver(s);
}

static void discard(struct stream *s)
{
	char scratch[16384];
	ssize_t n = recv(s->fd, scratch, sizeof scratch, MSG_DONTWAIT);
	if (n > 0)
		s->lingered += (size_t)n;
	if (n == 0 || s->lingered > LINGER_MAX || (n < 0 && err_of_errno(errno) != ERR_AGAIN))
		s->dead = true;
}

static void readable(struct stream *s)
{
	if (!stream_wants_read(s)) {
		s->deaf = true;
		return;
	}
	if (s->lingering) {
		discard(s);
		return;
	}
	buf_borrow(&s->in, loop_scratch(s->loop));
	if (s->tls)
		stream_tls_step(s);
	else
		read_plain(s);
	buf_give_back(&s->in, loop_scratch(s->loop));
}

/* ---- writing ---- */

size_t stream_backlog(const struct stream *s)
{
	return buf_len(&s->wire) + (s->tls ? buf_len(&s->tls->clear) : 0);
}

bool stream_full(const struct stream *s)
{
	return stream_backlog(s) > s->high;
}

/* One write; true when it took all and more may follow. */
static bool send_once(struct stream *s)
{
	size_t put = 0;
	int err = sock_write(s->fd, buf_view(&s->wire), &put);
	if (err == ERR_OK) {
		buf_consume(&s->wire, put);
		stream_touch(s);
		return buf_len(&s->wire) == 0;
	}
	if (err != ERR_AGAIN) {
		buf_reset(&s->wire);
		stream_fail(s, STREAM_END_RESET);
	}
	return false;
}

static void note_level(struct stream *s)
{
	size_t n = stream_backlog(s);
	if (n > s->high)
		s->choked = true;
	else if (s->choked && n <= s->high / 4)
		stream_schedule(s, WORK_DRAINED);
}

/* close_notify goes out with the last of the output. */
static void encrypt(struct stream *s)
{
	stream_tls_encrypt(s);
	if (s->closing && !s->said_goodbye && buf_len(&s->tls->clear) == 0) {
		s->said_goodbye = true;
		stream_tls_goodbye(s);
	}
}

static void finish_close(struct stream *s)
{
	if (!s->linger) {
		s->dead = true;
		return;
	}
	(void)!shutdown(s->fd, SHUT_WR);
	s->lingering = true;
	stream_arm(s, LINGER_MS);
}

void stream_send(struct stream *s)
{
	if (s->phase == STREAM_CONNECTING || s->dead)
		return;
	/* Who filled the buffer itself and stopped there waits for on_drained, even when the socket takes all of it now. */
	s->choked = s->choked || stream_full(s);
	for (int i = 0; i < ROUNDS; i++) {
		if (s->phase == STREAM_SECURE)
			encrypt(s);
		if (buf_len(&s->wire) == 0 || !send_once(s))
			break;
	}
	bool held = s->phase == STREAM_HANDSHAKE; /* what is clear waits for the handshake, not for the socket */
	s->blocked = !s->mute && (held ? buf_len(&s->wire) : stream_backlog(s)) > 0;
	buf_shrink(&s->wire);
	note_level(s);
	if (s->closing && !s->blocked && !s->lingering)
		finish_close(s);
}

static struct buf *output(struct stream *s)
{
	return s->tls ? &s->tls->clear : &s->wire;
}

struct buf *stream_output(struct stream *s)
{
	stream_schedule(s, WORK_FLUSH);
	return output(s);
}

void stream_write(struct stream *s, struct view v)
{
	if (s->mute || s->closing)
		return;
	buf_addv(output(s), v);
	s->choked = s->choked || stream_full(s);
	stream_schedule(s, WORK_FLUSH);
}

void stream_puts(struct stream *s, const char *text)
{
	stream_write(s, view_of(text));
}

void stream_printf(struct stream *s, const char *fmt, ...)
{
	va_list ap;
	if (s->mute || s->closing)
		return;
	va_start(ap, fmt);
	buf_vprintf(output(s), fmt, ap);
	va_end(ap);
	s->choked = s->choked || stream_full(s);
	stream_schedule(s, WORK_FLUSH);
}

void stream_flush(struct stream *s)
{
	enter(s);
	stream_send(s);
	leave(s);
}

/* ---- the loop calls ---- */

static void flush(struct stream *s)
{
	if (!buf_ok(output(s))) {
		output(s)->over = false;
		stream_fail(s, STREAM_END_OVERFLOW);
	} else {
		stream_send(s);
	}
}

static void drained(struct stream *s)
{
	if (!s->choked || stream_backlog(s) > s->high / 4)
		return;
	s->choked = false;
	if (s->cb->on_drained && !s->ended)
		s->cb->on_drained(s->arg, s);
}

static void do_work(struct stream *s, unsigned work)
{
	if ((work & WORK_STEP) && !s->dead && !s->end_seen && !s->closing)
		stream_tls_step(s);
	if ((work & WORK_DATA) && !s->dead && !s->ended)
		stream_deliver(s);
	if ((work & WORK_DRAINED) && !s->dead)
		drained(s);
	if ((work & WORK_END) && !s->dead)
		tell_end(s);
}

static void flush_if(struct stream *s, unsigned work)
{
	if (!(work & WORK_FLUSH) || s->dead)
		return;
	flush(s);
	s->work &= ~(unsigned)WORK_FLUSH; /* what encryption put on the wire is sent too, or waits for the socket */
}

static void on_turn_end(void *arg)
{
	struct stream *s = arg;
	unsigned work = s->work;
	enter(s);
	s->work = 0;
	do_work(s, work);
	flush_if(s, work | s->work);
	if (!s->work)
		loop_later_cancel(s->loop, &s->later);
	leave(s);
}

static void connected(struct stream *s)
{
	int err = sock_connected(s->fd);
	if (err == ERR_AGAIN)
		return;
	if (err) {
		stream_fail(s, STREAM_END_RESET);
		return;
	}
	s->phase = STREAM_PLAIN;
	stream_touch(s);
	if (s->cb->on_connected)
		s->cb->on_connected(s->arg, s);
	if (!s->dead)
		stream_send(s);
}

/* What was read is answered at once: the connection's memory is still in the cache, and the peer goes on while others are served. */
static void on_io(void *arg, unsigned ready)
{
	struct stream *s = arg;
	enter(s);
	s->in_io = true;
	if (s->phase == STREAM_CONNECTING) {
		connected(s);
	} else {
		if ((ready & IO_WRITE) && s->blocked)
			stream_send(s);
		if ((ready & IO_READ) && !s->dead)
			readable(s);
	}
	s->in_io = false;
	flush_if(s, s->work);
	if (s->work && !s->dead)
		loop_later(s->loop, &s->later);
	leave(s);
}

/* ---- the rest of the contract ---- */

static struct stream *make(struct loop *l, int fd, const struct stream_callbacks *cb, void *arg, enum stream_phase phase)
{
	struct stream *s = mem_new(sizeof *s);
	s->loop = l;
	s->later = (struct later){ .fn = on_turn_end, .arg = s };
	s->cb = cb;
	s->arg = arg;
	s->fd = fd;
	s->phase = phase;
	s->handshake_ms = HANDSHAKE_MS;
	buf_init(&s->in, INPUT_MAX);
	buf_init(&s->wire, OUTPUT_MAX);
	stream_set_output_marks(s, HIGH, OUTPUT_MAX);
	s->io = io_new(l, fd, on_io, s);
	enter(s);
	leave(s);
	return s;
}

struct stream *stream_new(struct loop *l, int fd, const struct stream_callbacks *cb, void *arg)
{
	return make(l, fd, cb, arg, STREAM_PLAIN);
}

struct stream *stream_new_connecting(struct loop *l, int fd, const struct stream_callbacks *cb, void *arg)
{
	return make(l, fd, cb, arg, STREAM_CONNECTING);
}

static void close_with(struct stream *s, bool linger)
{
	if (s->closing || s->dead)
		return;
	if (s->phase == STREAM_CONNECTING || s->mute) {
		stream_free(s);
		return;
	}
	s->cb = &no_callbacks;
	s->linger = !s->end_seen && linger;
	s->closing = true;
	stream_touch(s);
	stream_schedule(s, WORK_FLUSH);
}

/* Input that was not taken means that a plain close would reset the connection, and the last reply with it. */
void stream_close(struct stream *s)
{
	close_with(s, s->paused || buf_len(&s->in) > 0);
}

void stream_close_linger(struct stream *s)
{
	close_with(s, true);
}

void stream_set_arg(struct stream *s, const struct stream_callbacks *cb, void *arg)
{
	s->cb = cb;
	s->arg = arg;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

struct buf *stream_input(struct stream *s)
{
	return &s->in;
}

void stream_set_input_max(struct stream *s, size_t n)
{
	s->in.max = n;
}

void stream_pause(struct stream *s)
{
	s->paused = true;
}

/* TLS may hold octets that no readable socket will tell of. */
void stream_resume(struct stream *s)
{
	enter(s);
	s->paused = false;
	stream_touch(s);
	if (buf_len(&s->in) > 0 || s->end_seen)
		stream_schedule(s, WORK_DATA);
	if (s->phase == STREAM_SECURE && stream_tls_pending(s))
		stream_schedule(s, WORK_STEP);
	leave(s);
}

bool stream_paused(const struct stream *s)
{
	return s->paused;
}

size_t stream_discard_input(struct stream *s)
{
	size_t n = buf_len(&s->in);
	buf_reset(&s->in);
	buf_shrink(&s->in);
	return n;
}

void stream_set_output_marks(struct stream *s, size_t high, size_t max)
{
	s->high = high;
	s->max = max;
	s->wire.max = max + WIRE_EXTRA;
	if (s->tls)
		s->tls->clear.max = max;
}

void stream_set_idle(struct stream *s, uint64_t ms)
{
	s->idle_ms = ms;
	if (ms == 0 && s->timer && !s->closing && s->phase != STREAM_HANDSHAKE)
		timer_stop(s->timer);
	stream_touch(s);
}

void stream_set_handshake_deadline(struct stream *s, uint64_t ms)
{
	s->handshake_ms = ms;
}

bool stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

bool stream_is_secure(const struct stream *s)
{
	return s->phase == STREAM_SECURE;
}

int stream_detach_fd(struct stream *s, int *fd, struct buf *rest)
{
	if (s->tls || s->phase != STREAM_PLAIN)
		return ERR_UNSUPPORTED;
	stream_flush(s);
	if (s->mute)
		return ERR_LOST;
	if (stream_backlog(s) > 0)
		return ERR_AGAIN;
	buf_addv(rest, buf_view(&s->in));
	io_free(s->io);
	s->io = NULL;
	*fd = s->fd;
	s->fd = -1;
	stream_free(s);
	return ERR_OK;
}
