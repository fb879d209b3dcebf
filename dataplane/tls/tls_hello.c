// SPDX-License-Identifier: Apache-2.0
// An ordinary ClientHello: see tls_hello.h. Records are measured first, then a message in one
// record is read where it lies. Every count that a client chooses has a bound here, so that the
// work for one message is bounded too.
#include "tls_hello.h"

#include "bytes.h"
#include "tls_priv.h"

#define RECORDS_MAX    16u // that one ClientHello is cut into
#define EXTENSIONS_MAX 48u
#define GROUPS_MAX     64u
#define SHARES_MAX     8u
#define MESSAGE_HEAD   4u
#define CLIENT_HELLO   1u // RFC 8446 4
#define GROUP_P256     0x0017u
#define GROUP_P384     0x0018u
#define GROUP_X25519   0x001du
#define X25519_BYTES   32u
#define P256_BYTES     65u

enum extension { // RFC 8446 4.2 and IANA's registry
	EXT_SERVER_NAME = 0,
	EXT_MAX_FRAGMENT_LENGTH = 1,
	EXT_STATUS_REQUEST = 5,
	EXT_SUPPORTED_GROUPS = 10,
	EXT_SIGNATURE_ALGORITHMS = 13,
	EXT_USE_SRTP = 14, // DTLS's (RFC 5764): OpenSSL refuses it in TLS
	EXT_ALPN = 16,
	EXT_PRE_SHARED_KEY = 41,
	EXT_EARLY_DATA = 42,
	EXT_SUPPORTED_VERSIONS = 43,
	EXT_COOKIE = 44,
	EXT_PSK_MODES = 45,
	EXT_CERTIFICATE_AUTHORITIES = 47,
	EXT_POST_HANDSHAKE_AUTH = 49,
	EXT_SIGNATURE_ALGORITHMS_CERT = 50,
	EXT_KEY_SHARE = 51,
	EXT_CRYPTOPRO = 0xfde8, // known to OpenSSL, which refuses it here
};

// What is put together only when all extensions were read.
struct parts {
	struct tls_hello *hello;
	struct slice groups; // NamedGroup entries
	struct slice shares; // KeyShareEntry entries
	bool has_1_3;
	bool has_modes;
	bool has_psk;
	uint64_t seen;                   // bits of the extensions 0 to 63
	uint16_t others[EXTENSIONS_MAX]; // the other ones
	unsigned other_count;
	unsigned count;
};

static struct bytes_reader reader_of(struct slice bytes)
{
	return bytes_read_from(bytes.at, bytes.bytes);
}

static struct slice take(struct bytes_reader *r, size_t bytes)
{
	const uint8_t *at = bytes_take(r, bytes);
	return at ? slice_of(at, bytes) : (struct slice){0};
}

static struct slice take_u8_vector(struct bytes_reader *r)
{
	return take(r, bytes_u8(r));
}

static struct slice take_u16_vector(struct bytes_reader *r)
{
	return take(r, bytes_u16(r));
}

static bool is_at_end(const struct bytes_reader *r)
{
	return r->ok && r->left == 0;
}

// take_list takes a vector with a length of two bytes that fills body and is not empty.
static bool take_list(struct slice body, struct slice *list)
{
	struct bytes_reader r = reader_of(body);
	*list = take_u16_vector(&r);
	return is_at_end(&r) && list->bytes > 0;
}

// take_u16_list is take_list of numbers of two bytes.
static bool take_u16_list(struct slice body, struct slice *list)
{
	return take_list(body, list) && list->bytes % 2 == 0;
}

static uint16_t u16_at(struct slice list, size_t at)
{
	return (uint16_t)((uint8_t)list.at[at] << 8 | (uint8_t)list.at[at + 1]);
}

static bool has_u16(struct slice list, uint16_t wanted)
{
	for (size_t i = 0; i + 1 < list.bytes; i += 2)
		if (u16_at(list, i) == wanted)
			return true;
	return false;
}

static bool read_suites(struct tls_hello *hello, struct slice list)
{
	for (size_t i = 0; i + 1 < list.bytes; i += 2)
		for (unsigned suite = 0; suite < TLS_SUITE_COUNT; suite++) {
			if (tls_suites[suite].id != u16_at(list, i))
				continue;
			if (!hello->suites)
				hello->is_chacha_first = suite == TLS_SUITE_CHACHA20;
			hello->suites |= (uint8_t)(1u << suite);
		}
	return list.bytes % 2 == 0 && hello->suites != 0;
}

