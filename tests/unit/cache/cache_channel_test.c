// SPDX-License-Identifier: Apache-2.0
// Several shards of one node in one process. Messages travel late, in order, and through rings that
// are often full; askers go away at every point, and read what others still fetch. Whatever
// happens: each asker gets exactly one answer or cancelled, bodies are right, whole or said to be
// broken, purged responses do not come back, and at the end nothing is out.
#include "cache_channel.h"
#include "cache_fixture.h"
#include "check.h"
#include "random.h"

enum { WORKERS_MAX = 4, ASKERS = 24, RING = 512, URLS = 6, CHUNK = 16384 };

enum asker_state { IDLE, ASKED, FETCHING, FILLING, READING };

struct asker {
	enum asker_state state;
	uint32_t generation;
	uint32_t url;
	struct cache_answer answer;
	uint64_t version; // of the response it fills
	uint64_t left_bytes;
	struct cache_object *own; // what it fills, lent to itself
	uint64_t offset;          // read so far
	struct cache_reader reader;
	bool is_waiting; // for more of what another fetches
	bool is_far;     // it fetches for another worker
};

struct ring {
	struct cache_message messages[RING];
	uint32_t first, count;
};

struct node {
	struct world *world;
	uint32_t index;
	struct cache *cache;
	struct counters counters;
	struct asker askers[ASKERS];
};

struct world {
	struct random_source random;
	uint32_t worker_count;
	uint32_t ring_size;
	uint64_t now_us;
	uint64_t next_version;
	uint64_t purged_version[URLS]; // responses up to this one are forgotten
	uint64_t asked_version[WORKERS_MAX][ASKERS];
	bool is_draining;
	uint64_t hits, stored, confirmed, grown, broken, left, far_joined;
	struct ring rings[WORKERS_MAX][WORKERS_MAX];
	struct node nodes[WORKERS_MAX];
};

static bool carry(void *owner, uint32_t to_worker, const struct cache_message *message)
{
	struct node *node = owner;
	struct ring *ring = &node->world->rings[node->index][to_worker];
	if (ring->count == node->world->ring_size)
		return false;
	ring->messages[(ring->first + ring->count++) % RING] = *message;
	return true;
}

// The body of a version of a response: its number, again and again.
static uint64_t body_bytes(uint64_t version)
{
	return version * 7919 % 50000;
}

static char body_byte(uint64_t version, uint64_t offset)
{
	return (char)('a' + (version + offset / 100) % 26);
}

static const char *fields_of(struct world *world)
{
	static const char *const choices[] = {"cache-control: max-age=600",
					      "cache-control: max-age=600",
					      "cache-control: no-cache",
					      "cache-control: private",
					      "cache-control: max-age=600\nvary: accept",
					      "cache-control: max-age=1, stale-if-error=9",
					      "cache-control: max-age=1, stale-while-revalidate=9",
					      "cache-control: max-age=1\nvary: accept"};
	return choices[random_below(&world->random, 8)];
}

static uint64_t version_of(const struct http_message *head)
{
	struct slice text = http_field_find(head, SLICE("x-version"));
	char number[24] = {0};
	memcpy(number, text.at, text.bytes < 23 ? text.bytes : 23);
	return strtoull(number, NULL, 10);
}

// read_on checks what is there of an object from *offset on, up to end.
static void read_on(const struct cache_object *object, uint64_t *offset, uint64_t end)
{
	uint64_t version = version_of(cache_object_head(object));
	struct slice run;
	bool is_right = true;
	while (*offset < end && (run = cache_object_read(object, *offset, 3000)).bytes) {
		for (size_t i = 0; i < run.bytes; i += 97)
			is_right &= run.at[i] == body_byte(version, *offset + i);
		*offset += run.bytes;
	}
	CU_ASSERT(is_right && *offset <= body_bytes(version));
}

static void on_grown(struct cache_reader *reader)
{
	container_of(reader, struct asker, reader)->is_waiting = false;
}

static void start_reading(struct asker *asker)
{
	asker->state = READING;
	asker->offset = 0;
	asker->is_waiting = false;
	cache_reader_init(&asker->reader, on_grown);
}

