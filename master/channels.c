/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
#include "master.h"
#include "sys/sock.h"

static bool joined(enum ipc_role a, enum ipc_role b)
{
	for (size_t i = 0; i < process_channel_count; i++) {
		const struct process_channel *p = &process_channels[i];
		if ((p->from == a && p->to == b) || (p->from == b && p->to == a))
			return true;
	}
	return false;
}

static void give(struct child *to, const struct child *peer, int fd)
{
	struct ipc_peer_link msg = { .role = (uint8_t)peer->row->role, .instance = (uint8_t)peer->instance };
	child_tell(to, IPC_PEER_LINK, &msg, &fd, 1);
}

void channels_connect(struct child *c)
{
	struct master *m = c->m;
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child *p = &m->children[i];
		int fds[2];
		if (p == c || p->link < 0 || !joined(c->row->role, p->row->role))
			continue;
		if (sock_pair(SOCK_STREAM, fds) != ERR_OK) {
			log_error("no_channel", LS("from", c->row->name), LS("to", p->row->name));
			continue;
		}
		give(c, p, fds[0]);
		give(p, c, fds[1]);
		close(fds[0]);
		close(fds[1]);
	}
}

void channels_hello(const struct child *c, struct buf *peers, uint32_t *npeers, struct buf *seals, uint32_t *nseals)
{
	const struct master *m = c->m;
	for (size_t i = 0; i < m->nchildren; i++) {
		const struct child *p = &m->children[i];
		if (p->instance != 0 || !joined(c->row->role, p->row->role))
			continue;
		unsigned count = 0;
		for (size_t k = 0; k < m->nchildren; k++)
			count += m->children[k].row == p->row;
		struct ipc_peers e = { .role = (uint8_t)p->row->role, .count = (uint8_t)count };
		*npeers += ipc_peers_put(peers, &e) == ERR_OK;
	}
	for (size_t i = 0; i < process_seal_count; i++) {
		const struct process_seal *s = &process_seals[i];
		if (s->issuer != c->row->role && s->consumer != c->row->role)
			continue;
		struct ipc_seal e = { .issuer = (uint8_t)s->issuer, .consumer = (uint8_t)s->consumer,
			.key = view_make(&m->seals[i], sizeof m->seals[i]) };
		*nseals += ipc_seal_put(seals, &e) == ERR_OK;
	}
}
