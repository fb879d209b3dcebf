// SPDX-License-Identifier: Apache-2.0
// Which ClientHellos are ordinary: each rule by one change to a good one, real ones by OpenSSL,
// every cut and every flipped byte. Whatever we call ours OpenSSL must take as well.
#include "tls_hello.h"
#include "tls_draft.h"
#include "tls_priv.h"
#include "tls_rig.h"
#include "unit.h"

#include <openssl/err.h>

static enum tls_hello_verdict read_wire(const struct draft_wire *in, struct tls_hello *hello)
{
	static uint8_t room[TLS_HELLO_ROOM];
	size_t wire_bytes = 0;
	enum tls_hello_verdict verdict =
		tls_hello_read(slice_of(in->wire, in->bytes), room, hello, &wire_bytes);
	if (verdict == TLS_HELLO_OURS)
		CU_ASSERT_EQUAL(wire_bytes, in->bytes);
	return verdict;
}

static bool is_hex(struct slice bytes, const char *hex)
{
	uint8_t wanted[512];
	struct bytes_writer w = bytes_write_to(wanted, sizeof(wanted));
	draft_put_hex(&w, hex);
	return slice_equal(bytes, slice_of(wanted, w.written));
}

static void an_ordinary_hello_is_read(void)
{
	struct draft_wire in;
	struct tls_hello hello;
	draft_write(&in, &draft_good, DRAFT_WIRE_MAX);
	CU_ASSERT_EQUAL_FATAL(read_wire(&in, &hello), TLS_HELLO_OURS);
	CU_ASSERT_PTR_EQUAL(hello.message.at, in.wire + 5); // not copied
	CU_ASSERT_EQUAL(hello.message.bytes, in.bytes - 5);
	CU_ASSERT_PTR_EQUAL(hello.random.at, in.wire + 11);
	CU_ASSERT_EQUAL(hello.random.bytes, 32);
	CU_ASSERT(is_hex(hello.session_id, "a1a2a3a4"));
	CU_ASSERT_EQUAL(hello.suites, 1 << TLS_SUITE_AES_128 | 1 << TLS_SUITE_AES_256);
	CU_ASSERT(!hello.is_chacha_first);
	CU_ASSERT(hello.has_server_name);
	CU_ASSERT(slice_equal(hello.server_name, SLICE("a.test")));
	CU_ASSERT(slice_equal(hello.alpn, SLICE("\x02h2\x08http/1.1")));
	CU_ASSERT(is_hex(hello.share_x25519, &X25519_SHARE[8]));
	CU_ASSERT_EQUAL(hello.share_p256.bytes, 0);
	CU_ASSERT_EQUAL(hello.schemes,
			1 << TLS_SCHEME_ECDSA_P256_SHA256 | 1 << TLS_SCHEME_RSA_PSS_SHA256);
	CU_ASSERT(hello.has_psk_dhe);
	CU_ASSERT_EQUAL(hello.identity.bytes, 0);
}