static void check_object(struct node *node, struct asker *asker)
{
	const struct cache_object *object = asker->answer.object;
	struct world *world = node->world;
	uint64_t version = version_of(cache_object_head(object)),
		 bytes = cache_object_bytes(object);
	start_reading(asker);
	CU_ASSERT(bytes == body_bytes(version) ||
		  (bytes == HTTP_LENGTH_NONE && cache_object_growth(object) == CACHE_GROWING));
	CU_ASSERT(version > world->asked_version[node->index][asker - node->askers]);
	world->hits++;
}

static void answered(void *owner, struct pool_id id, const struct cache_answer *answer)
{
	struct node *node = owner;
	struct asker *asker = &node->askers[id.index];
	CU_ASSERT_EQUAL_FATAL(asker->state, ASKED);
	CU_ASSERT_EQUAL_FATAL(asker->generation, id.generation);
	asker->answer = *answer;
	switch (answer->verdict) {
	case CACHE_FETCH: asker->state = FETCHING; break;
	case CACHE_PASS:
		asker->state = IDLE;
		if (answer->stale)
			cache_release(node->cache, answer->stale);
		break;
	default: check_object(node, asker);
	}
	if (asker->state == READING && answer->fill) { // stale: it is fetched meanwhile
		cache_release(node->cache, answer->object);
		asker->answer.object = NULL;
		asker->state = FETCHING;
	}
}

static struct head *request_for(struct world *world, struct head *head, uint32_t url)
{
	static const char *const targets[URLS] = {"/0", "/1", "/2", "/3", "/4", "/5"};
	return request_of(head, targets[url],
			  random_below(&world->random, 3) ? "accept: a" : "accept: b");
}

static void start_asking(struct node *node, struct asker *asker)
{
	struct world *world = node->world;
	struct head head;
	uint32_t index = (uint32_t)(asker - node->askers);
	asker->state = ASKED;
	asker->generation++;
	asker->url = random_below(&world->random, URLS);
	// A purge that reached the owner before the question must hold.
	world->asked_version[node->index][index] = world->purged_version[asker->url];
	cache_ask(node->cache, &request_for(world, &head, asker->url)->message, NULL,
		  (struct pool_id){index, asker->generation});
}

// try_stale confirms the stale object, or lets it survive a failure, or gives it back: false.
static bool try_stale(struct node *node, struct asker *asker)
{
	struct world *world = node->world;
	struct cache_answer *answer = &asker->answer;
	struct head request, update;
	struct cache_refreshed refreshed;
	char etag[40];
	if (!answer->stale)
		return false;
	uint32_t choice = random_below(&world->random, 4);
	request_for(world, &request, asker->url);
	uint64_t version = version_of(cache_object_head(answer->stale));
	snprintf(etag, sizeof(etag), "etag: \"%llu\"\nx-new: 1", (unsigned long long)version);
	response_of(&update, 304, etag);
	start_reading(asker);
	if (choice < 2 &&
	    cache_validated(node->cache, &request.message, &update.message, answer, &refreshed)) {
		world->confirmed += refreshed.is_stored;
		return true;
	}
	if (choice == 2 && answer->survives_loss) {
		cache_survive(node->cache, &request.message, answer);
		return true;
	}
	cache_release(node->cache, answer->stale);
	answer->stale = NULL;
	return false;
}

static void begin_filling(struct node *node, struct asker *asker)
{
	if (try_stale(node, asker))
		return;
	struct world *world = node->world;
	struct head request, response;
	char fields[128];
	enum counter why = COUNTER_COUNT;
	asker->version = ++world->next_version;
	snprintf(fields, sizeof(fields), "%s\nx-version: %llu\netag: \"%llu\"\nsurrogate-key: t%u",
		 fields_of(world), (unsigned long long)asker->version,
		 (unsigned long long)asker->version, asker->url);
	asker->left_bytes = body_bytes(asker->version);
	asker->is_far = false;
	request_for(world, &request, asker->url);
	response_of(&response, 200, fields);
	if (random_below(&world->random, 2))
		response.message.content_length = asker->left_bytes;
	asker->state = FILLING;
	if (!cache_fill_begin(asker->answer.fill, &request.message, &response.message, &why)) {
		CU_ASSERT_NOT_EQUAL(why, COUNTER_COUNT);
		asker->state = IDLE;
	}
}

