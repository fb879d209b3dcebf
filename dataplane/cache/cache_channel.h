// SPDX-License-Identifier: Apache-2.0
// Between the shards of one node. A key belongs to one worker; the others ask it by message.
// Messages are copied by value and arrive in order; pointers in them name memory that its owner
// keeps until the answer, and that nobody changes meanwhile.
//
//   asker                       owner
//   ASK(errand)          ──▶    looks up, or lets it wait
//                        ◀──    ANSWER(errand, object | fill | nothing)      exactly one
//   RELEASE(object)      ──▶    when it has sent the object
//   BEGIN, DATA .. (parcel) ──▶ copies into its own memory
//                        ◀──    PARCEL_BACK
//   END | REFUSE | ABANDON ──▶  stores, or lets the waiters go
//   CANCEL(errand)       ──▶    a waiter's asker is gone: answered at once
//   INVALIDATE(key hash) ──▶    forgets a URL, or all
#pragma once

#include "cache.h"

enum cache_message_kind {
	CACHE_MESSAGE_ASK,
	CACHE_MESSAGE_ANSWER,
	CACHE_MESSAGE_CANCEL,
	CACHE_MESSAGE_RELEASE,
	CACHE_MESSAGE_BEGIN,
	CACHE_MESSAGE_DATA,
	CACHE_MESSAGE_PARCEL_BACK,
	CACHE_MESSAGE_END,
	CACHE_MESSAGE_REFUSE,
	CACHE_MESSAGE_ABANDON,
	CACHE_MESSAGE_INVALIDATE,
	CACHE_MESSAGE_INVALIDATE_ALL,
	CACHE_MESSAGE_KIND_COUNT
};

struct cache_message {
	enum cache_message_kind kind;
	bool is_marked; // REFUSE: remember that the key is not storable; PARCEL_BACK: stop filling
	uint32_t bytes; // DATA: in the parcel
	void *errand;   // ASK, ANSWER, CANCEL: the asker's
	void *parcel;   // BEGIN, DATA, PARCEL_BACK: the asker's
	void *fill;     // BEGIN .. ABANDON: the owner's
	struct cache_object *object; // RELEASE
	uint64_t key_hash;           // INVALIDATE
	struct pool_id filler;       // BEGIN, DATA, PARCEL_BACK: the asker's name of the fill
	struct cache_answer answer;  // ANSWER; its fill is the owner's
};