static const struct {
	const char *type;
	const char *body; // NULL: left out
	enum tls_hello_verdict verdict;
} extension_rows[] = {
	{"0000", NULL, TLS_HELLO_OURS},
	{"0000", "", TLS_HELLO_OPENSSL},
	{"0000", "0000", TLS_HELLO_OPENSSL},
	{"0000", "0003000000", TLS_HELLO_OPENSSL},
	{"0000", "00040000000161", TLS_HELLO_OPENSSL},
	{"0000", "000400000161", TLS_HELLO_OURS},
	{"0000", "000401000161", TLS_HELLO_OPENSSL},
	{"0000", "000400000100", TLS_HELLO_OPENSSL},
	{"0000", "0006000003610062", TLS_HELLO_OPENSSL},
	{"0000", "00080000016100000162", TLS_HELLO_OPENSSL},
	{"0000", "00040000016100", TLS_HELLO_OPENSSL},
	{"0001", "01", TLS_HELLO_OURS},
	{"0001", "04", TLS_HELLO_OURS},
	{"0001", "00", TLS_HELLO_OPENSSL},
	{"0001", "05", TLS_HELLO_OPENSSL},
	{"0001", "", TLS_HELLO_OPENSSL},
	{"0001", "0101", TLS_HELLO_OPENSSL},
	{"0005", "", TLS_HELLO_OPENSSL},
	{"0005", "0100000001", TLS_HELLO_OPENSSL},
	{"0005", NULL, TLS_HELLO_OURS},
	{"000a", NULL, TLS_HELLO_OPENSSL},
	{"000a", "", TLS_HELLO_OPENSSL},
	{"000a", "0000", TLS_HELLO_OPENSSL},
	{"000a", "00041a1a001d00", TLS_HELLO_OPENSSL},
	{"000a", "00051a1a001d00", TLS_HELLO_OPENSSL},
	{"000a", "0004001d0017", TLS_HELLO_OPENSSL}, // without the GREASE share's group
	{"000a", "00041a1a0017", TLS_HELLO_OPENSSL},
	{"000a", "00041a1a001d", TLS_HELLO_OURS},
	{"000d", NULL, TLS_HELLO_OPENSSL},
	{"000d", "0000", TLS_HELLO_OPENSSL},
	{"000d", "0003040308", TLS_HELLO_OPENSSL},
	{"000d", "00020401", TLS_HELLO_OPENSSL}, // no PKCS #1 in TLS 1.3
	{"000d", "00020807", TLS_HELLO_OURS},
	{"000d", "000204030000", TLS_HELLO_OPENSSL},
	{"0010", NULL, TLS_HELLO_OURS},
	{"0010", "0000", TLS_HELLO_OPENSSL},
	{"0010", "000100", TLS_HELLO_OPENSSL},
	{"0010", "0003026832", TLS_HELLO_OURS},
	{"0010", "0003036832", TLS_HELLO_OPENSSL},
	{"0010", "000402683200", TLS_HELLO_OPENSSL},
	{"0010", "000402683261", TLS_HELLO_OPENSSL},
	{"002a", "", TLS_HELLO_OPENSSL},
	{"002b", NULL, TLS_HELLO_OPENSSL},
	{"002b", "020303", TLS_HELLO_OPENSSL},
	{"002b", "020304", TLS_HELLO_OURS},
	{"002b", "03030403", TLS_HELLO_OPENSSL},
	{"002b", "02030400", TLS_HELLO_OPENSSL},
	{"002b", "040304", TLS_HELLO_OPENSSL},
	{"002b", "04fa0304fa", TLS_HELLO_OPENSSL}, // not across two numbers
	{"002c", "000161", TLS_HELLO_OPENSSL},
	{"002d", NULL, TLS_HELLO_OURS},
	{"002d", "00", TLS_HELLO_OPENSSL},
	{"002d", "0100", TLS_HELLO_OURS},
	{"002d", "020001", TLS_HELLO_OURS},
	{"002d", "0201", TLS_HELLO_OPENSSL},
	{"002f", "0003000161", TLS_HELLO_OPENSSL},
	{"0031", "", TLS_HELLO_OURS},
	{"0031", "00", TLS_HELLO_OPENSSL},
	{"0032", "00020804", TLS_HELLO_OURS},
	{"0032", "0000", TLS_HELLO_OPENSSL},
	{"0033", NULL, TLS_HELLO_OPENSSL},
	{"0033", "0000", TLS_HELLO_OPENSSL}, // asks for a HelloRetryRequest
	{"0033", "0024" X25519_SHARE, TLS_HELLO_OURS},
	{"0033", "0025" X25519_SHARE "00", TLS_HELLO_OPENSSL},
	{"0033", "0024" X25519_SHARE "00", TLS_HELLO_OPENSSL},
	{"0033", "0023" X25519_SHARE, TLS_HELLO_OPENSSL},
	{"0033", "0048" X25519_SHARE X25519_SHARE, TLS_HELLO_OPENSSL},
	{"0033", "002e" GREASE GREASE X25519_SHARE, TLS_HELLO_OPENSSL},
	{"0033", "0028001d0000" X25519_SHARE, TLS_HELLO_OPENSSL},
	{"0033", "0006001d0002aabb", TLS_HELLO_OPENSSL},
	{"0033", "0045" P256_SHARE, TLS_HELLO_OURS},
	{"0033",
	 "004500170041"
	 "02" P256_POINT,
	 TLS_HELLO_OPENSSL},
	{"0033", "0005" GREASE, TLS_HELLO_OPENSSL},
	{"0033", "002a" P384_SHARE X25519_SHARE, TLS_HELLO_OPENSSL}, // not in groups
	{"000e", "", TLS_HELLO_OPENSSL},
	{"fde8", "", TLS_HELLO_OPENSSL},
	{"ffce", "000102", TLS_HELLO_OURS},
};

