/* SPDX-License-Identifier: ISC */
/* Which next hop a domain's mail goes to: relay_routes, and for all others relay_host. Next hops have numbers; 0 is relay_host, which may change. Pure. */
#ifndef POSTRIDER_QMGR_ROUTES_H
#define POSTRIDER_QMGR_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

struct routes;
/* As relay_routes says now. What is no route is passed over: it was refused when the configuration was read. */
struct routes *routes_new(const struct conf *c);
void routes_free(struct routes *r);
unsigned routes_hops(const struct routes *r); /* 1 and more */
/* The number of the address' next hop. */
unsigned routes_hop(const struct routes *r, struct view address);
/* May a domain with this destination's number (state_remote) have a route? */
bool routes_may_have(const struct routes *r, uint32_t dest);
/* The next hop, address and port; empty where relay_host, as c has it, is. */
struct view routes_host(const struct routes *r, const struct conf *c, unsigned hop);

#endif