// return_own gives the loan of what it fills back.
static void return_own(struct node *node, struct asker *asker)
{
	if (asker->own)
		cache_release(node->cache, asker->own);
	asker->own = NULL;
}

static void go_on_filling(struct node *node, struct asker *asker)
{
	char piece[8000];
	uint64_t done = body_bytes(asker->version) - asker->left_bytes;
	size_t length = 1 + random_below(&node->world->random, sizeof(piece));
	if (asker->own) {
		asker->offset = 0;
		read_on(asker->own, &asker->offset, done);
		// On another worker it may be on its way yet, or memory was short there.
		CU_ASSERT(asker->is_far || asker->offset == done);
	}
	if (asker->left_bytes == 0) {
		asker->state = IDLE;
		cache_fill_end(asker->answer.fill);
		return_own(node, asker);
		return;
	}
	length = length < asker->left_bytes ? length : asker->left_bytes;
	for (size_t i = 0; i < length; i++)
		piece[i] = body_byte(asker->version, done + i);
	asker->left_bytes -= length;
	if (!cache_fill_write(asker->answer.fill, slice_of(piece, length))) {
		asker->state = IDLE;
		return_own(node, asker);
		return;
	}
	if (!asker->own) {
		asker->own = cache_fill_lend(asker->answer.fill);
		asker->is_far |= !asker->own;
		node->world->far_joined += asker->own && asker->is_far;
	}
	if (asker->own && random_below(&node->world->random, 8) == 0 &&
	    cache_fill_is_read(asker->answer.fill)) { // its client leaves, the fetch goes on
		cache_fill_return(asker->answer.fill, asker->own);
		asker->own = NULL;
		node->world->left++;
	}
}

static void leave(struct node *node, struct asker *asker)
{
	uint32_t index = (uint32_t)(asker - node->askers);
	enum asker_state state = asker->state;
	asker->state = IDLE;
	if (state == ASKED)
		cache_cancel(node->cache, (struct pool_id){index, asker->generation});
	if (state == FETCHING && asker->answer.stale)
		cache_release(node->cache, asker->answer.stale);
	if (state == FETCHING || state == FILLING)
		cache_fill_abandon(asker->answer.fill);
	return_own(node, asker);
	if (state != READING)
		return;
	cache_reader_leave(&asker->reader);
	cache_release(node->cache, asker->answer.object);
}

static void go_on_reading(struct node *node, struct asker *asker)
{
	struct cache_object *object = asker->answer.object;
	uint64_t version = version_of(cache_object_head(object));
	if (asker->is_waiting)
		return;
	enum cache_growth growth = cache_object_growth(object);
	read_on(object, &asker->offset, UINT64_MAX);
	if (growth == CACHE_GROWING) {
		node->world->grown++;
		asker->is_waiting = true;
		cache_object_await(node->cache, object, &asker->reader);
		return;
	}
	CU_ASSERT(growth == CACHE_BROKEN || (asker->offset == body_bytes(version) &&
					     cache_object_bytes(object) == asker->offset));
	node->world->broken += growth == CACHE_BROKEN;
	leave(node, asker);
}

static void step_asker(struct node *node, struct asker *asker)
{
	struct world *world = node->world;
	if (asker->state != IDLE && random_below(&world->random, 20) == 0) {
		leave(node, asker);
		return;
	}
	switch (asker->state) {
	case IDLE:
		if (!world->is_draining)
			start_asking(node, asker);
		break;
	case ASKED: break;
	case FETCHING: begin_filling(node, asker); break;
	case FILLING: go_on_filling(node, asker); break;
	case READING: go_on_reading(node, asker);
	}
}