static void each_extension_is_judged(void)
{
	for (unsigned i = 0; i < sizeof(extension_rows) / sizeof(extension_rows[0]); i++) {
		struct draft_wire in;
		struct tls_hello hello;
		struct draft draft =
			draft_with(&draft_good, extension_rows[i].type, extension_rows[i].body);
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		enum tls_hello_verdict verdict = read_wire(&in, &hello);
		CU_ASSERT_EQUAL(verdict, extension_rows[i].verdict);
		if (verdict != extension_rows[i].verdict)
			printf("# %s %s\n", extension_rows[i].type,
			       extension_rows[i].body ? extension_rows[i].body : "(none)");
	}
}

static void each_fixed_field_is_judged(void)
{
	static const struct {
		struct draft change; // fields that are not NULL
		enum tls_hello_verdict verdict;
	} rows[] = {
		{{.version = "0302"}, TLS_HELLO_OPENSSL},
		{{.version = "0304"}, TLS_HELLO_OPENSSL},
		{{.session_id = "00"}, TLS_HELLO_OURS},
		{{.session_id = "20" BINDER}, TLS_HELLO_OURS},
		{{.session_id = "21" BINDER "00"}, TLS_HELLO_OPENSSL},
		{{.session_id = "ff"}, TLS_HELLO_OPENSSL},
		{{.suites = ""}, TLS_HELLO_OPENSSL},
		{{.suites = "c02bc02f"}, TLS_HELLO_OPENSSL},
		{{.suites = "13041305"}, TLS_HELLO_OPENSSL}, // CCM is not ours
		{{.suites = "1303"}, TLS_HELLO_OURS},
		{{.suites = "130313"}, TLS_HELLO_OPENSSL},
		{{.suites = "00130100"}, TLS_HELLO_OPENSSL},
		{{.compression = ""}, TLS_HELLO_OPENSSL},
		{{.compression = "01"}, TLS_HELLO_OPENSSL},
		{{.compression = "0001"}, TLS_HELLO_OPENSSL},
		{{.tail = "00"}, TLS_HELLO_OPENSSL},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct draft_wire in;
		struct tls_hello hello;
		const struct draft *change = &rows[i].change;
		struct draft draft = draft_good;
		draft.version = change->version ? change->version : draft_good.version;
		draft.session_id = change->session_id ? change->session_id : draft_good.session_id;
		draft.suites = change->suites ? change->suites : draft_good.suites;
		draft.compression =
			change->compression ? change->compression : draft_good.compression;
		draft.tail = change->tail ? change->tail : draft_good.tail;
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		enum tls_hello_verdict verdict = read_wire(&in, &hello);
		CU_ASSERT_EQUAL(verdict, rows[i].verdict);
		if (verdict != rows[i].verdict)
			printf("# row %u\n", i);
	}
}

