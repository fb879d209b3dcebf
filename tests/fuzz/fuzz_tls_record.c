// SPDX-License-Identifier: Apache-2.0
// The record layer after a real handshake. The input is a script: sealed records of any inner type
// and padding, bare wire bytes, how much plaintext is taken. Whatever comes, there is at most one
// closed event, nothing after it, and no buffer is lost.
#include "bytes.h"
#include "check.h"
#include "tls_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void forge(struct bytes_reader *r, struct rig_forger *forger, struct rig_end *end)
{
	uint8_t type = bytes_u8(r);
	uint8_t wanted = bytes_u8(r);
	uint16_t pad = bytes_u16(r) % 17000;
	size_t count = MIN((size_t)wanted, r->left);
	const uint8_t *body = bytes_take(r, count);
	if (r->ok)
		rig_forge(forger, end, type, slice_of(body, count), pad);
}

static void step(struct bytes_reader *r, struct rig_forger *forger, struct rig_end *end)
{
	uint8_t what = bytes_u8(r);
	if (what < 200) {
		forge(r, forger, end);
	} else if (what < 230) {
		end->take_max = bytes_u8(r);
	} else if (what < 240) {
		end->take_max = SIZE_MAX;
		tls_resume(end->conn);
	} else {
		size_t count = MIN((size_t)bytes_u8(r), r->left);
		const uint8_t *at = bytes_take(r, count);
		if (at && count > 0)
			rig_receive(end, at, count, 7);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct rig *rig = rig_site();
	struct bytes_reader r = bytes_read_from(data, bytes);
	struct rig_peer peer;
	struct rig_end end;
	struct rig_forger forger;
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(peer.ctx, "TLS_AES_128_GCM_SHA256");
	rig_peer_start(&peer, "a.test");
	rig_accept(&end, rig, (struct tls_accept){.is_h2_offered = true});
	CHECK(end.conn);
	rig_pump(&end, &peer, SIZE_MAX);
	CHECK(end.ready_count == 1);
	rig_forger_init(&forger, &peer);
	unsigned event_count = 0;
	for (unsigned i = 0; r.ok && r.left > 0 && i < 200; i++) {
		bool was_closed = end.closed_count > 0;
		step(&r, &forger, &end);
		CHECK(end.closed_count <= 1);
		CHECK(!was_closed || end.event_count == event_count);
		event_count = end.event_count;
	}
	rig_end_free(&end);
	rig_peer_free(&peer);
	CHECK(buf_pool_in_use(&rig->bufs) == 0);
	return 0;
}
