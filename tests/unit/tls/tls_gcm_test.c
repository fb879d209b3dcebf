// SPDX-License-Identifier: Apache-2.0
// AES-GCM has two ways through the record layer, libipsec-mb and EVP (tls_keys.c): both must make
// the same record of the same text, and open what the other sealed.
#include "check.h"
#include "tls_priv.h"
#include "unit.h"

#define RECORD_MAX (TLS_RECORD_HEAD + TLS_PLAINTEXT_MAX + 1 + TLS_TAG_BYTES)

static struct tls_crypto fast, slow; // slow has EVP only

static void start(void)
{
	CHECK(tls_crypto_init(&fast) && tls_crypto_init(&slow));
	tls_gcm_free(slow.gcm);
	slow.gcm = NULL;
}

static void stop(void)
{
	tls_crypto_fini(&fast);
	tls_crypto_fini(&slow);
}

static struct tls_key key_of(struct tls_crypto *crypto, unsigned suite, uint8_t first)
{
	const uint8_t secret[TLS_SECRET_MAX] = {first, 2, 3};
	struct tls_key key = {0};
	tls_key_install(crypto, &key, suite, secret);
	return key;
}

static void fill(uint8_t *record, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		record[TLS_RECORD_HEAD + i] = (uint8_t)(i * 7 + bytes);
}

// true when both seal alike and each opens the other's.
static bool is_alike(struct tls_key *a, struct tls_key *b, uint32_t bytes)
{
	static uint8_t one[RECORD_MAX], other[RECORD_MAX], text[RECORD_MAX];
	struct tls_key a_open = *a, b_open = *b;
	fill(one, bytes);
	fill(other, bytes);
	fill(text, bytes);
	bool is_sealed = tls_key_seal(&fast, a, one, bytes, NULL) &&
			 tls_key_seal(&slow, b, other, bytes, NULL) &&
			 memcmp(one, other, TLS_RECORD_HEAD + bytes + TLS_TAG_BYTES) == 0;
	bool is_opened = tls_key_open(&slow, &b_open, one, bytes + TLS_TAG_BYTES) &&
			 tls_key_open(&fast, &a_open, other, bytes + TLS_TAG_BYTES);
	uint8_t *plain = text + TLS_RECORD_HEAD;
	return is_sealed && is_opened && memcmp(one + TLS_RECORD_HEAD, plain, bytes) == 0 &&
	       memcmp(other + TLS_RECORD_HEAD, plain, bytes) == 0;
}

static void both_ways_make_the_same_record(void)
{
	start();
	if (!fast.gcm)
		printf("# skipped: no libipsec-mb here, or no AES instructions\n");
	for (unsigned suite = 0; suite < TLS_SUITE_COUNT; suite++) {
		struct tls_key a = key_of(&fast, suite, 1), b = key_of(&slow, suite, 1);
		for (uint32_t bytes = 0; bytes <= TLS_PLAINTEXT_MAX + 1;
		     bytes += bytes < 600 ? 1 : 1303)
			CU_ASSERT(is_alike(&a, &b, bytes));
		CU_ASSERT(is_alike(&a, &b, TLS_PLAINTEXT_MAX + 1));
	}
	stop();
}

// seal_with_gaps seals bytes of the usual text with runs of step bytes, every other one, elsewhere.
static bool seal_with_gaps(struct tls_crypto *crypto, struct tls_key *key, uint8_t *record,
			   uint32_t bytes, uint32_t step)
{
	static uint8_t elsewhere[RECORD_MAX];
	struct gaps gaps = {.count = 0};
	fill(record, bytes);
	memcpy(elsewhere, record, RECORD_MAX);
	for (uint32_t at = step / 3; at + step <= bytes && gaps.count < GAPS_MAX; at += 2 * step) {
		gaps_add(&gaps, at, slice_of(elsewhere + TLS_RECORD_HEAD + at, step));
		memset(record + TLS_RECORD_HEAD + at, 0xee, step);
	}
	return tls_key_seal(crypto, key, record, bytes, &gaps);
}