static void the_first_share_that_openssl_would_take_is_chosen(void)
{
	static const struct {
		const char *groups;
		const char *shares;
		enum tls_hello_verdict verdict;
		bool is_x25519;
	} rows[] = {
		{"0004001d0017", "0069" X25519_SHARE P256_SHARE, TLS_HELLO_OURS, true},
		{"0004001d0017", "0069" P256_SHARE X25519_SHARE, TLS_HELLO_OURS, false},
		// X25519 is listed, but only P-256 sent: no HelloRetryRequest.
		{"0004001d0017", "0045" P256_SHARE, TLS_HELLO_OURS, false},
		{"0006001d00170018", "002a" P384_SHARE X25519_SHARE, TLS_HELLO_OPENSSL, false},
		{"0006001d00170018", "002a" X25519_SHARE P384_SHARE, TLS_HELLO_OURS, true},
		{"000411ec001d",
		 "002b"
		 "11ec0003010203" X25519_SHARE,
		 TLS_HELLO_OURS, true},
		{"000411ec001d",
		 "0028"
		 "11ec0000" X25519_SHARE,
		 TLS_HELLO_OPENSSL, false},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct draft_wire in;
		struct tls_hello hello;
		struct draft draft = draft_with(&draft_good, "000a", rows[i].groups);
		draft = draft_with(&draft, "0033", rows[i].shares);
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		CU_ASSERT_EQUAL(read_wire(&in, &hello), rows[i].verdict);
		if (rows[i].verdict != TLS_HELLO_OURS)
			continue;
		CU_ASSERT_EQUAL(hello.share_x25519.bytes, rows[i].is_x25519 ? 32 : 0);
		CU_ASSERT_EQUAL(hello.share_p256.bytes, rows[i].is_x25519 ? 0 : 65);
	}
}

static void chacha20_first_is_told(void)
{
	static const struct {
		const char *suites;
		bool is_chacha_first;
	} rows[] = {
		{"13031301", true}, {"1a1a13031301", true}, {"13011303", false}, {"1301", false}};
	for (unsigned i = 0; i < 4; i++) {
		struct draft_wire in;
		struct tls_hello hello;
		struct draft draft = draft_good;
		draft.suites = rows[i].suites;
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		CU_ASSERT_EQUAL_FATAL(read_wire(&in, &hello), TLS_HELLO_OURS);
		CU_ASSERT_EQUAL(hello.is_chacha_first, rows[i].is_chacha_first);
	}
}

static void one_psk_is_read_and_must_be_last(void)
{
	static const struct {
		const char *body;
		const char *modes;
		enum tls_hello_verdict verdict;
	} rows[] = {
		{PSK, "0101", TLS_HELLO_OURS},
		{PSK, "0100", TLS_HELLO_OURS},
		{PSK, NULL, TLS_HELLO_OPENSSL},
		{PSK "00", "0101", TLS_HELLO_OPENSSL},
		{"", "0101", TLS_HELLO_OPENSSL},
		{"00000000", "0101", TLS_HELLO_OPENSSL},
		{"0006000001020304002120" BINDER, "0101", TLS_HELLO_OPENSSL},
		{"000a0004aabbccdd010203040000", "0101", TLS_HELLO_OPENSSL},
		{"000a0004aabbccdd01020304002221" BINDER "00", "0101", TLS_HELLO_OPENSSL},
		{"000a0004aabbccdd0102030400222120" BINDER, "0101", TLS_HELLO_OPENSSL},
		// two identities, or two binders
		{"000e0001aa010203040001bb01020304004220" BINDER "20" BINDER, "0101",
		 TLS_HELLO_OPENSSL},
		{"000e0001aa010203040001bb01020304002120" BINDER, "0101", TLS_HELLO_OPENSSL},
		{"000a0004aabbccdd01020304004220" BINDER "20" BINDER, "0101", TLS_HELLO_OPENSSL},
	};
	struct draft_wire in;
	struct tls_hello hello;
	struct draft draft;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		draft = draft_with(&draft_good, "002d", rows[i].modes);
		draft = draft_with(&draft, "0029", rows[i].body);
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		enum tls_hello_verdict verdict = read_wire(&in, &hello);
		CU_ASSERT_EQUAL(verdict, rows[i].verdict);
		if (verdict != rows[i].verdict)
			printf("# psk row %u\n", i);
	}
	draft = draft_with(&draft_good, "0029", PSK);
	draft_write(&in, &draft, DRAFT_WIRE_MAX);
	CU_ASSERT_EQUAL_FATAL(read_wire(&in, &hello), TLS_HELLO_OURS);
	CU_ASSERT(is_hex(hello.identity, "aabbccdd"));
	CU_ASSERT(is_hex(hello.binder, BINDER));
	CU_ASSERT_EQUAL(hello.obfuscated_age, 0x01020304);
	CU_ASSERT_EQUAL(hello.truncated_bytes, hello.message.bytes - 2 - 1 - 32);
	draft = draft_with(&draft, "ffce", "");
	draft_write(&in, &draft, DRAFT_WIRE_MAX);
	CU_ASSERT_EQUAL(read_wire(&in, &hello), TLS_HELLO_OPENSSL);
}

