/* SPDX-License-Identifier: ISC */
/* Notifications to senders: which are due (RFC 3461), and the message that tells them (RFC 3464). */
#include <stdlib.h>

#include "base/mem.h"
#include "proto/dsn.h"
#include "proto/header.h"
#include "qmgr/qmgr.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { FULL_MAX = 100 << 10, HEADER_MAX = 64 << 10, FLAG_8BIT = 1, FLAG_UTF8 = 2, FLAG_BINARY = 4, FLAG_FULL = 8 };

/* What the fate is to the sender; false: nothing that could be told. */
static bool action_of(const struct fate *f, bool local, enum dsn_action *action)
{
	if (f->outcome == IPC_NEVER)
		*action = DSN_FAILED;
	else if (f->outcome == IPC_LATER)
		*action = DSN_DELAYED;
	else if (f->noted)
		return false;
	else
		*action = local ? DSN_DELIVERED : DSN_RELAYED;
	return true;
}

static bool told(const struct fate *f, bool local, bool warns, enum dsn_action *action)
{
	return action_of(f, local, action) && dsn_wanted(f->notify, *action) && (*action != DSN_DELAYED || warns);
}

/* An alias of several addresses is told as expanded when that one of them is settled that has it (RFC 3461 5.2.7.3). */
static bool tells_expanded(const struct fate *f)
{
	return f->outcome != IPC_LATER && dsn_wanted(f->notify, DSN_EXPANDED);
}

/* A delay is told once, when the message has waited for a while. */
static bool warn_now(struct qmgr *q, const struct message *m)
{
	uint64_t warn = conf_num(q->d->conf, PARAM_QUEUE_WARN);
	return warn != 0 && !(m->flags & MSG_WARNED) && qmgr_now() >= m->arrived + warn;
}

bool notice_due(struct qmgr *q, const struct message *m, const struct spool_message *sm, const struct fate *fates, size_t n, bool *warns)
{
	bool warn = warn_now(q, m), due = false;
	enum dsn_action a;
	*warns = false;
	if (sm->sender.n == 0) /* RFC 5321 6.1: the null sender is told nothing */
		return false;
	for (size_t i = 0; i < n; i++) {
		due = due || tells_expanded(&fates[i]);
		/* Whether delivered or relayed is all the same here. */
		if (!told(&fates[i], true, warn, &a))
			continue;
		due = true;
		*warns = *warns || a == DSN_DELAYED;
	}
	return due;
}

static bool recipient_at(const struct spool_message *sm, uint32_t index, struct view *rest, uint32_t *at, struct spool_recipient *r)
{
	while (spool_recipient_next(rest, r))
		if ((*at)++ == index)
			return true;
	(void)sm;
	return false;
}

/* Mail for this address was sent on to another, which is nobody else's business (RFC 3461 5.2.7.4). */
static bool sent_on(const struct spool_recipient *r)
{
	return r->original.n && r->address.n && !view_ieq(r->original, r->address);
}

/* RFC 3464 2.3.2: the address as it came in the envelope. RFC 3464 4.2 (c): another host's name and words may show where it leads. */
static struct dsn_recipient about(const struct spool_recipient *r, const struct fate *f, enum dsn_action a)
{
	bool silent = sent_on(r) && r->kind != 1;
	return (struct dsn_recipient){
		.action = a,
		.address = r->original.n ? r->original : r->address,
		.orcpt = r->orcpt,
		.status = f->status,
		.remote = silent ? VIEW_NONE : f->remote,
		.text = silent ? VIEW("mail for this address is sent on to another host, where this became of it") : f->text,
	};
}

/* All that an address leads to has one fate, to the sender, where it is the same. */
static bool said(const struct dsn_recipient *out, size_t k, const struct dsn_recipient *r)
{
	for (size_t i = 0; i < k; i++)
		if (out[i].action == r->action && view_eq(out[i].address, r->address) && view_eq(out[i].orcpt, r->orcpt))
			return true;
	return false;
}

static struct dsn_recipient expanded(const struct spool_recipient *r)
{
	return (struct dsn_recipient){
		.action = DSN_EXPANDED,
		.address = r->original,
		.orcpt = r->orcpt,
		.text = VIEW("sent on to all for whom this address stands"),
	};
}

/* At most two for each fate. */
static size_t gather(const struct spool_message *sm, const struct fate *fates, size_t n, bool warns, struct dsn_recipient *out)
{
	struct view rest = sm->rcpts.bytes;
	struct spool_recipient r;
	uint32_t at = 0;
	size_t k = 0;
	for (size_t i = 0; i < n && recipient_at(sm, fates[i].index, &rest, &at, &r); i++) {
		enum dsn_action a;
		if (tells_expanded(&fates[i]))
			out[k++] = expanded(&r);
		if (!told(&fates[i], r.kind == 1, warns, &a))
			continue;
		out[k] = about(&r, &fates[i], a);
		if (!sent_on(&r) || !said(out, k, &out[k]))
			k++;
	}
	return k;
}