static void gaps_make_no_difference_to_the_record(void)
{
	static const uint32_t steps[] = {1, 15, 16, 17, 100, 2048, 4072, 16384};
	static uint8_t plain[RECORD_MAX], one[RECORD_MAX], other[RECORD_MAX];
	start();
	for (unsigned suite = 0; suite < TLS_SUITE_COUNT; suite++) {
		struct tls_key a = key_of(&fast, suite, 4), b = a, c = key_of(&slow, suite, 4);
		for (uint32_t bytes = 1; bytes <= TLS_PLAINTEXT_MAX + 1; bytes += 1637) {
			for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
				uint32_t all = TLS_RECORD_HEAD + bytes + TLS_TAG_BYTES;
				fill(plain, bytes);
				CU_ASSERT(tls_key_seal(&fast, &a, plain, bytes, NULL));
				CU_ASSERT(seal_with_gaps(&fast, &b, one, bytes, steps[i]));
				CU_ASSERT(seal_with_gaps(&slow, &c, other, bytes, steps[i]));
				CU_ASSERT(memcmp(plain, one, all) == 0);
				CU_ASSERT(memcmp(plain, other, all) == 0);
			}
		}
	}
	stop();
}

static void a_changed_bit_anywhere_is_seen(void)
{
	start();
	for (unsigned suite = 0; suite < TLS_SUITE_COUNT; suite++) {
		struct tls_key write = key_of(&fast, suite, 9), read = write;
		const uint32_t bytes = 40, all = TLS_RECORD_HEAD + bytes + TLS_TAG_BYTES;
		for (uint32_t bit = 0; bit < all * 8; bit++) {
			uint8_t record[128];
			fill(record, bytes);
			CU_ASSERT(tls_key_seal(&fast, &write, record, bytes, NULL));
			record[bit / 8] ^= (uint8_t)(1u << bit % 8);
			CU_ASSERT(!tls_key_open(&fast, &read, record, bytes + TLS_TAG_BYTES));
		}
	}
	stop();
}

// More keys than the table of expanded ones has room for, in turn, with some that are updated.
static void keys_may_take_turns(void)
{
	enum { KEYS = 1500 };
	static struct tls_key a[KEYS], b[KEYS];
	start();
	for (unsigned i = 0; i < KEYS; i++) {
		a[i] = key_of(&fast, i % 2, (uint8_t)(i / 2));
		b[i] = key_of(&slow, i % 2, (uint8_t)(i / 2));
	}
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < KEYS; i++) {
			CU_ASSERT(is_alike(&a[i], &b[i], 64));
			if (i % 5 == round) {
				tls_key_update(&fast, &a[i]);
				tls_key_update(&slow, &b[i]);
			}
		}
	for (unsigned i = 0; i < KEYS; i++)
		tls_key_wipe(&fast, &a[i]);
	stop();
}

// once is true when both ways seal text alike under key and open the other's, and none of it with
// another head.
static bool once(const uint8_t key[TLS_KEY_MAX], uint32_t head_bytes, uint32_t bytes)
{
	uint8_t head[64] = {1, 2, 3}, one[512] = {4, 5}, other[512] = {4, 5}, text[512] = {4, 5};
	struct slice said = slice_of(head, head_bytes);
	bool is_sealed = tls_once_seal(&fast, key, said, one, bytes) &&
			 tls_once_seal(&slow, key, said, other, bytes) &&
			 memcmp(one, other, bytes + TLS_TAG_BYTES) == 0;
	bool is_opened = tls_once_open(&slow, key, said, one, bytes) &&
			 tls_once_open(&fast, key, said, other, bytes) &&
			 memcmp(one, text, bytes) == 0 && memcmp(other, text, bytes) == 0;
	tls_once_seal(&fast, key, said, one, bytes);
	tls_once_seal(&slow, key, said, other, bytes);
	head[head_bytes - 1] ^= 1;
	return is_sealed && is_opened && !tls_once_open(&fast, key, said, one, bytes) &&
	       !tls_once_open(&slow, key, said, other, bytes);
}

// A key of one use is never taken for another one, nor for one that is kept.
static void keys_of_one_use_leave_nothing(void)
{
	uint8_t key[TLS_KEY_MAX] = {0};
	start();
	struct tls_key a = key_of(&fast, TLS_SUITE_AES_256, 1);
	struct tls_key b = key_of(&slow, TLS_SUITE_AES_256, 1);
	for (uint8_t i = 0; i < 50; i++) {
		key[i % TLS_KEY_MAX] = (uint8_t)(i + 1);
		CU_ASSERT(once(key, 1u + i, 8u * i + 1));
		CU_ASSERT(is_alike(&a, &b, 64));
	}
	stop();
}

UNIT_MAIN("tls_gcm", {"both ways make the same record", both_ways_make_the_same_record},
	  {"gaps make no difference to the record", gaps_make_no_difference_to_the_record},
	  {"a changed bit anywhere is seen", a_changed_bit_anywhere_is_seen},
	  {"keys may take turns", keys_may_take_turns},
	  {"keys of one use leave nothing", keys_of_one_use_leave_nothing})
