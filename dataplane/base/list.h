// SPDX-License-Identifier: Apache-2.0
// Intrusive doubly linked list. The head is a node of its own; an unlinked node points at itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *previous;
};

// list_init makes an empty list, or an unlinked node.
static inline void list_init(struct list *node)
{
	node->next = node->previous = node;
}

// list_is_empty is true for an empty head and for an unlinked node.
static inline bool list_is_empty(const struct list *node)
{
	return node->next == node;
}

// list_append links an unlinked node at the end of head.
static inline void list_append(struct list *head, struct list *node)
{
	node->previous = head->previous;
	node->next = head;
	head->previous->next = node;
	head->previous = node;
}

// list_prepend links an unlinked node at the front of head.
static inline void list_prepend(struct list *head, struct list *node)
{
	list_append(head->next, node);
}

// list_remove unlinks node; harmless on an unlinked one.
static inline void list_remove(struct list *node)
{
	node->next->previous = node->previous;
	node->previous->next = node->next;
	list_init(node);
}

// list_pop unlinks and returns the first node, or NULL when the list is empty.
static inline struct list *list_pop(struct list *head)
{
	struct list *first = head->next;
	if (first == head)
		return NULL;
	list_remove(first);
	return first;
}

#define list_for_each(node, head) for (node = (head)->next; node != (head); node = node->next)
#define list_for_each_safe(node, after, head)                                                      \
	for (node = (head)->next, after = node->next; node != (head);                              \
	     node = after, after = node->next)