/* Lines as they may stand in mail: a content that came as octets (BINARYMIME) may hold what no line holds. */
static void add_lines(struct buf *b, struct view v)
{
	for (size_t at = 0; at < v.n;) {
		struct view line = header_line(v, at), text = header_chomp(line);
		for (size_t i = 0; i < text.n; i++)
			buf_addc(b, text.p[i] == '\r' || text.p[i] == '\0' ? '?' : text.p[i]);
		buf_adds(b, "\r\n");
		at += line.n;
	}
}

/* What goes back of the message: all of it where a recipient failed, the sender asked for that and it is not too long, else its
 * header (RFC 3461 6.2). */
static bool add_original(struct qmgr *q, const struct spool_message *sm, bool failed, struct buf *b)
{
	struct buf m;
	bool full = failed && (sm->flags & FLAG_FULL) && !(sm->flags & FLAG_BINARY) && sm->size <= FULL_MAX;
	size_t want = full ? FULL_MAX : HEADER_MAX;
	buf_init(&m, want + sm->headers.n);
	buf_addv(&m, sm->headers);
	if (!sm->content_file) {
		buf_addv(&m, view_head(sm->content, want));
	} else {
		int fd = -1;
		size_t n = sm->size - sm->headers.n < want ? (size_t)(sm->size - sm->headers.n) : want;
		char *p = buf_room(&m, n);
		if (p && content_read(q->contents, sm->content_file, &fd) == ERR_OK && file_pread(fd, p, n, 0) == ERR_OK)
			buf_commit(&m, n);
		fd_close(&fd);
	}
	struct view v = buf_view(&m);
	if (!full) {
		v = view_head(v, header_size(v));
		if (view_ends(v, VIEW("\r\n\r\n")))
			v.n -= 2;
	}
	add_lines(b, view_head(v, full ? SIZE_MAX : HEADER_MAX));
	buf_fini(&m);
	return full;
}

static bool any_utf8(const struct spool_message *sm)
{
	return (sm->flags & FLAG_UTF8) != 0;
}

static void write_text(struct qmgr *q, const struct message *m, const struct spool_message *sm, const struct dsn_recipient *r, size_t n, struct buf *out)
{
	char id[QUEUE_ID_MAX];
	uint8_t random[16];
	struct buf token, original;
	random_bytes(random, sizeof random);
	buf_init(&token, 64);
	buf_addhex(&token, random, sizeof random);
	buf_init(&original, 1 << 20);
	qmgr_name(q, m->number, id);
	struct dsn d = {
		.host = conf_text(q->d->conf, PARAM_HOSTNAME),
		.sender = sm->sender,
		.queue_id = view_of(id),
		.envid = sm->envid,
		.token = buf_view(&token),
		.arrived = m->arrived,
		.now = qmgr_now(),
		.until = m->arrived + conf_num(q->d->conf, PARAM_QUEUE_LIFETIME),
		.utf8 = any_utf8(sm),
	};
	bool failed = false;
	for (size_t i = 0; i < n; i++)
		failed = failed || r[i].action == DSN_FAILED;
	d.full = add_original(q, sm, failed, &original);
	d.original = buf_view(&original);
	dsn_put(out, &d, r, n);
	buf_fini(&original);
	buf_fini(&token);
}

/* The notification's own envelope: the null sender, to wherever lookup says that the sender is; never notified of itself. */
static int put_targets(const struct ipc_route *route, const struct spool_message *sm, struct buf *b, uint32_t *n)
{
	struct view rest = route->targets.bytes;
	struct ipc_target t;
	for (*n = 0; ipc_target_next(&rest, &t); ++*n) {
		struct spool_recipient r = { .kind = t.kind, .notify = DSN_NEVER, .uid = t.uid, .address = t.address, .original = sm->sender };
		if (spool_recipient_put(b, &r) != ERR_OK)
			return ERR_TOO_BIG;
	}
	return *n ? ERR_OK : ERR_NOT_FOUND;
}

int notice_write(struct qmgr *q, const struct message *m, const struct spool_message *sm, const struct fate *fates, size_t n,
	const struct ipc_route *route, struct buf *out)
{
	struct dsn_recipient *r = mem_array(2 * n, sizeof *r);
	struct buf text, rcpts;
	uint32_t count;
	buf_init(&text, 16u << 20);
	buf_init(&rcpts, 1u << 20);
	size_t k = gather(sm, fates, n, warn_now(q, m), r);
	int err = k ? put_targets(route, sm, &rcpts, &count) : ERR_NOT_FOUND;
	if (err == ERR_OK) {
		write_text(q, m, sm, r, k, &text);
		struct spool_message notice = {
			.arrived = qmgr_now(),
			.flags = FLAG_8BIT | (any_utf8(sm) ? FLAG_UTF8 : 0),
			.class = CLASS_OWN,
			.tenant = state_tenant(VIEW_NONE, VIEW_NONE),
			.session = sm->session,
			.size = buf_len(&text),
			.rcpts = { buf_view(&rcpts), count },
			.content = buf_view(&text),
		};
		err = buf_ok(&text) ? spool_message_put(out, &notice) : ERR_TOO_BIG;
	}
	buf_fini(&rcpts);
	buf_fini(&text);
	free(r);
	return err;
}
