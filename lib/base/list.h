/* SPDX-License-Identifier: ISC */
/* An intrusive doubly linked list: a node inside the thing that is listed, a head that is a node too. */
#ifndef POSTRIDER_BASE_LIST_H
#define POSTRIDER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* The thing of type T whose member m is the node n. */
#define LIST_OF(n, T, m) ((T *)(void *)((char *)(n) - offsetof(T, m)))
/* Walks it; the current node may be removed. */
#define LIST_EACH(it, tmp, head) \
	for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_insert(struct list *after, struct list *n)
{
	n->prev = after;
	n->next = after->next;
	after->next->prev = n;
	after->next = n;
}
static inline void list_push(struct list *head, struct list *n) { list_insert(head, n); }        /* first */
static inline void list_append(struct list *head, struct list *n) { list_insert(head->prev, n); } /* last */
/* Takes it out; the node is left listed nowhere, so that a second removal is harmless. */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = n;
}
static inline struct list *list_first(const struct list *l) { return l->next == l ? NULL : l->next; }

#endif
