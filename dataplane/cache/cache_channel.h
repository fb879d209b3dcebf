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
//   MORE(object, mirror) ──▶    has read all that is there of an object that grows
//                        ◀──    GROWN(mirror)          exactly one: there is more, or the end
//                        ◀──    JOINED(filler, object) what the asker fetches is read by others
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
	CACHE_MESSAGE_MORE,
	CACHE_MESSAGE_GROWN,
	CACHE_MESSAGE_JOINED,
	CACHE_MESSAGE_INVALIDATE,
	CACHE_MESSAGE_INVALIDATE_ALL,
	CACHE_MESSAGE_KIND_COUNT
};

struct cache_message {
	enum cache_message_kind kind;
	bool is_marked; // REFUSE: remember that the key is not storable; PARCEL_BACK: stop filling
	uint8_t growth; // of the object in ANSWER or JOINED, or of GROWN: enum cache_growth
	uint32_t bytes; // DATA: in the parcel
	void *errand;   // ASK, ANSWER, CANCEL: the asker's
	void *parcel;   // BEGIN, DATA, PARCEL_BACK: the asker's
	void *fill;     // BEGIN .. ABANDON: the owner's
	struct cache_object *object; // RELEASE, MORE, JOINED: the owner's
	struct cache_object *mirror; // MORE, GROWN: the asker's
	uint64_t body_bytes;         // MORE: read so far; with growth: there is so much
	uint64_t content_length;     // with growth: of the whole, HTTP_LENGTH_NONE when not known
	uint64_t key_hash;           // INVALIDATE
	uint32_t intent;             // INVALIDATE: the disk's, for the owner to end
	struct pool_id filler; // BEGIN, DATA, PARCEL_BACK, JOINED: the asker's name of the fill
	struct cache_answer answer; // ANSWER; its fill is the owner's
};