static void no_extension_may_come_twice(void)
{
	struct draft_wire in;
	struct tls_hello hello;
	for (unsigned i = 0; draft_good.extensions[i].type; i++) {
		struct draft draft = draft_good;
		draft.extensions[20] = draft_good.extensions[i];
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		CU_ASSERT_EQUAL(read_wire(&in, &hello), TLS_HELLO_OPENSSL);
	}
}

// many makes good with count unknown extensions of its own.
static void many(struct draft_wire *out, unsigned count)
{
	uint8_t message[DRAFT_WIRE_MAX];
	struct draft_wire plain;
	draft_write(&plain, &draft_good, DRAFT_WIRE_MAX);
	size_t bytes = plain.bytes - 5;
	memcpy(message, plain.wire + 5, bytes);
	// The list's length lies behind 4 + 2 + 32 + 5 + 2 + 8 + 2 bytes.
	uint8_t *length = message + 55;
	for (unsigned i = 0; i < count; i++, bytes += 4)
		memcpy(message + bytes, (uint8_t[]){0xee, (uint8_t)i, 0, 0}, 4);
	unsigned list = (unsigned)(length[0] << 8 | length[1]) + 4 * count;
	length[0] = (uint8_t)(list >> 8);
	length[1] = (uint8_t)list;
	message[2] = (uint8_t)((bytes - 4) >> 8);
	message[3] = (uint8_t)(bytes - 4);
	draft_frame(out, message, bytes, DRAFT_WIRE_MAX);
}

static void what_a_client_may_count_is_bounded(void)
{
	struct draft_wire in;
	struct tls_hello hello;
	many(&in, 48 - 13);
	CU_ASSERT_EQUAL(read_wire(&in, &hello), TLS_HELLO_OURS);
	many(&in, 48 - 13 + 1);
	CU_ASSERT_EQUAL(read_wire(&in, &hello), TLS_HELLO_OPENSSL);
	for (unsigned count = 64; count <= 65; count++) { // groups
		char body[400];
		int at = snprintf(body, sizeof(body), "%04x001d1a1a", 2 * count);
		for (unsigned i = 2; i < count; i++)
			at += snprintf(body + at, sizeof(body) - (size_t)at, "%04x", 0x2000 + i);
		struct draft draft = draft_with(&draft_good, "000a", body);
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		CU_ASSERT_EQUAL(read_wire(&in, &hello),
				count == 64 ? TLS_HELLO_OURS : TLS_HELLO_OPENSSL);
	}
	for (unsigned count = 8; count <= 9; count++) { // shares
		char groups[100], shares[300] = {0};
		int at = snprintf(groups, sizeof(groups), "%04x001d", 2 * count);
		int to =
			snprintf(shares, sizeof(shares), "%04x" X25519_SHARE, 36 + 5 * (count - 1));
		for (unsigned i = 1; i < count; i++) {
			at += snprintf(groups + at, sizeof(groups) - (size_t)at, "20%02x", i);
			to += snprintf(shares + to, sizeof(shares) - (size_t)to, "20%02x000100", i);
		}
		struct draft draft = draft_with(&draft_good, "000a", groups);
		draft = draft_with(&draft, "0033", shares);
		draft_write(&in, &draft, DRAFT_WIRE_MAX);
		CU_ASSERT_EQUAL(read_wire(&in, &hello),
				count == 8 ? TLS_HELLO_OURS : TLS_HELLO_OPENSSL);
	}
}

