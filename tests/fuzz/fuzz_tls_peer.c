// SPDX-License-Identifier: Apache-2.0
// Names of peers: whatever is accepted must be a name of the mesh in one of the three forms, letter
// for letter, and a prefix never means its own end.
#include "check.h"
#include "tls.h"
#include "tls_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct slice name = slice_of(data, bytes);
	struct slice mesh = SLICE("mesh.test");
	unsigned role = 0;
	enum tls_peer_form form = tls_peer_parse(name, mesh, &role);
	CHECK((form == TLS_PEER_FORM_OK) == (role != 0));
	if (form == TLS_PEER_FORM_OK) {
		unsigned slashes = 0;
		CHECK(slice_starts(name, SLICE("spiffe://mesh.test/")));
		CHECK(name.bytes < RECORD_PEER_BYTES && !memchr(name.at, 0, name.bytes));
		for (size_t i = 0; i < name.bytes; i++)
			slashes += name.at[i] == '/';
		CHECK(slashes == (role == TLS_PEER_SERVICE ? 4 : 5));
		CHECK(name.at[name.bytes - 1] != '/');
		CHECK(tls_peer_is_meant(name, name));
	}
	for (size_t i = 0; i <= bytes; i++) {
		struct slice wanted = slice_head(name, i);
		bool is_meant = tls_peer_is_meant(name, wanted);
		bool is_prefix = i > 0 && i < bytes && data[i - 1] == '/';
		bool is_whole = i == bytes && (i == 0 || data[i - 1] != '/');
		CHECK(is_meant == (is_prefix || is_whole));
	}
	return 0;
}
