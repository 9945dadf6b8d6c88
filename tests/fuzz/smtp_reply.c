/* SPDX-License-Identifier: ISC */
/* A session with a hostile next host: whatever it says, each recipient has an outcome in the end and no body goes out without 354. */
#include <stdlib.h>
#include <string.h>

#include "smtp-client/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum session_event step(struct session *s, struct mail *m, enum session_event e, bool *mailed, struct buf *out)
{
	if (e == SESSION_STARTTLS)
		return session_secure(s, out);
	if (e == SESSION_BODY) {
		while (session_body(s, out))
			;
		return SESSION_MORE;
	}
	if (e == SESSION_IDLE && !*mailed) {
		*mailed = true;
		return session_mail(s, m, out);
	}
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *s = calloc(1, sizeof *s);
	struct mail_rcpt rcpts[2] = { { .address = VIEW("a@b.example"), .outcome = MAIL_OPEN }, { .address = VIEW("c@d.example"), .outcome = MAIL_OPEN } };
	struct mail m = { .sender = VIEW("x@y.example"), .headers = VIEW("H: h\r\n"), .content = VIEW("\r\n.b\r\n"), .rcpts = rcpts, .n = 2 };
	struct buf in, out;
	bool mailed = false;
	enum session_event e;
	if (!s)
		abort();
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	session_init(s, VIEW("me.example"), true);
	buf_add(&in, data, size);
	for (size_t left = SIZE_MAX; buf_len(&in) && buf_len(&in) < left;) {
		left = buf_len(&in);
		bool was = mailed;
		e = step(s, &m, session_feed(s, &in, &out), &mailed, &out);
		if (e == SESSION_FAILED || (was && e == SESSION_IDLE))
			break;
	}
	if (memmem(buf_view(&out).p ? buf_view(&out).p : "", buf_len(&out), "..b", 3) && !memmem(data, size, "354", 3))
		abort();
	session_lost(s, "4.4.2", "lost");
	if (mailed && (rcpts[0].outcome == MAIL_OPEN || rcpts[1].outcome == MAIL_OPEN))
		abort();
	buf_fini(&in);
	buf_fini(&out);
	free(s);
	return 0;
}
