// SPDX-License-Identifier: Apache-2.0
// AES-GCM by libipsec-mb; see tls_gcm.h.
#include "tls_gcm.h"

#include "check.h"

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS     1024u // expanded keys: 512 connections that take turns
#define TAG_BYTES 16u

struct slot {
	struct gcm_key_data key; // the library wants 64
	uint64_t serial;         // 0: none
} __attribute__((aligned(64)));

struct tls_gcm {
	struct slot slots[SLOTS];
	struct slot once; // during a call
	IMB_MGR *mgr;
};

// Emulation in C is slower than OpenSSL's worst.
static IMB_MGR *new_mgr(void)
{
	IMB_ARCH arch = IMB_ARCH_NONE;
	IMB_MGR *mgr = alloc_mb_mgr(0);
	if (mgr)
		init_mb_mgr_auto(mgr, &arch);
	if (arch >= IMB_ARCH_SSE && imb_get_errno(mgr) == 0)
		return mgr;
	if (mgr)
		free_mb_mgr(mgr);
	return NULL;
}

struct tls_gcm *tls_gcm_new(void)
{
	struct tls_gcm *gcm = aligned_alloc(_Alignof(struct tls_gcm), sizeof(*gcm));
	if (!gcm)
		return NULL;
	memset(gcm, 0, sizeof(*gcm));
	gcm->mgr = new_mgr();
	if (gcm->mgr)
		return gcm;
	free(gcm);
	return NULL;
}

void tls_gcm_free(struct tls_gcm *gcm)
{
	if (!gcm)
		return;
	explicit_bzero(gcm->slots, sizeof(gcm->slots));
	free_mb_mgr(gcm->mgr);
	free(gcm);
}

static const struct gcm_key_data *expanded(struct tls_gcm *gcm, const struct tls_gcm_record *record)
{
	bool is_once = record->serial == 0;
	struct slot *slot = is_once ? &gcm->once : &gcm->slots[record->serial % SLOTS];
	if (!is_once && slot->serial == record->serial)
		return &slot->key;
	slot->serial = record->serial;
	if (record->is_256)
		IMB_AES256_GCM_PRE(gcm->mgr, record->key, &slot->key);
	else
		IMB_AES128_GCM_PRE(gcm->mgr, record->key, &slot->key);
	return &slot->key;
}

// done wipes a key that is not kept.
static void done(struct tls_gcm *gcm, const struct tls_gcm_record *record)
{
	if (record->serial == 0)
		explicit_bzero(&gcm->once, sizeof(gcm->once));
}

// seal_gaps seals a body in pieces: what lies in it in place, what belongs into a gap from where it
// is.
static void seal_gaps(struct tls_gcm *gcm, const struct gcm_key_data *key,
		      const struct tls_gcm_record *record)
{
	const IMB_MGR *mgr = gcm->mgr;
	aes_gcm_init_t begin = record->is_256 ? mgr->gcm256_init : mgr->gcm128_init;
	aes_gcm_enc_dec_update_t seal =
		record->is_256 ? mgr->gcm256_enc_update : mgr->gcm128_enc_update;
	aes_gcm_enc_dec_finalize_t end =
		record->is_256 ? mgr->gcm256_enc_finalize : mgr->gcm128_enc_finalize;
	struct gcm_context_data context;
	uint8_t *body = record->body;
	size_t at = 0;
	begin(key, &context, record->nonce, record->head, record->head_bytes);
	for (uint32_t i = 0; i < record->gaps->count; i++) {
		const struct gap *gap = &record->gaps->gap[i];
		CHECK(gap->at >= at && gap->at + gap->run.bytes <= record->bytes);
		seal(key, &context, body + at, body + at, gap->at - at);
		seal(key, &context, body + gap->at, (const uint8_t *)gap->run.at, gap->run.bytes);
		at = gap->at + gap->run.bytes;
	}
	seal(key, &context, body + at, body + at, record->bytes - at);
	end(key, &context, body + record->bytes, TAG_BYTES);
}

void tls_gcm_seal(struct tls_gcm *gcm, const struct tls_gcm_record *record)
{
	const struct gcm_key_data *key = expanded(gcm, record);
	struct gcm_context_data context;
	if (record->gaps && record->gaps->count) {
		seal_gaps(gcm, key, record);
		done(gcm, record);
		return;
	}
	aes_gcm_enc_dec_t seal = record->is_256 ? gcm->mgr->gcm256_enc : gcm->mgr->gcm128_enc;
	seal(key, &context, record->body, record->body, record->bytes, record->nonce, record->head,
	     record->head_bytes, record->body + record->bytes, TAG_BYTES);
	done(gcm, record);
}

bool tls_gcm_open(struct tls_gcm *gcm, const struct tls_gcm_record *record)
{
	const struct gcm_key_data *key = expanded(gcm, record);
	struct gcm_context_data context;
	uint8_t tag[TAG_BYTES];
	aes_gcm_enc_dec_t open = record->is_256 ? gcm->mgr->gcm256_dec : gcm->mgr->gcm128_dec;
	open(key, &context, record->body, record->body, record->bytes, record->nonce, record->head,
	     record->head_bytes, tag, TAG_BYTES);
	done(gcm, record);
	return CRYPTO_memcmp(tag, record->body + record->bytes, TAG_BYTES) == 0;
}

void tls_gcm_forget(struct tls_gcm *gcm, uint64_t serial)
{
	struct slot *slot = gcm ? &gcm->slots[serial % SLOTS] : NULL;
	if (slot && serial && slot->serial == serial)
		explicit_bzero(slot, sizeof(*slot));
}
