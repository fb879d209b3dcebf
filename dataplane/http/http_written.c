// SPDX-License-Identifier: Apache-2.0
// Heads of responses written ahead, for whoever sends one again and again; see http.h.
#include "h1_write.h"
#include "h2_priv.h"

size_t http_write_ahead(const struct http_message *m, void *memory, size_t room)
{
	struct http_written *written = memory;
	size_t most =
		sizeof(*written) + h1_lines_max(m) + h2_literals_max(m->fields, m->field_count);
	CHECK(m->content_length != HTTP_LENGTH_NONE && m->status >= 200);
	if (most > room)
		return 0;
	uint8_t *lines = (uint8_t *)(written + 1);
	uint8_t *literals = h1_write_lines(lines, m);
	uint8_t *end = h2_write_literals(literals, m->fields, m->field_count);
	end = h2_write_length(end, m->content_length);
	*written = (struct http_written){
		.lines = slice_of(lines, (size_t)(literals - lines)),
		.literals = slice_of(literals, (size_t)(end - literals)),
		.content_length = m->content_length,
		.field_count = m->field_count,
	};
	return (size_t)(end - (uint8_t *)memory);
}
