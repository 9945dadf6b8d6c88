/* SPDX-License-Identifier: ISC */
/*
 * How much of a next hop one destination may take. A destination has a window: it begins small, grows with each message that the next hop answered,
 * and is halved where it stopped answering; the next hop has one likewise, for whether it is there at all. And of the connections that a next
 * hop may have, a destination uses no more than it leaves free, so that one that hangs always leaves room for another's. Pure.
 */
#ifndef POSTRIDER_QMGR_WINDOWS_H
#define POSTRIDER_QMGR_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/values.h"

#define WINDOW_HOP 10u     /* with which a next hop begins */
#define WINDOW_LEAST 4u    /* that it keeps: what hangs there is found out by the first of them */
#define WINDOW_DEST 5u     /* with which a destination begins */
#define WINDOWS_KEPT 10000 /* destinations of which it is remembered that they stopped answering, while nothing is out to them */

struct windows;
struct windows *windows_new(void);
void windows_free(struct windows *w);
/* May another be begun to this destination? most: so many may be out to the next hop at once, 1 and more. */
bool windows_go(const struct windows *w, unsigned most, uint32_t dest);
/* The same for any that has nothing out. */
bool windows_any(const struct windows *w, unsigned most);
/* One is out. */
void windows_out(struct windows *w, uint32_t dest);
/* It is over, and this was heard of the next hop meanwhile. most: as above; no window grows beyond it. */
void windows_in(struct windows *w, unsigned most, uint32_t dest, enum ipc_heard heard);
unsigned windows_count(const struct windows *w); /* that are out */
size_t windows_known(const struct windows *w);   /* destinations of which anything is known */

#endif
