// SPDX-License-Identifier: Apache-2.0
// One end of a transfer; see transfer.h. Byte n of a direction is byte n % PERIOD of a table
// without a shorter period, so that no byte lost, doubled or moved can hide.
#include "transfer.h"

#include <string.h>

#define PERIOD 65521u // prime: no power of two, no segment size divides it

static uint8_t pattern[PERIOD];

static void make_pattern(void)
{
	uint64_t x = 0x9e3779b97f4a7c15u;
	if (pattern[0])
		return;
	for (uint32_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 32);
	}
	pattern[0] = 1;
}

static void put64(uint8_t *at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | at[i];
	return value;
}

void transfer_ask(struct transfer *transfer, const struct transfer_request *request)
{
	make_pattern();
	*transfer = (struct transfer){.request = *request, .is_client = true};
	put64(transfer->head, request->up);
	put64(transfer->head + 8, request->down);
	put64(transfer->head + 16, request->order);
}

void transfer_serve(struct transfer *transfer)
{
	make_pattern();
	*transfer = (struct transfer){.is_client = false};
}

static uint64_t verdict_bytes(const struct transfer *transfer)
{
	return transfer->request.order == TRANSFER_DOWN_FIRST ? 0 : TRANSFER_VERDICT_BYTES;
}

// A stream is head (or none), pattern, verdict (or none).
static uint64_t head_bytes(bool is_from_client)
{
	return is_from_client ? TRANSFER_REQUEST_BYTES : 0;
}

static uint64_t pattern_bytes(const struct transfer *transfer, bool is_from_client)
{
	return is_from_client ? transfer->request.up : transfer->request.down;
}

static uint64_t stream_bytes(const struct transfer *transfer, bool is_from_client)
{
	return head_bytes(is_from_client) + pattern_bytes(transfer, is_from_client) +
	       (is_from_client ? 0 : verdict_bytes(transfer));
}

static size_t least(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

static void read_request(struct transfer *transfer)
{
	transfer->request = (struct transfer_request){
		get64(transfer->head), get64(transfer->head + 8), get64(transfer->head + 16)};
	transfer->is_wrong |= transfer->request.order > TRANSFER_DOWN_FIRST;
}

// take_some judges the first part of what came; returns how long that was.
static size_t take_some(struct transfer *transfer, const uint8_t *at, size_t bytes)
{
	bool is_from_client = !transfer->is_client;
	uint64_t head = head_bytes(is_from_client), in = transfer->in;
	if (in < head) {
		size_t some = least(bytes, head - in);
		memcpy(transfer->head + in, at, some);
		if (in + some == head)
			read_request(transfer);
		return some;
	}
	uint64_t offset = in - head, all = pattern_bytes(transfer, is_from_client);
	if (offset < all) {
		size_t some = least(least(bytes, all - offset), PERIOD - offset % PERIOD);
		bool is_right = memcmp(at, pattern + offset % PERIOD, some) == 0;
		transfer->right += is_right ? some : 0;
		transfer->is_wrong |= !is_right;
		return some;
	}
	uint64_t left = stream_bytes(transfer, is_from_client) - in;
	size_t some = least(bytes, left);
	if (some == 0) {
		transfer->is_wrong = true;
		return bytes;
	}
	memcpy(transfer->verdict + TRANSFER_VERDICT_BYTES - left, at, some);
	return some;
}

void transfer_take(struct transfer *transfer, const uint8_t *at, size_t bytes)
{
	while (bytes > 0) {
		size_t some = take_some(transfer, at, bytes);
		transfer->in += some;
		at += some;
		bytes -= some;
	}
}

void transfer_take_end(struct transfer *transfer)
{
	transfer->is_at_end = true;
}

// may_give is how far into its stream this end may go now.
static uint64_t may_give(const struct transfer *transfer)
{
	uint64_t order = transfer->request.order;
	if (transfer->is_client)
		return order == TRANSFER_DOWN_FIRST && !transfer->is_at_end
			       ? TRANSFER_REQUEST_BYTES
			       : stream_bytes(transfer, true);
	if (transfer->in < TRANSFER_REQUEST_BYTES ||
	    (order == TRANSFER_UP_FIRST && !transfer->is_at_end))
		return 0;
	bool has_all = transfer->in >= stream_bytes(transfer, true);
	return has_all ? stream_bytes(transfer, false) : transfer->request.down;
}

static size_t give_some(struct transfer *transfer, uint8_t *at, uint64_t room)
{
	uint64_t head = head_bytes(transfer->is_client), out = transfer->out;
	if (out < head) {
		size_t some = least(room, head - out);
		memcpy(at, transfer->head + out, some);
		return some;
	}
	uint64_t offset = out - head, all = pattern_bytes(transfer, transfer->is_client);
	if (offset < all) {
		size_t some = least(least(room, all - offset), PERIOD - offset % PERIOD);
		memcpy(at, pattern + offset % PERIOD, some);
		return some;
	}
	put64(transfer->verdict, transfer->is_wrong ? UINT64_MAX : transfer->right);
	size_t some = least(room, TRANSFER_VERDICT_BYTES - (offset - all));
	memcpy(at, transfer->verdict + (offset - all), some);
	return some;
}

size_t transfer_give(struct transfer *transfer, uint8_t *at, size_t room)
{
	size_t given = 0;
	uint64_t end = may_give(transfer);
	while (given < room && transfer->out < end) {
		size_t some =
			give_some(transfer, at + given, least(room - given, end - transfer->out));
		transfer->out += some;
		given += some;
	}
	return given;
}

bool transfer_has_given(const struct transfer *transfer)
{
	bool knows = transfer->is_client || transfer->in >= TRANSFER_REQUEST_BYTES;
	return knows && transfer->out >= stream_bytes(transfer, transfer->is_client);
}

bool transfer_is_good(const struct transfer *transfer)
{
	bool is_from_client = !transfer->is_client;
	bool knows = transfer->is_client || transfer->in >= TRANSFER_REQUEST_BYTES;
	bool is_whole = knows && transfer->is_at_end &&
			transfer->in == stream_bytes(transfer, is_from_client);
	bool is_agreed = !transfer->is_client || verdict_bytes(transfer) == 0 ||
			 get64(transfer->verdict) == transfer->request.up;
	return is_whole && is_agreed && !transfer->is_wrong && transfer_has_given(transfer);
}
