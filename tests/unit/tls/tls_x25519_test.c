// SPDX-License-Identifier: Apache-2.0
// X25519 by the vectors of RFC 7748, and the points that it refuses.
#include "check.h"
#include "tls_priv.h"
#include "unit.h"

static struct tls_crypto crypto;
static struct tls_x25519 x;

static void start(void)
{
	CHECK(tls_crypto_init(&crypto));
	CHECK(tls_x25519_init(&x, crypto.provider));
}

static void stop(void)
{
	tls_crypto_fini(&crypto);
}

static void unhex(const char *text, uint8_t out[TLS_X25519_BYTES])
{
	for (unsigned i = 0; i < TLS_X25519_BYTES; i++) {
		const char pair[3] = {text[2 * i], text[2 * i + 1], 0};
		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static bool is_hex(const uint8_t bytes[TLS_X25519_BYTES], const char *text)
{
	uint8_t wanted[TLS_X25519_BYTES];
	unhex(text, wanted);
	return memcmp(bytes, wanted, sizeof(wanted)) == 0;
}

static void it_gives_what_rfc_7748_says(void)
{
	static const char *const vectors[][3] = {
		// 5.2 twice, 6.1: private, public, agreed
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		 "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		 "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		 "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
		{"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		 "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		 "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	};
	uint8_t private[TLS_X25519_BYTES], public[TLS_X25519_BYTES], out[TLS_X25519_BYTES];
	start();
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		unhex(vectors[i][0], private);
		unhex(vectors[i][1], public);
		CU_ASSERT(tls_x25519_agree(&x, private, public, out));
		CU_ASSERT(is_hex(out, vectors[i][2]));
	}
	CU_ASSERT(tls_x25519_publish(&x, private, out));
	CU_ASSERT(is_hex(out, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
	stop();
}

// RFC 8446 7.4.2. OpenSSL takes a coordinate without its top bit and modulo 2^255 - 19.
static void points_of_small_order_are_refused(void)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	};
	uint8_t private[TLS_X25519_BYTES], public[TLS_X25519_BYTES], out[TLS_X25519_BYTES];
	start();
	memset(private, 77, sizeof(private));
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		unhex(points[i], public);
		CU_ASSERT(!tls_x25519_agree(&x, private, public, out));
		CU_ASSERT(!tls_x25519_agree(&x, public, public, out));
	}
	CU_ASSERT(tls_x25519_publish(&x, private, public)); // still well
	stop();
}

UNIT_MAIN("tls_x25519", {"it gives what RFC 7748 says", it_gives_what_rfc_7748_says},
	  {"points of small order are refused", points_of_small_order_are_refused})