static void a_message_may_be_cut_into_sixteen_records(void)
{
	struct draft_wire whole, cut;
	struct tls_hello hello, other;
	size_t used;
	draft_write(&whole, &draft_good, DRAFT_WIRE_MAX);
	CU_ASSERT_EQUAL_FATAL(read_wire(&whole, &hello), TLS_HELLO_OURS);
	size_t bytes = whole.bytes - 5;
	for (size_t most = 1; most < bytes; most++) {
		draft_frame(&cut, whole.wire + 5, bytes, most);
		bool is_ours = (bytes + most - 1) / most <= 16;
		CU_ASSERT_EQUAL(read_wire(&cut, &other),
				is_ours ? TLS_HELLO_OURS : TLS_HELLO_OPENSSL);
		CU_ASSERT_EQUAL(tls_hello_read(slice_of(cut.wire, cut.bytes), NULL, &hello, &used),
				TLS_HELLO_OPENSSL);
		if (is_ours)
			CU_ASSERT(slice_equal(other.message, slice_of(whole.wire + 5, bytes)));
	}
}

static void what_lies_behind_is_not_touched(void)
{
	struct draft_wire in, two;
	struct tls_hello hello;
	size_t used = 0;
	draft_write(&in, &draft_good, DRAFT_WIRE_MAX);
	in.wire[in.bytes] = 0x17; // another record begins
	CU_ASSERT_EQUAL(tls_hello_read(slice_of(in.wire, in.bytes + 1), NULL, &hello, &used),
			TLS_HELLO_OURS);
	CU_ASSERT_EQUAL(used, in.bytes);
	// A byte more in the same record, or the beginning of a message in the last of two.
	draft_frame(&two, in.wire + 5, in.bytes - 5 + 1, DRAFT_WIRE_MAX);
	CU_ASSERT_EQUAL(read_wire(&two, &hello), TLS_HELLO_OPENSSL);
	draft_frame(&two, in.wire + 5, in.bytes - 5 + 1, 200);
	CU_ASSERT_EQUAL(read_wire(&two, &hello), TLS_HELLO_OPENSSL);
}

static void heads_are_judged_as_soon_as_they_are_there(void)
{
	static const struct {
		const char *hex;
		enum tls_hello_verdict verdict;
	} rows[] = {
		{"", TLS_HELLO_MORE},
		{"16", TLS_HELLO_MORE},
		{"15", TLS_HELLO_OPENSSL},
		{"47455420", TLS_HELLO_OPENSSL},
		{"1602", TLS_HELLO_OPENSSL},
		{"160302", TLS_HELLO_OPENSSL},
		{"160303", TLS_HELLO_MORE},
		{"1603010000", TLS_HELLO_OPENSSL}, // an empty record
		{"1603014001", TLS_HELLO_OPENSSL},
		{"1603012001", TLS_HELLO_OPENSSL},
		{"1603012000", TLS_HELLO_MORE},
		{"160301002001", TLS_HELLO_MORE},
		{"160301002002", TLS_HELLO_OPENSSL},
		{"16030100200100001c", TLS_HELLO_MORE},
		{"16030100200100001b", TLS_HELLO_OPENSSL}, // less than its record
		{"160301002001001ffc", TLS_HELLO_MORE},
		{"160301002001001ffd", TLS_HELLO_OPENSSL}, // more than the room
		{"1603010020010100ff", TLS_HELLO_OPENSSL},
		{"16030100010116030100030000fc", TLS_HELLO_MORE},
		{"1603010001011703030003", TLS_HELLO_OPENSSL},
		{"160301000101140303000101", TLS_HELLO_OPENSSL},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct draft_wire in;
		struct tls_hello hello;
		struct bytes_writer w = bytes_write_to(in.wire, sizeof(in.wire));
		draft_put_hex(&w, rows[i].hex);
		in.bytes = w.written;
		CU_ASSERT_EQUAL(read_wire(&in, &hello), rows[i].verdict);
		if (read_wire(&in, &hello) != rows[i].verdict)
			printf("# %s\n", rows[i].hex);
	}
}