static void deliver(struct world *world, uint32_t from, uint32_t to)
{
	struct ring *ring = &world->rings[from][to];
	uint32_t budget = random_below(&world->random, 4);
	for (; budget && ring->count; budget--) {
		struct cache_message message = ring->messages[ring->first];
		ring->first = (ring->first + 1) % RING;
		ring->count--;
		cache_message_received(world->nodes[to].cache, from, &message);
	}
}

// Control tells every worker; the owner is the one that forgets.
static void purge(struct world *world, uint32_t url)
{
	char text[32];
	snprintf(text, sizeof(text), "https://h.example/%u", url);
	char tag[8];
	bool is_by_tag = random_below(&world->random, 2);
	snprintf(tag, sizeof(tag), "t%u", url);
	for (uint32_t i = 0; i < world->worker_count; i++) {
		if (is_by_tag)
			cache_purge(world->nodes[i].cache, CACHE_PURGE_TAG, slice_str(tag), false);
		else
			cache_purge_url(world->nodes[i].cache, slice_str(text));
	}
	world->purged_version[url] = world->next_version;
}

static void turn(struct world *world)
{
	world->now_us += random_below(&world->random, 12000);
	for (uint32_t i = 0; i < world->worker_count; i++) {
		struct node *node = &world->nodes[i];
		cache_set_time(node->cache, world->now_us, 1000000 + world->now_us / 1000000);
		for (uint32_t from = 0; from < world->worker_count; from++)
			if (from != i)
				deliver(world, from, i);
		step_asker(node, &node->askers[random_below(&world->random, ASKERS)]);
		step_asker(node, &node->askers[random_below(&world->random, ASKERS)]);
		cache_run(node->cache);
	}
	if (random_below(&world->random, 150) == 0)
		purge(world, random_below(&world->random, URLS));
	if (random_below(&world->random, 400) == 0) {
		struct head head, answer;
		uint32_t i = random_below(&world->random, world->worker_count);
		request_for(world, &head, random_below(&world->random, URLS));
		response_of(&answer, 200, "location: /3");
		cache_invalidate(world->nodes[i].cache, &head.message, &answer.message);
	}
}

static void world_start(struct world *world, uint64_t seed)
{
	memset(world, 0, sizeof(*world));
	random_init(&world->random, (struct siphash_key){{seed, 11}});
	world->worker_count = 2 + (uint32_t)(seed % 3);
	world->ring_size = seed % 2 ? RING : 3;
	for (uint32_t i = 0; i < world->worker_count; i++) {
		struct cache_limits limits = fixture_limits();
		struct node *node = &world->nodes[i];
		limits.memory_bytes = 500000;
		limits.object_bytes = 4 << 20;
		limits.waiter_count = seed % 5 ? 16 : 3;
		limits.wait_ms = 300;
		limits.worker_index = i;
		limits.worker_count = world->worker_count;
		limits.send = carry;
		node->world = world;
		node->index = i;
		node->cache = cache_new(&limits, answered, node, &node->counters);
	}
}

static uint32_t all_in_flight(const struct world *world)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->worker_count; i++) {
		count += cache_in_flight(world->nodes[i].cache);
		for (uint32_t to = 0; to < world->worker_count; to++)
			count += world->rings[i][to].count;
		for (uint32_t a = 0; a < ASKERS; a++)
			count += world->nodes[i].askers[a].state != IDLE;
	}
	return count;
}

static void world_end(struct world *world)
{
	world->is_draining = true;
	for (int i = 0; i < 20000 && all_in_flight(world); i++)
		turn(world);
	CU_ASSERT_EQUAL(all_in_flight(world), 0);
	for (uint32_t i = 0; i < world->worker_count; i++) {
		struct node *node = &world->nodes[i];
		world->stored += node->counters.value[COUNTER_cache_stored];
		cache_purge_all(node->cache);
		for (int sweep = 0; sweep < 10; sweep++)
			cache_run(node->cache);
		CU_ASSERT_EQUAL(node->counters.value[COUNTER_cache_bytes], 0);
		cache_free(node->cache);
	}
}