// read_server_name takes exactly one host_name (RFC 6066 3).
static bool read_server_name(struct parts *parts, struct slice body)
{
	struct slice list;
	if (!take_list(body, &list))
		return false;
	struct bytes_reader r = reader_of(list);
	uint8_t type = bytes_u8(&r);
	struct slice name = take_u16_vector(&r);
	parts->hello->has_server_name = true;
	parts->hello->server_name = name;
	return is_at_end(&r) && type == 0 && name.bytes > 0 && name.bytes <= 255 &&
	       slice_find(name, 0) == name.bytes;
}

// read_alpn makes sure that each entry is whole and not empty (RFC 7301 3.1).
static bool read_alpn(struct parts *parts, struct slice body)
{
	struct slice list;
	if (!take_list(body, &list))
		return false;
	struct bytes_reader r = reader_of(list);
	while (r.ok && r.left > 0)
		if (take_u8_vector(&r).bytes == 0)
			return false;
	parts->hello->alpn = list;
	return r.ok;
}

static bool read_schemes(struct parts *parts, struct slice body)
{
	static const uint16_t schemes[TLS_SCHEME_COUNT] = {
		[TLS_SCHEME_ECDSA_P256_SHA256] = 0x0403, [TLS_SCHEME_ECDSA_P384_SHA384] = 0x0503,
		[TLS_SCHEME_ED25519] = 0x0807,           [TLS_SCHEME_RSA_PSS_SHA256] = 0x0804,
		[TLS_SCHEME_RSA_PSS_SHA384] = 0x0805,    [TLS_SCHEME_RSA_PSS_SHA512] = 0x0806,
	};
	struct slice list;
	if (!take_u16_list(body, &list))
		return false;
	for (size_t i = 0; i < list.bytes; i += 2)
		for (unsigned scheme = 0; scheme < TLS_SCHEME_COUNT; scheme++)
			if (schemes[scheme] == u16_at(list, i))
				parts->hello->schemes |= 1u << scheme;
	return true;
}

static bool read_versions(struct parts *parts, struct slice body)
{
	struct bytes_reader r = reader_of(body);
	struct slice list = take_u8_vector(&r);
	parts->has_1_3 = has_u16(list, 0x0304);
	return is_at_end(&r) && list.bytes % 2 == 0;
}

static bool read_modes(struct parts *parts, struct slice body)
{
	struct bytes_reader r = reader_of(body);
	struct slice list = take_u8_vector(&r);
	parts->has_modes = true;
	parts->hello->has_psk_dhe = slice_find(list, 1) < list.bytes;
	return is_at_end(&r) && list.bytes > 0;
}

static bool read_shares(struct parts *parts, struct slice body)
{
	struct bytes_reader r = reader_of(body);
	parts->shares = take_u16_vector(&r);
	return is_at_end(&r);
}

// read_status_request takes what clients send: OCSP, no responders named, no extensions (RFC 6066
// 8).
static bool read_status_request(struct slice body)
{
	return slice_equal(body, slice_of("\x01\0\0\0", 5));
}

// read_psk takes one identity with one binder (RFC 8446 4.2.11).
static bool read_psk(struct parts *parts, struct slice body)
{
	struct tls_hello *hello = parts->hello;
	struct bytes_reader r = reader_of(body);
	struct slice identities = take_u16_vector(&r);
	const uint8_t *binders_at = r.at;
	struct slice binders = take_u16_vector(&r);
	struct bytes_reader ids = reader_of(identities);
	struct bytes_reader macs = reader_of(binders);
	hello->identity = take_u16_vector(&ids);
	hello->obfuscated_age = bytes_u32(&ids);
	hello->binder = take_u8_vector(&macs);
	hello->truncated_bytes = (uint32_t)((const char *)binders_at - hello->message.at);
	parts->has_psk = true;
	return is_at_end(&r) && is_at_end(&ids) && is_at_end(&macs) && hello->identity.bytes > 0 &&
	       (hello->binder.bytes == 32 || hello->binder.bytes == 48);
}

