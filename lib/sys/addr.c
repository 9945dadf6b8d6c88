/* SPDX-License-Identifier: ISC */
#include "sys/sock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

int sock_addr_parse(struct view ip, uint16_t port, struct sock_addr *out)
{
	struct sock_addr a = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.ss;
	char text[INET6_ADDRSTRLEN];
	bool bracketed = ip.n >= 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']';

	if (bracketed)
		ip = view_make(ip.p + 1, ip.n - 2);
	/* inet_pton stops at a NUL and would not see what follows. */
	if (ip.n == 0 || ip.n >= sizeof text || view_find(ip, '\0') != SIZE_MAX)
		return ERR_INVALID;
	memcpy(text, ip.p, ip.n);
	text[ip.n] = '\0';
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		a.len = sizeof *v4;
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		a.len = sizeof *v6;
	} else {
		return ERR_INVALID;
	}
	*out = a;
	return ERR_OK;
}

/* The octets of the address, 4 or 16; an IPv4-mapped one counts as IPv4. None for other families: 0. */
static size_t octets_of(const struct sock_addr *a, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (a->ss.ss_family == AF_INET) {
		memcpy(&v4, &a->ss, sizeof v4);
		memcpy(out, &v4.sin_addr, 4);
		return 4;
	}
	if (a->ss.ss_family != AF_INET6)
		return 0;
	memcpy(&v6, &a->ss, sizeof v6);
	memcpy(out, &v6.sin6_addr, 16);
	if (memcmp(out, mapped, sizeof mapped) != 0)
		return 16;
	memmove(out, out + 12, 4);
	return 4;
}

int sock_addr_with_port(struct view text, struct sock_addr *out)
{
	size_t colon = view_rfind(text, ':');
	uint32_t port;
	if (colon == SIZE_MAX || !num_u32(view_skip(text, colon + 1), 65535, &port))
		return ERR_INVALID;
	return sock_addr_parse(view_head(text, colon), (uint16_t)port, out);
}

void sock_addr_text(const struct sock_addr *a, char out[64])
{
	uint8_t octets[16];
	size_t n = octets_of(a, octets);

	if (n == 0 || !inet_ntop(n == 4 ? AF_INET : AF_INET6, octets, out, 64))
		snprintf(out, 64, "%s", a->ss.ss_family == AF_UNIX ? "local" : "unknown");
}

uint16_t sock_addr_port(const struct sock_addr *a)
{
	if (a->ss.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->ss)->sin_port);
	if (a->ss.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->ss)->sin6_port);
	return 0;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(a, b, bits / 8) == 0 && (bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0);
}

bool sock_addr_in(const struct sock_addr *a, struct view network)
{
	struct view base, width = network;
	struct sock_addr net;
	uint8_t wanted[16], is[16];
	uint32_t bits;

	if (!view_cut(&width, '/', &base) || sock_addr_parse(base, 0, &net))
		return false;
	size_t n = octets_of(&net, wanted);
	uint32_t full = net.ss.ss_family == AF_INET ? 32 : 128;
	bits = full;
	if (width.p && !num_u32(width, full, &bits))
		return false;
	/* "::ffff:192.0.2.0/120" is 192.0.2.0/24; a wider one spans more than IPv4 and is nothing that a site could mean. */
	if (n == 4 && full == 128) {
		if (bits < 96)
			return false;
		bits -= 96;
	}
	return octets_of(a, is) == n && same_bits(is, wanted, bits);
}