static void every_beginning_asks_for_more(void)
{
	static const size_t cuts[] = {DRAFT_WIRE_MAX, 20, 150};
	for (unsigned i = 0; i < 3; i++) {
		struct draft_wire in;
		struct tls_hello hello;
		struct draft draft = draft_with(&draft_good, "0029", PSK);
		draft_write(&in, &draft, cuts[i]);
		size_t bytes = in.bytes;
		for (in.bytes = 0; in.bytes < bytes; in.bytes++) {
			uint8_t *copy = malloc(in.bytes + 1); // so that ASan sees its end
			size_t used;
			memcpy(copy, in.wire, in.bytes);
			uint8_t room[TLS_HELLO_ROOM];
			CU_ASSERT_EQUAL(
				tls_hello_read(slice_of(copy, in.bytes), room, &hello, &used),
				TLS_HELLO_MORE);
			free(copy);
		}
		CU_ASSERT_EQUAL(read_wire(&in, &hello), TLS_HELLO_OURS);
	}
}

// openssl_hello records the first flight of a client; groups and suites NULL: its usual ones.
static void openssl_hello(struct draft_wire *out, const char *name, const char *groups,
			  const char *suites)
{
	struct rig_peer peer;
	char *wire = NULL;
	rig_peer_init(&peer, false, TLS1_3_VERSION);
	if (groups)
		SSL_CTX_set1_groups_list(peer.ctx, groups);
	if (suites)
		SSL_CTX_set_ciphersuites(peer.ctx, suites);
	rig_peer_start(&peer, name);
	out->bytes = (size_t)BIO_get_mem_data(peer.out, &wire);
	memcpy(out->wire, wire, out->bytes);
	rig_peer_free(&peer);
}