// read_extension looks at one extension; false: not ours.
static bool read_extension(struct parts *parts, uint16_t type, struct slice body)
{
	struct slice ignored;
	switch (type) {
	case EXT_SERVER_NAME: return read_server_name(parts, body);
	case EXT_STATUS_REQUEST: return read_status_request(body);
	case EXT_SUPPORTED_GROUPS: return take_u16_list(body, &parts->groups);
	case EXT_SIGNATURE_ALGORITHMS: return read_schemes(parts, body);
	case EXT_ALPN: return read_alpn(parts, body);
	case EXT_PRE_SHARED_KEY: return read_psk(parts, body);
	case EXT_SUPPORTED_VERSIONS: return read_versions(parts, body);
	case EXT_PSK_MODES: return read_modes(parts, body);
	case EXT_KEY_SHARE: return read_shares(parts, body);
	case EXT_POST_HANDSHAKE_AUTH: return body.bytes == 0;
	case EXT_SIGNATURE_ALGORITHMS_CERT: return take_u16_list(body, &ignored);
	case EXT_MAX_FRAGMENT_LENGTH: // RFC 6066 4: a wish that need not be granted
		return body.bytes == 1 && body.at[0] >= 1 && body.at[0] <= 4;
	case EXT_USE_SRTP:
	case EXT_EARLY_DATA:
	case EXT_COOKIE:
	case EXT_CERTIFICATE_AUTHORITIES:
	case EXT_CRYPTOPRO: return false;
	default: return true; // RFC 8446 4.1.2: not known, not heeded
	}
}

// is_new notes an extension's type; false when it was there before, or too many are.
static bool is_new(struct parts *parts, uint16_t type)
{
	if (++parts->count > EXTENSIONS_MAX)
		return false;
	if (type < 64) {
		uint64_t before = parts->seen;
		parts->seen |= 1ull << type;
		return parts->seen != before;
	}
	for (unsigned i = 0; i < parts->other_count; i++)
		if (parts->others[i] == type)
			return false;
	parts->others[parts->other_count++] = type;
	return true;
}

static bool read_extensions(struct parts *parts, struct slice list)
{
	struct bytes_reader r = reader_of(list);
	while (r.ok && r.left > 0) {
		uint16_t type = bytes_u16(&r);
		struct slice body = take_u16_vector(&r);
		if (!r.ok || parts->has_psk) // pre_shared_key is the last one
			return false;
		if (!is_new(parts, type) || !read_extension(parts, type, body))
			return false;
	}
	return r.ok;
}

// choose_share takes the client's first share of a group that OpenSSL would take; false when that
// is none of ours, or a share is of a group that the client does not list, or of one it sent
// before.
static bool choose_share(struct parts *parts)
{
	struct tls_hello *hello = parts->hello;
	struct bytes_reader r = reader_of(parts->shares);
	uint16_t seen[SHARES_MAX];
	bool is_chosen = false;
	if (parts->groups.bytes > 2 * GROUPS_MAX)
		return false;
	for (unsigned n = 0; r.ok && r.left > 0; n++) {
		uint16_t group = bytes_u16(&r);
		struct slice share = take_u16_vector(&r);
		if (n == SHARES_MAX || share.bytes == 0 || !has_u16(parts->groups, group))
			return false;
		for (unsigned i = 0; i < n; i++)
			if (seen[i] == group)
				return false;
		seen[n] = group;
		if (is_chosen)
			continue;
		is_chosen = true;
		if (group == GROUP_X25519 && share.bytes == X25519_BYTES)
			hello->share_x25519 = share;
		else if (group == GROUP_P256 && share.bytes == P256_BYTES && share.at[0] == 4)
			hello->share_p256 = share;
		else if (group == GROUP_X25519 || group == GROUP_P256 || group == GROUP_P384)
			return false;
		else
			is_chosen = false;
	}
	return r.ok && is_chosen;
}

