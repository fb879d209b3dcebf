// SPDX-License-Identifier: Apache-2.0
// A worker reads of another's objects while they grow, as many at once as it has mirrors: who wants
// one more is passed on and counted, who wants one that is mirrored already is not, and one that is
// given back is there for the next.
#include "cache_channel.h"
#include "cache_fixture.h"

#include "check.h"

enum { MIRRORS = 256, OBJECTS = MIRRORS + 1, ASKERS = 1024, MESSAGES = 4096 };

static struct ring {
	struct cache_message messages[MESSAGES];
	uint32_t first, count;
} rings[2]; // by who receives

static struct node {
	uint32_t index;
	struct cache *cache;
	struct counters counters;
	struct cache_answer answers[ASKERS];
	uint32_t answer_counts[ASKERS];
} nodes[2];

static char targets[OBJECTS][16];

static bool carry(void *, uint32_t to_worker, const struct cache_message *message)
{
	struct ring *ring = &rings[to_worker];
	CU_ASSERT_FATAL(ring->count < MESSAGES);
	ring->messages[(ring->first + ring->count++) % MESSAGES] = *message;
	return true;
}

static void pump(void)
{
	while (rings[0].count + rings[1].count)
		for (uint32_t to = 0; to < 2; to++) {
			struct ring *ring = &rings[to];
			if (ring->count == 0)
				continue;
			struct cache_message message = ring->messages[ring->first];
			ring->first = (ring->first + 1) % MESSAGES;
			ring->count--;
			cache_message_received(nodes[to].cache, !to, &message);
		}
}

static void answered(void *owner, struct pool_id asker, const struct cache_answer *answer)
{
	struct node *node = owner;
	node->answers[asker.index] = *answer;
	node->answer_counts[asker.index]++;
}

static void start(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct cache_limits limits = fixture_limits();
		limits.memory_bytes = 16 << 20;
		limits.object_count = 2 * OBJECTS;
		limits.waiter_count = 2 * OBJECTS;
		limits.worker_index = i;
		limits.worker_count = 2;
		limits.send = carry;
		nodes[i] = (struct node){.index = i};
		nodes[i].cache = cache_new(&limits, answered, &nodes[i], &nodes[i].counters);
		CU_ASSERT_PTR_NOT_NULL_FATAL(nodes[i].cache);
		cache_set_time(nodes[i].cache, 1000000, 784111777);
	}
}

// get asks for a target as the asker of this number; returns its answer once all is delivered.
static struct cache_answer *get(struct node *node, uint32_t asker, const char *target)
{
	struct head head;
	cache_ask(node->cache, &request_of(&head, target, "")->message, NULL,
		  (struct pool_id){asker, 1});
	pump();
	return &node->answers[asker];
}

static void give_back(struct node *node, struct cache_answer *answer)
{
	if (answer->object)
		cache_release(node->cache, answer->object);
	if (answer->fill)
		cache_fill_abandon(answer->fill);
	*answer = (struct cache_answer){0};
	pump();
}

// grow makes worker 1 fetch an object of its own shard, of which half has come.
static void grow(uint32_t number)
{
	static uint32_t tried;
	struct head request, response;
	enum counter why;
	struct node *node = &nodes[1];
	for (;;) {
		snprintf(targets[number], sizeof(targets[0]), "/%u", tried++);
		request_of(&request, targets[number], "");
		uint32_t before = node->answer_counts[number];
		cache_ask(node->cache, &request.message, NULL, (struct pool_id){number, 1});
		if (node->answer_counts[number] > before)
			break; // at once: its own shard's
		pump();
		give_back(node, &node->answers[number]);
	}
	response_of(&response, 200, "cache-control: max-age=60");
	struct cache_fill *fill = node->answers[number].fill;
	CU_ASSERT_PTR_NOT_NULL_FATAL(fill);
	CU_ASSERT(cache_fill_begin(fill, &request.message, &response.message, &why));
	CU_ASSERT(cache_fill_write(fill, SLICE("half, ")));
}

static void end_all(void)
{
	for (uint32_t i = 0; i < OBJECTS; i++) {
		CU_ASSERT(cache_fill_write(nodes[1].answers[i].fill, SLICE("half")));
		cache_fill_end(nodes[1].answers[i].fill);
	}
	pump();
}

static uint64_t counted(enum counter counter)
{
	return nodes[0].counters.value[counter];
}

static void on_grown(struct cache_reader *reader)
{
	CU_ASSERT(list_is_empty(&reader->link));
}

// await_all has all who read wait for more.
static void await_all(void)
{
	static struct cache_reader readers[OBJECTS];
	for (uint32_t i = 0; i < OBJECTS; i++) {
		cache_reader_init(&readers[i], on_grown);
		if (nodes[0].answers[i].object)
			cache_object_await(nodes[0].cache, nodes[0].answers[i].object, &readers[i]);
	}
	pump();
}

static void one_more_than_there_are_mirrors_is_passed_on(void)
{
	struct node *node = &nodes[0];
	start();
	for (uint32_t i = 0; i < OBJECTS; i++)
		grow(i);
	for (uint32_t i = 0; i < MIRRORS; i++) {
		struct cache_answer *answer = get(node, i, targets[i]);
		CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_HIT);
		CU_ASSERT_EQUAL(cache_object_growth(answer->object), CACHE_GROWING);
	}
	CU_ASSERT_EQUAL(counted(COUNTER_cache_pass_memory), 0);
	CU_ASSERT_EQUAL(get(node, MIRRORS, targets[MIRRORS])->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(COUNTER_cache_pass_memory), 1);
	// Another reader of what is mirrored, and of the one whose mirror came free.
	CU_ASSERT_EQUAL(get(node, OBJECTS, targets[0])->verdict, CACHE_HIT);
	give_back(node, &node->answers[5]);
	CU_ASSERT_EQUAL(get(node, MIRRORS, targets[MIRRORS])->verdict, CACHE_HIT);
	CU_ASSERT_EQUAL(get(node, 5, targets[5])->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(COUNTER_cache_pass_memory), 2);
	// All of them wait for more at once, and have it; then for the end.
	await_all();
	end_all();
	await_all();
	for (uint32_t i = 0; i < OBJECTS + 1; i++) {
		struct cache_object *object = node->answers[i].object;
		if (i == 5)
			continue;
		CU_ASSERT(slice_equal(cache_object_read(object, 0, 100), SLICE("half, half")));
		CU_ASSERT_EQUAL(cache_object_growth(object), CACHE_WHOLE);
		give_back(node, &node->answers[i]);
	}
	CU_ASSERT_EQUAL(get(node, 5, targets[5])->verdict, CACHE_HIT); // whole: lent as it is
	give_back(node, &node->answers[5]);
	for (uint32_t i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(cache_in_flight(nodes[i].cache), 0);
		cache_free(nodes[i].cache);
	}
}

UNIT_MAIN("cache_mirror", {"one more than there are mirrors is passed on",
			   one_more_than_there_are_mirrors_is_passed_on})