static void hellos_of_openssl_are_ours(void)
{
	struct draft_wire in;
	struct tls_hello hello;
	openssl_hello(&in, "www.shop.test", NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(read_wire(&in, &hello), TLS_HELLO_OURS);
	CU_ASSERT(slice_equal(hello.server_name, SLICE("www.shop.test")));
	CU_ASSERT_EQUAL(hello.suites, (1 << TLS_SUITE_COUNT) - 1);
	CU_ASSERT_EQUAL(hello.session_id.bytes, 32);
	CU_ASSERT_EQUAL(hello.schemes, (1 << TLS_SCHEME_COUNT) - 1);
	openssl_hello(&in, NULL, "P-256", "TLS_CHACHA20_POLY1305_SHA256");
	CU_ASSERT_EQUAL_FATAL(read_wire(&in, &hello), TLS_HELLO_OURS);
	CU_ASSERT(!hello.has_server_name && hello.is_chacha_first);
	CU_ASSERT_EQUAL(hello.share_p256.bytes, 65);
	openssl_hello(&in, "a.test", "P-384:X25519", NULL); // a HelloRetryRequest, or P-384
	CU_ASSERT_EQUAL(read_wire(&in, &hello), TLS_HELLO_OPENSSL);
	openssl_hello(&in, "a.test", NULL, "TLS_AES_128_CCM_SHA256");
	CU_ASSERT_EQUAL(read_wire(&in, &hello), TLS_HELLO_OPENSSL);
}

// HELLOS is where first flights of real clients lie, which fuzz_tls_hello begins with.
static void recorded_hellos_of_other_clients_are_ours(void)
{
	static const char *const clients[] = {"chromium", "curl", "gnutls",
					      "node",     "nss",  "python"};
	for (unsigned i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		struct draft_wire in;
		struct tls_hello hello;
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", HELLOS, clients[i]);
		FILE *file = fopen(path, "r");
		CU_ASSERT_PTR_NOT_NULL_FATAL(file);
		in.bytes = fread(in.wire, 1, sizeof(in.wire), file);
		fclose(file);
		CU_ASSERT_EQUAL_FATAL(read_wire(&in, &hello), TLS_HELLO_OURS);
		CU_ASSERT(slice_equal(hello.server_name, SLICE("shop.test")));
		CU_ASSERT_EQUAL(hello.suites, (1 << TLS_SUITE_COUNT) - 1);
		CU_ASSERT_EQUAL(hello.share_x25519.bytes == 0, strcmp(clients[i], "gnutls") == 0);
	}
}

// reason_of lets OpenSSL answer a client's first bytes; 0: it went on.
static int reason_of(SSL_CTX *ctx, const struct draft_wire *in)
{
	SSL *ssl = SSL_new(ctx);
	BIO *from = BIO_new_mem_buf(in->wire, (int)in->bytes);
	BIO_set_mem_eof_return(from, -1);
	SSL_set_bio(ssl, from, BIO_new(BIO_s_mem()));
	ERR_clear_error();
	int result = SSL_accept(ssl);
	int reason = SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ
			     ? 0
			     : ERR_GET_REASON(ERR_peek_error());
	SSL_free(ssl);
	return reason;
}

// may_refuse: what a parser without keys cannot know.
static bool may_refuse(int reason)
{
	return reason == 0 || reason == SSL_R_BAD_ECPOINT ||
	       reason == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM;
}

static void openssl_takes_what_is_ours_with_any_byte_changed(void)
{
	struct draft_wire in;
	struct tls_hello hello;
	struct rig_pair pair = rig_issue((struct rig_wish){.names = "DNS:a.test"});
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(ctx, pair.certificate);
	SSL_CTX_use_PrivateKey(ctx, pair.key);
	unsigned ours_count = 0;
	openssl_hello(&in, "a.test", "X25519:P-256", NULL);
	for (size_t i = 0; i < in.bytes; i++)
		for (unsigned bit = 0; bit < 8; bit += 1) {
			in.wire[i] ^= (uint8_t)(1u << bit);
			struct draft_wire copy = in;
			if (read_wire(&copy, &hello) == TLS_HELLO_OURS) {
				int reason = reason_of(ctx, &in);
				ours_count++;
				CU_ASSERT(may_refuse(reason));
				if (!may_refuse(reason))
					printf("# byte %zu: %s\n", i,
					       ERR_reason_error_string(
						       ERR_PACK(ERR_LIB_SSL, 0, reason)));
			}
			in.wire[i] ^= (uint8_t)(1u << bit);
		}
	CU_ASSERT(ours_count > 600); // random, session id, share, names
	SSL_CTX_free(ctx);
	rig_pair_free(&pair);
}

UNIT_MAIN("tls_hello", {"an ordinary hello is read", an_ordinary_hello_is_read},
	  {"each extension is judged", each_extension_is_judged},
	  {"each fixed field is judged", each_fixed_field_is_judged},
	  {"the first share that openssl would take is chosen",
	   the_first_share_that_openssl_would_take_is_chosen},
	  {"chacha20 first is told", chacha20_first_is_told},
	  {"one psk is read and must be last", one_psk_is_read_and_must_be_last},
	  {"no extension may come twice", no_extension_may_come_twice},
	  {"what a client may count is bounded", what_a_client_may_count_is_bounded},
	  {"a message may be cut into sixteen records", a_message_may_be_cut_into_sixteen_records},
	  {"what lies behind is not touched", what_lies_behind_is_not_touched},
	  {"heads are judged as soon as they are there",
	   heads_are_judged_as_soon_as_they_are_there},
	  {"every beginning asks for more", every_beginning_asks_for_more},
	  {"hellos of openssl are ours", hellos_of_openssl_are_ours},
	  {"recorded hellos of other clients are ours", recorded_hellos_of_other_clients_are_ours},
	  {"openssl takes what is ours with any byte changed",
	   openssl_takes_what_is_ours_with_any_byte_changed})
