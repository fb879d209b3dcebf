// SPDX-License-Identifier: Apache-2.0
// SYN cookies (RFC 4987 3.6): when no half-open connection can be kept, our ISN is a MAC of what
// the SYN said, and the ACK that brings it back makes the connection. The ISN is 3 bits of segment
// size, 2 bits of the secret's generation and 27 bits of SipHash; window scale, SACK and ECN travel
// in the low bits of the timestamp that the peer echoes, and without timestamps are not agreed
// upon.
#include "tcp_priv.h"

#define MAC_BITS        27u
#define GENERATION_MASK 3u
#define LIFE_US         32000000ull // a secret makes cookies so long, and takes them twice that
#define OPTION_BITS     6u
#define OPTION_MASK     ((1u << OPTION_BITS) - 1)
#define NO_SCALE        15u // TCP_SCALE_MAX is 14
#define SACK_BIT        16u
#define ECN_BIT         32u

static const uint16_t sizes[8] = {TCP_MSS_MIN, 536, 1220, 1360, 1400, 1440, 1460, 8940};

// What a cookie vouches for; hashed whole, so without padding.
struct cookie {
	struct tcp_tuple tuple;
	uint32_t irs;
	uint32_t size;    // index of sizes
	uint32_t options; // scale or NO_SCALE, SACK_BIT, ECN_BIT
};

static_assert(sizeof(struct cookie) == sizeof(struct tcp_tuple) + 12, "hashed: no padding");

static uint64_t generation_now(const struct tcp *tcp)
{
	return tcp->now_us / LIFE_US + 1; // 0 is a secret never drawn
}

static uint32_t iss_of(const struct tcp *tcp, const struct cookie *cookie, uint64_t generation)
{
	const struct siphash_key *key = &tcp->cookie_secrets[generation % 2].key;
	uint32_t mac = (uint32_t)siphash(key, cookie, sizeof(*cookie)) >> (32 - MAC_BITS);
	return cookie->size << 29 | (uint32_t)(generation & GENERATION_MASK) << MAC_BITS | mac;
}

static uint32_t size_below(uint16_t mss)
{
	uint32_t index = 0;
	while (index + 1 < ARRAY_LEN(sizes) && sizes[index + 1] <= mss)
		index++;
	return index;
}

// stamp is the newest timestamp up to now whose low bits are options: our clock never goes back.
static uint32_t stamp(const struct tcp *tcp, uint32_t ts_offset, uint32_t options)
{
	uint32_t now = tcp_ts_now(tcp, ts_offset);
	uint32_t value = (now & ~OPTION_MASK) | options;
	return seq_before(seq_of(now), seq_of(value)) ? value - (1u << OPTION_BITS) : value;
}

void tcp_cookie_send(struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_segment *syn)
{
	uint64_t generation = generation_now(tcp);
	struct tcp_cookie_secret *secret = &tcp->cookie_secrets[generation % 2];
	if (tcp->conns.free_count == 0) // a promise that could not be kept
		return;
	if (!bucket_take(&tcp->cookies_full_ns, tcp->now_us, tcp->limits.cookies_per_s)) {
		tcp_count(tcp, COUNTER_tcp_cookies_limited);
		return;
	}
	if (secret->generation != generation)
		*secret = (struct tcp_cookie_secret){random_key(tcp->random), generation};
	struct tcp_half half = {
		.tcp = tcp,
		.tuple = *tuple,
		.agreed = tcp_agree(tcp, tuple, syn),
		.irs = syn->seq,
	};
	struct tcp_agreed *agreed = &half.agreed;
	struct cookie cookie = {.tuple = *tuple, .irs = syn->seq.value};
	struct tcp_segment answer;
	cookie.size = size_below(agreed->send_mss);
	if (agreed->has_timestamps)
		cookie.options = (agreed->has_scale ? agreed->send_scale : NO_SCALE) |
				 (agreed->has_sack ? SACK_BIT : 0) |
				 (agreed->has_ecn ? ECN_BIT : 0);
	else
		agreed->has_scale = agreed->has_sack = agreed->has_ecn = false;
	half.iss = seq_of(iss_of(tcp, &cookie, generation));
	tcp_half_answer(&half, &answer);
	answer.ts_value = stamp(tcp, agreed->ts_offset, cookie.options);
	tcp_count(tcp, COUNTER_tcp_cookies_sent);
	tcp_output_bare(tcp, tuple, &answer);
}

