// SPDX-License-Identifier: Apache-2.0
// Session ticket keys (RFC 5077 4): made by the CA role, plain in the registry's file (mode 0600),
// three kept so that a ticket outlives one rotation.
#include "authority_priv.h"

#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct ticket_keys {
	char keys[16][24];
	size_t count;
	uint64_t newest_id;
	uint64_t newest_s;
};

static void note_ticket_key(void *user, const struct store_row *row)
{
	struct ticket_keys *tickets = user;
	struct row_ticket_key key;
	if (row_decode(STORE_ticket_key, row->value, &key) || tickets->count == 16)
		return;
	row_copy_text(tickets->keys[tickets->count++], sizeof(tickets->keys[0]), row->key);
	tickets->newest_id = key.id;
	tickets->newest_s = key.made_s;
	explicit_bzero(&key, sizeof(key));
}

void authority_forget_tickets(struct authority *authority)
{
	struct ticket_keys tickets = {0};
	store_list(authority->options.registry, STORE_ticket_key, note_ticket_key, &tickets, NULL);
	for (size_t i = 0; i < tickets.count; i++)
		store_remove(authority->options.registry, STORE_ticket_key, tickets.keys[i]);
}

void authority_rotate_tickets(struct authority *authority, uint64_t now_s)
{
	struct store *registry = authority->options.registry;
	struct ticket_keys tickets = {0};
	struct row_ticket_key fresh = {.made_s = now_s};
	char key[24];
	if (store_list(registry, STORE_ticket_key, note_ticket_key, &tickets, NULL) != STORE_OK)
		return;
	if (tickets.count && now_s < tickets.newest_s + AUTHORITY_TICKET_PERIOD_S)
		return;
	// The time keeps ids growing when all earlier keys were forgotten.
	fresh.id = tickets.newest_id < now_s ? now_s : tickets.newest_id + 1;
	snprintf(key, sizeof(key), "%020" PRIu64, fresh.id);
	if (pki_random_hex(fresh.name, 16) && pki_random_hex(fresh.aes_key, 32) &&
	    pki_random_hex(fresh.mac_key, 32) &&
	    store_put(registry, STORE_ticket_key, key, &fresh, STORE_NONE) == STORE_OK)
		log_info("ticket key %" PRIu64 " made", fresh.id);
	for (size_t i = 0; i + AUTHORITY_TICKET_KEY_COUNT <= tickets.count; i++)
		store_remove(registry, STORE_ticket_key, tickets.keys[i]);
	explicit_bzero(&fresh, sizeof(fresh));
}
