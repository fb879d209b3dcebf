// SPDX-License-Identifier: Apache-2.0
// What differs between the roles, and which status answers which reason.
#include "exchange.h"
#include "proxy_role.h"

#include "check.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static void only_an_edge_caches_and_asks(void)
{
	for (enum proxy_role r = 0; r < PROXY_ROLE_COUNT; r++) {
		const struct role *role = role_of(r);
		CU_ASSERT_EQUAL(role->role, r);
		CU_ASSERT_EQUAL(role->is_caching, r == PROXY_EDGE);
		CU_ASSERT_EQUAL(role->is_looking_up, r == PROXY_EDGE);
		CU_ASSERT_EQUAL(role->is_first, r == PROXY_EDGE);
	}
}

static void each_role_is_called_by_the_one_before(void)
{
	CU_ASSERT_EQUAL(role_of(PROXY_EDGE)->accepts, 0);
	CU_ASSERT_EQUAL(role_of(PROXY_GATEWAY)->accepts, TLS_PEER_EDGE | TLS_PEER_GATEWAY);
	CU_ASSERT_EQUAL(role_of(PROXY_SIDECAR)->accepts, TLS_PEER_GATEWAY | TLS_PEER_SERVICE);
}

// The text of a reason that answers begins with its status: both must say the same.
static void reasons_answer_with_the_status_of_their_text(void)
{
	unsigned answering = 0;
	for (enum counter c = 0; c < COUNTER_COUNT; c++) {
		const char *text = counter_info[c].text;
		if (strcmp(counter_info[c].module, "exchange") != 0 ||
		    strncmp(text, "answered ", 9) != 0)
			continue;
		answering++;
		if (exchange_status_of(c) != atoi(text + 9))
			printf("# exchange_%s: %u\n", counter_info[c].name, exchange_status_of(c));
		CU_ASSERT_EQUAL(exchange_status_of(c), atoi(text + 9));
	}
	CU_ASSERT(answering >= 16);
}

static void states_have_texts(void)
{
	for (enum exchange_state s = 0; s < EXCHANGE_STATE_COUNT; s++)
		CU_ASSERT(strlen(exchange_state_text(s)) > 3);
	CU_ASSERT_STRING_EQUAL(exchange_state_text(EXCHANGE_STATE_COUNT), "?");
}

UNIT_MAIN("proxy_role", {"only an edge caches and asks control", only_an_edge_caches_and_asks},
	  {"each role is called by the one before it", each_role_is_called_by_the_one_before},
	  {"a reason answers with the status that its text says",
	   reasons_answer_with_the_status_of_their_text},
	  {"every state has a text", states_have_texts})