// read_agreed is what the handshake agreed on, as cookie and the first ACK tell.
static struct tcp_agreed read_agreed(const struct tcp *tcp, const struct cookie *cookie,
				     const struct tcp_segment *ack)
{
	uint32_t scale = cookie->options & NO_SCALE;
	struct tcp_segment syn = {
		.has_mss = true,
		.mss = sizes[cookie->size],
		.has_timestamps = ack->has_timestamps,
		.ts_value = ack->ts_value,
		.has_scale = ack->has_timestamps && scale != NO_SCALE,
		.scale = (uint8_t)(scale == NO_SCALE ? 0 : scale),
		.is_sack_permitted = cookie->options & SACK_BIT,
		.flags = cookie->options & ECN_BIT ? TCP_ECE | TCP_CWR : 0,
	};
	return tcp_agree(tcp, &cookie->tuple, &syn);
}

bool tcp_cookie_is_sent(const struct tcp *tcp)
{
	uint64_t newest = MAX(tcp->cookie_secrets[0].generation, tcp->cookie_secrets[1].generation);
	return newest > 0 && generation_now(tcp) - newest <= GENERATION_MASK;
}

// read_cookie is what an ACK that returns a cookie says; whether it is ours, check tells.
static struct cookie read_cookie(const struct tcp_tuple *tuple, const struct tcp_segment *ack)
{
	return (struct cookie){
		.tuple = *tuple,
		.irs = ack->seq.value - 1,
		.size = (ack->ack.value - 1) >> 29,
		.options = ack->has_timestamps ? ack->ts_echo & OPTION_MASK : 0,
	};
}

// check returns COUNTER_tcp_cookies_accepted for a cookie of ours, or the reason to refuse it.
static enum counter check(const struct tcp *tcp, const struct cookie *cookie, uint32_t iss)
{
	uint64_t now = generation_now(tcp);
	uint64_t age = (now - (iss >> MAC_BITS)) & GENERATION_MASK;
	if (age > 1 || age >= now || tcp->cookie_secrets[(now - age) % 2].generation != now - age)
		return COUNTER_tcp_cookie_expired;
	if (iss_of(tcp, cookie, now - age) != iss)
		return COUNTER_tcp_cookie_forged;
	return COUNTER_tcp_cookies_accepted;
}

bool tcp_cookie_is_ours(const struct tcp *tcp, const struct tcp_tuple *tuple,
			const struct tcp_segment *ack)
{
	struct cookie cookie = read_cookie(tuple, ack);
	return check(tcp, &cookie, ack->ack.value - 1) == COUNTER_tcp_cookies_accepted;
}

struct tcp_conn *tcp_cookie_open(struct tcp *tcp, struct tcp_listening *listening,
				 const struct tcp_tuple *tuple, const struct tcp_segment *ack)
{
	struct cookie cookie = read_cookie(tuple, ack);
	enum counter verdict = check(tcp, &cookie, ack->ack.value - 1);
	if (verdict != COUNTER_tcp_cookies_accepted) {
		tcp_count(tcp, verdict);
		// a wrong one is not reset: text, or a bare ACK with a later number, may have
		// overtaken the first ACK
		if (verdict == COUNTER_tcp_cookie_expired)
			tcp_output_reset(tcp, tuple, ack);
		return NULL;
	}
	struct tcp_half half = {
		.tcp = tcp,
		.tuple = *tuple,
		.agreed = read_agreed(tcp, &cookie, ack),
		.iss = seq_minus(ack->ack, 1),
		.irs = seq_minus(ack->seq, 1),
		.listener_index = (uint32_t)(listening - tcp->listenings),
	};
	struct tcp_conn *conn = tcp_half_make_conn(&half);
	if (conn)
		tcp_count(tcp, verdict);
	return conn;
}