// read_message reads the whole message at hello->message; false: not ours.
static bool read_message(struct tls_hello *hello)
{
	struct parts parts = {.hello = hello};
	struct bytes_reader r = reader_of(slice_skip(hello->message, MESSAGE_HEAD));
	uint16_t version = bytes_u16(&r);
	hello->random = take(&r, 32);
	hello->session_id = take_u8_vector(&r);
	struct slice suites = take_u16_vector(&r);
	struct slice compression = take_u8_vector(&r);
	struct slice extensions = take_u16_vector(&r);
	if (!is_at_end(&r) || version != 0x0303 || hello->session_id.bytes > 32)
		return false;
	if (compression.bytes != 1 || compression.at[0] != 0)
		return false;
	if (!read_suites(hello, suites) || !read_extensions(&parts, extensions))
		return false;
	if (!parts.has_1_3 || !hello->schemes || (parts.has_psk && !parts.has_modes))
		return false;
	return choose_share(&parts);
}

// The records of the message, as far as they are there.
struct framing {
	size_t at;            // in the wire: behind the last record looked at
	size_t message_bytes; // in whole records
	unsigned record_count;
	uint8_t head[MESSAGE_HEAD]; // of the message, as far as it is there
	unsigned head_bytes;
};

// message_total tells the message's length with its head, 0 while that is not known.
static size_t message_total(const struct framing *f)
{
	if (f->head_bytes < MESSAGE_HEAD)
		return 0;
	return MESSAGE_HEAD + ((size_t)f->head[1] << 16 | (size_t)f->head[2] << 8 | f->head[3]);
}

// measure_record looks at the record at f->at. OURS: it is whole and well so far.
static enum tls_hello_verdict measure_record(struct slice wire, struct framing *f)
{
	const uint8_t *record = (const uint8_t *)wire.at + f->at;
	size_t left = wire.bytes - f->at;
	if ((left > 0 && record[0] != TLS_CONTENT_HANDSHAKE) || (left > 1 && record[1] != 3) ||
	    (left > 2 && record[2] != 1 && record[2] != 3))
		return TLS_HELLO_OPENSSL;
	if (left < TLS_RECORD_HEAD)
		return TLS_HELLO_MORE;
	size_t bytes = (size_t)record[3] << 8 | record[4];
	size_t there = MIN(bytes, left - TLS_RECORD_HEAD);
	if (bytes == 0 || f->record_count == RECORDS_MAX)
		return TLS_HELLO_OPENSSL;
	for (size_t i = 0; i < there && f->head_bytes < MESSAGE_HEAD; i++)
		f->head[f->head_bytes++] = record[TLS_RECORD_HEAD + i];
	size_t most = message_total(f) ? message_total(f) : TLS_HELLO_ROOM;
	if ((f->head_bytes > 0 && f->head[0] != CLIENT_HELLO) || most > TLS_HELLO_ROOM ||
	    f->message_bytes + bytes > most)
		return TLS_HELLO_OPENSSL;
	if (there < bytes)
		return TLS_HELLO_MORE;
	f->record_count++;
	f->message_bytes += bytes;
	f->at += TLS_RECORD_HEAD + bytes;
	return TLS_HELLO_OURS;
}

// gather copies the message together from its records.
static void gather(struct slice wire, const struct framing *f, uint8_t *room)
{
	size_t have = 0;
	const uint8_t *record = (const uint8_t *)wire.at;
	while (have < f->message_bytes) {
		size_t bytes = (size_t)record[3] << 8 | record[4];
		memcpy(room + have, record + TLS_RECORD_HEAD, bytes);
		have += bytes;
		record += TLS_RECORD_HEAD + bytes;
	}
}

enum tls_hello_verdict tls_hello_read(struct slice wire, uint8_t *room, struct tls_hello *hello,
				      size_t *wire_bytes)
{
	struct framing f = {0};
	struct tls_hello read = {0};
	if (wire.bytes == 0)
		return TLS_HELLO_MORE;
	do {
		enum tls_hello_verdict verdict = measure_record(wire, &f);
		if (verdict != TLS_HELLO_OURS)
			return verdict;
	} while (f.message_bytes != message_total(&f));
	read.message = slice_of(wire.at + TLS_RECORD_HEAD, f.message_bytes);
	if (f.record_count > 1) {
		if (!room)
			return TLS_HELLO_OPENSSL;
		gather(wire, &f, room);
		read.message.at = (const char *)room;
	}
	if (!read_message(&read))
		return TLS_HELLO_OPENSSL;
	*hello = read;
	*wire_bytes = f.at;
	return TLS_HELLO_OURS;
}