static void thousands_of_seeds_answer_once_and_leak_nothing(void)
{
	static struct world world;
	const char *one = getenv("SEED");
	uint64_t first = one ? strtoull(one, NULL, 10) : 0;
	uint64_t hits = 0, stored = 0, confirmed = 0, channel_full = 0, passed = 0;
	uint64_t grown = 0, broken = 0, left = 0, far_joined = 0;
	for (uint64_t seed = first; seed < (one ? first + 1 : 2000); seed++) {
		unsigned before = CU_get_number_of_failure_records();
		world_start(&world, seed);
		for (int i = 0; i < 500; i++)
			turn(&world);
		world_end(&world);
		hits += world.hits;
		stored += world.stored;
		confirmed += world.confirmed;
		grown += world.grown;
		broken += world.broken;
		left += world.left;
		far_joined += world.far_joined;
		for (uint32_t i = 0; i < world.worker_count; i++) {
			const uint64_t *value = world.nodes[i].counters.value;
			channel_full += value[COUNTER_cache_channel_full];
			passed += value[COUNTER_cache_pass_channel];
		}
		if (CU_get_number_of_failure_records() > before) {
			printf("# failing seed: SEED=%llu\n", (unsigned long long)seed);
			break;
		}
	}
	printf("# %llu hits, %llu stored, %llu confirmed, %llu messages had to wait\n",
	       (unsigned long long)hits, (unsigned long long)stored, (unsigned long long)confirmed,
	       (unsigned long long)channel_full);
	printf("# %llu waited for more, %llu found it broken, %llu fetchers left, %llu for another"
	       " worker were joined\n",
	       (unsigned long long)grown, (unsigned long long)broken, (unsigned long long)left,
	       (unsigned long long)far_joined);
	if (!one)
		CU_ASSERT(grown > 1000 && broken > 100 && left > 10 && far_joined > 100);
	if (!one)
		CU_ASSERT(hits > 10000 && stored > 5000 && confirmed > 1000 &&
			  channel_full > 1000 && passed > 1000);
}

// pump delivers everything.
static void pump(struct world *world)
{
	for (int i = 0; i < 1000; i++) {
		for (uint32_t from = 0; from < world->worker_count; from++)
			for (uint32_t to = 0; to < world->worker_count; to++)
				deliver(world, from, to);
		for (uint32_t w = 0; w < world->worker_count; w++)
			cache_run(world->nodes[w].cache);
	}
}

static void a_body_that_the_channel_cannot_carry_is_not_stored_and_nobody_waits(void)
{
	static struct world world;
	char piece[CHUNK];
	memset(piece, 'x', sizeof(piece));
	world_start(&world, 1); // three workers
	struct node *node = &world.nodes[0];
	struct asker *asker = &node->askers[0];
	struct head request, response;
	enum counter why;
	while (asker->state != FETCHING || node->counters.value[COUNTER_cache_fetch] == 0) {
		leave(node, asker);
		start_asking(node, asker);
		if (asker->state == FETCHING)
			leave(node, asker); // its own shard's: not the one looked for
		else
			pump(&world);
	}
	request_for(&world, &request, asker->url);
	response_of(&response, 200, "cache-control: max-age=600\nx-version: 1");
	CU_ASSERT(cache_fill_begin(asker->answer.fill, &request.message, &response.message, &why));
	uint32_t pieces = 0;
	while (pieces < 1000 && cache_fill_write(asker->answer.fill, slice_of(piece, CHUNK)))
		pieces++;
	// 128 parcels, one of them with the head; no message was delivered meanwhile.
	CU_ASSERT_EQUAL(pieces, 127);
	CU_ASSERT_EQUAL(node->counters.value[COUNTER_cache_not_stored_channel], 1);
	asker->state = IDLE;
	pump(&world);
	CU_ASSERT_EQUAL(all_in_flight(&world), 0);
	world_end(&world);
	CU_ASSERT_EQUAL(world.stored, 0);
}

UNIT_MAIN("cache_channel",
	  {"a body that the channel cannot carry is not stored",
	   a_body_that_the_channel_cannot_carry_is_not_stored_and_nobody_waits},
	  {"thousands of seeds answer once and leak nothing",
	   thousands_of_seeds_answer_once_and_leak_nothing})
