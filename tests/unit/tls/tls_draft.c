// SPDX-License-Identifier: Apache-2.0
// See tls_draft.h.
#include "tls_draft.h"
#include "tls_priv.h"
#include "unit.h"

const struct draft draft_good = {
	.version = "0303",
	.session_id = "04a1a2a3a4",
	.suites = "1a1a13021301c02b",
	.compression = "00",
	.tail = "",
	.extensions = {{"2a2a", ""},
		       {"0000", "0009000006612e74657374"},
		       {"0017", ""},
		       {"ff01", "00"},
		       {"000a", "00061a1a001d0017"},
		       {"000b", "0100"},
		       {"0023", ""},
		       {"0010", "000c02683208687474702f312e31"},
		       {"0005", "0100000000"},
		       {"000d", "0006040308040401"},
		       {"0033", "0029" GREASE X25519_SHARE},
		       {"002d", "0101"},
		       {"002b", "061a1a03040303"}},
};

struct draft draft_with(const struct draft *base, const char *type, const char *body)
{
	struct draft draft = *base;
	unsigned i = 0;
	while (type && draft.extensions[i].type && strcmp(draft.extensions[i].type, type) != 0)
		i++;
	if (type)
		draft.extensions[i] = (struct draft_extension){type, body};
	return draft;
}

void draft_put_hex(struct bytes_writer *w, const char *hex)
{
	unsigned byte;
	for (; hex[0]; hex += 2) {
		sscanf(hex, "%2x", &byte);
		bytes_put_u8(w, (uint8_t)byte);
	}
}

static void put_u16_vector(struct bytes_writer *w, const char *hex)
{
	bytes_put_u16(w, (uint16_t)(strlen(hex) / 2));
	draft_put_hex(w, hex);
}

static void write_message(struct bytes_writer *w, const struct draft *draft)
{
	draft_put_hex(w, draft->version);
	for (unsigned i = 0; i < 32; i++)
		bytes_put_u8(w, (uint8_t)(0x80 + i));
	draft_put_hex(w, draft->session_id);
	put_u16_vector(w, draft->suites);
	bytes_put_u8(w, (uint8_t)(strlen(draft->compression) / 2));
	draft_put_hex(w, draft->compression);
	uint8_t *extensions_at = w->at;
	bytes_put_u16(w, 0);
	for (unsigned i = 0; i < 24; i++)
		if (draft->extensions[i].body) {
			draft_put_hex(w, draft->extensions[i].type);
			put_u16_vector(w, draft->extensions[i].body);
		}
	size_t bytes = (size_t)(w->at - extensions_at) - 2;
	extensions_at[0] = (uint8_t)(bytes >> 8);
	extensions_at[1] = (uint8_t)bytes;
	draft_put_hex(w, draft->tail);
}

// frame puts message into records of at most most bytes.
void draft_frame(struct draft_wire *out, const uint8_t *message, size_t bytes, size_t most)
{
	struct bytes_writer w = bytes_write_to(out->wire, sizeof(out->wire));
	for (size_t at = 0; at < bytes; at += most) {
		size_t run = MIN(most, bytes - at);
		bytes_put_u8(&w, TLS_CONTENT_HANDSHAKE);
		bytes_put_u16(&w, at ? 0x0303 : 0x0301);
		bytes_put_u16(&w, (uint16_t)run);
		bytes_put(&w, message + at, run);
	}
	CU_ASSERT_FATAL(w.ok);
	out->bytes = w.written;
}

void draft_write(struct draft_wire *out, const struct draft *draft, size_t most)
{
	uint8_t message[DRAFT_WIRE_MAX] = {1};
	struct bytes_writer w = bytes_write_to(message + 4, sizeof(message) - 4);
	write_message(&w, draft);
	CU_ASSERT_FATAL(w.ok);
	message[2] = (uint8_t)(w.written >> 8);
	message[3] = (uint8_t)w.written;
	draft_frame(out, message, w.written + 4, most);
}
