/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "master.h"
#include "sys/clock.h"
#include "sys/file.h"

static const char *const state_names[] = { "down", "starting", "ready", "stopping" };

static bool all_ready(const struct master *m)
{
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].state != CHILD_READY)
			return false;
	return true;
}

static void put_child(struct buf *b, const struct child *c)
{
	buf_printf(b, "{\"name\":\"%s\",\"instance\":%u,\"pid\":%d,\"state\":\"%s\",\"restarts\":%u,\"started\":%lld}", c->row->name,
		c->instance, (int)c->pid, state_names[c->state], c->restarts,
		(long long)(clock_wall(NULL) - (int64_t)((loop_now(c->m->loop) - c->started) / 1000)));
}

void status_write(void *arg)
{
	struct master *m = arg;
	struct buf b;
	bool ready = all_ready(m);
	buf_init(&b, 1 << 20);
	buf_printf(&b, "{\"pid\":%d,\"state\":\"%s\",\"reloads\":%u,\"error\":", (int)getpid(),
		m->phase > 0 ? "stopping" : ready ? "running" : "starting", m->reloads);
	buf_addjson(&b, view_of(m->error));
	buf_adds(&b, ",\"config\":");
	buf_addjson(&b, view_of(m->file));
	buf_adds(&b, ",\"processes\":[");
	for (size_t i = 0; i < m->nchildren; i++) {
		buf_adds(&b, i > 0 ? ",\n" : "\n");
		put_child(&b, &m->children[i]);
	}
	buf_adds(&b, "\n]}\n");
	if (file_replace(m->run_dir, "status", buf_view(&b), 0644) != ERR_OK)
		log_warn("status_not_written");
	buf_fini(&b);
	if (ready && !m->announced && m->phase == 0) {
		m->announced = true;
		log_info("ready", LU("processes", m->nchildren));
		notify_tell(m, "READY=1\nSTATUS=all processes are ready\n");
	}
}

void status_changed(struct master *m)
{
	loop_later(m->loop, &m->status);
}
