// SPDX-License-Identifier: Apache-2.0
// Any bytes as a record and as an event: what passes the check can be used as it is.
#include "check.h"
#include "event.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

// use reads what a module would read of a good record.
static size_t use(const struct record_header *header, const void *payload)
{
	struct record record = {header->type, header->sequence, header->bytes, payload};
	size_t tail_bytes, sum = 0;
	const uint8_t *tail = record_tail(&record, &tail_bytes);
	CHECK((const uint8_t *)payload + header->bytes == tail + tail_bytes);
	for (size_t i = 0; i < tail_bytes; i++)
		sum += tail[i];
	if (header->type == RECORD_ROUTE)
		sum += strlen(((const struct record_route *)payload)->host) +
		       strlen(((const struct record_route *)payload)->path);
	if (header->type == RECORD_ENDPOINT)
		sum += strlen(((const struct record_endpoint *)payload)->peer);
	if (header->type == RECORD_IDENTITY)
		CHECK(((const struct record_identity *)payload)->chain_bytes < tail_bytes);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct record_header header;
	if (bytes < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	// The ring guarantees the length; the checks the rest. Memory of just that size shows
	// overreads.
	header.bytes = (uint32_t)(bytes - sizeof(header));
	void *payload = malloc(header.bytes + 1);
	CHECK(payload);
	memcpy(payload, data + sizeof(header), header.bytes);
	volatile size_t sum = 0;
	if (!record_check(&header, payload))
		sum = use(&header, payload);
	if (!event_check(&header, payload) && header.type == EVENT_LOOKUP)
		sum = strlen(((const struct event_lookup *)payload)->host);
	(void)sum;
	free(payload);
	return 0;
}
