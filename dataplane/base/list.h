/* SPDX-License-Identifier: Apache-2.0
 * list - intrusive doubly linked list with a head; a node is on at most one list.
 * Owner: the list head's owner.  Invariant: an unlinked node points to itself.  Cost: O(1). */
#ifndef DATAPLANE_BASE_LIST_H
#define DATAPLANE_BASE_LIST_H

#include "dataplane/base/compiler.h"

struct list_node {
	struct list_node *next, *prev;
};

static inline void list_init(struct list_node *n)
{
	n->next = n->prev = n;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

/* Insert n before pos; pos == head appends to the tail. */
static inline void list_insert_before(struct list_node *pos, struct list_node *n)
{
	n->prev = pos->prev;
	n->next = pos;
	pos->prev->next = n;
	pos->prev = n;
}

static inline void list_append(struct list_node *head, struct list_node *n)
{
	list_insert_before(head, n);
}

/* Unlink n; a no-op on a node that is on no list. */
static inline void list_remove(struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Move all nodes of src to the tail of dst; src is empty afterwards. */
static inline void list_splice(struct list_node *dst, struct list_node *src)
{
	if (list_empty(src))
		return;
	src->next->prev = dst->prev;
	src->prev->next = dst;
	dst->prev->next = src->next;
	dst->prev = src->prev;
	list_init(src);
}

#define list_for_each(n, head) for ((n) = (head)->next; (n) != (head); (n) = (n)->next)
#define list_for_each_safe(n, tmp, head) \
	for ((n) = (head)->next, (tmp) = (n)->next; (n) != (head); (n) = (tmp), (tmp) = (n)->next)

#endif
