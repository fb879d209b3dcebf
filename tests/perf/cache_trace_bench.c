// SPDX-License-Identifier: Apache-2.0
// Who has to go: hit ratios of our cache (the real one, bodies and all) beside models of SLRU and
// S3-FIFO of the same memory, over drawn traces: Zipf with bursts of a scan, and with requests that
// are never made again. By hand for the table of dataplane/cache/README.md; --quick is a test.
#include "cache.h"

#include "check.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>

enum { KEYS = 100000, CHUNK = 4096, HEAD = 512, WEIGHT_MAX = 64, NONE = -1 };

static uint64_t seed;
static double zipf[KEYS];
static uint8_t body[WEIGHT_MAX * CHUNK];

static double draw(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (double)(seed * 2685821657736338717ull >> 11) / (double)(1ull << 53);
}

static void make_zipf(double alpha)
{
	double sum = 0;
	for (int i = 0; i < KEYS; i++)
		zipf[i] = sum += pow(i + 1, -alpha);
	for (int i = 0; i < KEYS; i++)
		zipf[i] /= sum;
}

static uint32_t draw_zipf(void)
{
	double at = draw();
	uint32_t low = 0, high = KEYS - 1;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (zipf[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// weight_of is the memory of a key's object in chunks: 1 to 64, most of them small.
static uint32_t weight_of(uint32_t key)
{
	uint32_t mixed = key * 2654435761u >> 16;
	return 1u + (mixed & 3) * (mixed >> 2 & 3) * (mixed >> 4 & 7);
}

// A trace: what is asked, request by request.
struct trace {
	uint32_t count;
	uint32_t *keys; // owned
};

enum kind { PLAIN, SCANS, ONCE };

static struct trace make_trace(enum kind kind, uint32_t count)
{
	struct trace trace = {count, malloc(count * sizeof(uint32_t))};
	uint32_t fresh = KEYS, scanned = 0;
	seed = 1;
	for (uint32_t i = 0; i < count; i++) {
		bool is_scan = kind == SCANS && i % 20000 >= 15000;
		if (is_scan)
			trace.keys[i] = KEYS + scanned++ % 60000; // again after twelve bursts
		else if (kind == ONCE && draw() < 0.3)
			trace.keys[i] = 2 * KEYS + fresh++;
		else
			trace.keys[i] = draw_zipf();
	}
	return trace;
}

// Hits of a trace, of the objects and of their bytes.
struct score {
	uint64_t hits, hit_chunks, asked, asked_chunks;
};

static void note(struct score *score, uint32_t key, bool is_hit)
{
	score->asked++;
	score->asked_chunks += weight_of(key);
	score->hits += is_hit;
	score->hit_chunks += is_hit ? weight_of(key) : 0;
}

// Models: queues of keys over one table of rows.
enum queue { Q_NONE, Q_SMALL, Q_MAIN, Q_GHOST, Q_COUNT };

struct row {
	int before, after;
	enum queue in;
	uint8_t uses;
};

struct model {
	struct row *rows; // owned
	int first[Q_COUNT], last[Q_COUNT];
	uint64_t chunks[Q_COUNT], count[Q_COUNT];
	uint64_t capacity;
};

static void take_out(struct model *model, int key)
{
	struct row *row = &model->rows[key];
	if (row->in == Q_NONE)
		return;
	*(row->before == NONE ? &model->first[row->in] : &model->rows[row->before].after) =
		row->after;
	*(row->after == NONE ? &model->last[row->in] : &model->rows[row->after].before) =
		row->before;
	model->chunks[row->in] -= weight_of((uint32_t)key);
	model->count[row->in]--;
	row->in = Q_NONE;
}

static void put_last(struct model *model, int key, enum queue in)
{
	struct row *row = &model->rows[key];
	take_out(model, key);
	*row = (struct row){model->last[in], NONE, in, row->uses};
	*(row->before == NONE ? &model->first[in] : &model->rows[row->before].after) = key;
	model->last[in] = key;
	model->chunks[in] += weight_of((uint32_t)key);
	model->count[in]++;
}

static uint64_t used(const struct model *model)
{
	return model->chunks[Q_SMALL] + model->chunks[Q_MAIN];
}

static bool ask_slru(struct model *model, int key)
{
	bool is_hit = model->rows[key].in != Q_NONE;
	put_last(model, key, is_hit ? Q_MAIN : Q_SMALL);
	while (model->chunks[Q_MAIN] > model->capacity * 8 / 10)
		put_last(model, model->first[Q_MAIN], Q_SMALL);
	while (used(model) > model->capacity)
		take_out(model, model->first[model->first[Q_SMALL] == NONE ? Q_MAIN : Q_SMALL]);
	return is_hit;
}

// leave_small is S3-FIFO's way out of the small queue: used ones go to main, others leave a ghost.
static void leave_small(struct model *model)
{
	int key = model->first[Q_SMALL];
	struct row *row = &model->rows[key];
	bool is_used = row->uses > 0;
	row->uses = 0;
	put_last(model, key, is_used ? Q_MAIN : Q_GHOST);
	while (model->count[Q_GHOST] > model->count[Q_MAIN] + model->count[Q_SMALL])
		take_out(model, model->first[Q_GHOST]);
}

static void leave_main(struct model *model)
{
	int key = model->first[Q_MAIN];
	if (model->rows[key].uses == 0) {
		take_out(model, key);
		return;
	}
	model->rows[key].uses--;
	put_last(model, key, Q_MAIN);
}

static bool ask_s3(struct model *model, int key)
{
	struct row *row = &model->rows[key];
	if (row->in == Q_SMALL || row->in == Q_MAIN) {
		row->uses = (uint8_t)(row->uses + (row->uses < 3));
		return true;
	}
	put_last(model, key, row->in == Q_GHOST ? Q_MAIN : Q_SMALL);
	row->uses = 0;
	while (used(model) > model->capacity)
		if (model->chunks[Q_SMALL] > model->capacity / 10 || model->first[Q_MAIN] == NONE)
			leave_small(model);
		else
			leave_main(model);
	return false;
}

static struct score run_model(const struct trace *trace, uint64_t capacity,
			      bool (*ask)(struct model *, int))
{
	struct score score = {0};
	struct model model = {.rows = calloc(3 * KEYS + trace->count, sizeof(struct row)),
			      .capacity = capacity};
	for (int i = 0; i < Q_COUNT; i++)
		model.first[i] = model.last[i] = NONE;
	for (uint32_t i = 0; i < trace->count; i++) {
		bool is_hit = ask(&model, (int)trace->keys[i]);
		if (i >= trace->count / 4)
			note(&score, trace->keys[i], is_hit);
	}
	free(model.rows);
	return score;
}

static void keep_answer(void *owner, struct pool_id, const struct cache_answer *answer)
{
	*(struct cache_answer *)owner = *answer;
}

static void store(struct cache_fill *fill, const struct http_message *request, uint32_t key)
{
	struct http_field fields[] = {{SLICE("cache-control"), SLICE("max-age=100000")}};
	struct http_message response = {.status = 200,
					.version = 11,
					.content_length = HTTP_LENGTH_NONE,
					.fields = fields,
					.field_count = 1};
	enum counter why;
	if (!cache_fill_begin(fill, request, &response, &why))
		return;
	if (cache_fill_write(fill, slice_of(body, weight_of(key) * CHUNK - HEAD)))
		cache_fill_end(fill);
}

static bool ask_cache(struct cache *cache, struct cache_answer *answer, uint32_t key)
{
	char target[24];
	snprintf(target, sizeof(target), "/%u", key);
	struct http_message request = {.method = HTTP_GET,
				       .method_text = SLICE("GET"),
				       .scheme = SLICE("https"),
				       .authority = SLICE("h.example"),
				       .target = slice_str(target),
				       .version = 20,
				       .content_length = HTTP_LENGTH_NONE};
	cache_ask(cache, &request, NULL, (struct pool_id){1, 1});
	if (answer->object)
		cache_release(cache, answer->object);
	else if (answer->fill)
		store(answer->fill, &request, key);
	return answer->object != NULL;
}

static struct score run_cache(const struct trace *trace, uint64_t capacity)
{
	struct score score = {0};
	struct counters *counters = calloc(1, sizeof(*counters));
	struct cache_answer answer;
	// Rows apart, all have the same memory; a row is less than a KiB and a half.
	struct cache_limits limits = {.object_count = (uint32_t)capacity,
				      .object_bytes = 1 << 20,
				      .waiter_count = 16,
				      .wait_ms = 1000,
				      .worker_count = 1,
				      .key_secret = {{1, 2}}};
	limits.memory_bytes = cache_row_bytes(limits.object_count) + capacity * CHUNK;
	struct cache *cache = cache_new(&limits, keep_answer, &answer, counters);
	CHECK(cache);
	cache_set_time(cache, 1, 784111777);
	for (uint32_t i = 0; i < trace->count; i++) {
		bool is_hit = ask_cache(cache, &answer, trace->keys[i]);
		if (i >= trace->count / 4)
			note(&score, trace->keys[i], is_hit);
	}
	cache_free(cache);
	free(counters);
	return score;
}

static double percent(uint64_t part, uint64_t whole)
{
	return 100.0 * (double)part / (double)whole;
}

static double hits_of(struct score score)
{
	return percent(score.hits, score.asked);
}

static void print_row(const char *name, double alpha, const struct trace *trace, double share,
		      uint64_t all)
{
	uint64_t capacity = (uint64_t)(share * (double)all);
	struct score slru = run_model(trace, capacity, ask_slru);
	struct score s3 = run_model(trace, capacity, ask_s3);
	struct score ours = run_cache(trace, capacity);
	printf("| %s, %.1f | %.0f %% | %.1f | %.1f | **%.1f** | %.1f | %.1f | %.1f |\n", name,
	       alpha, share * 100, hits_of(slru), hits_of(s3), hits_of(ours),
	       percent(slru.hit_chunks, slru.asked_chunks), percent(s3.hit_chunks, s3.asked_chunks),
	       percent(ours.hit_chunks, ours.asked_chunks));
	fflush(stdout);
}

static uint64_t all_chunks(void)
{
	uint64_t chunks = 0;
	for (uint32_t key = 0; key < KEYS; key++)
		chunks += weight_of(key);
	return chunks;
}

static void print_table(void)
{
	static const char *const names[] = {"Zipf", "with scans", "with requests made once"};
	static const double alphas[] = {0.8, 1.0}, shares[] = {0.01, 0.05, 0.2};
	printf("| trace, exponent | memory | SLRU | S3-FIFO | ours | bytes: SLRU | S3-FIFO | ours "
	       "|\n");
	for (enum kind kind = PLAIN; kind <= ONCE; kind++)
		for (size_t a = 0; a < ARRAY_LEN(alphas); a++) {
			make_zipf(alphas[a]);
			struct trace trace = make_trace(kind, 600000);
			for (size_t s = 0; s < ARRAY_LEN(shares); s++)
				print_row(names[kind], alphas[a], &trace, shares[s], all_chunks());
			free(trace.keys);
		}
}

static void admission_is_better_than_recency_alone(void)
{
	make_zipf(0.9);
	for (enum kind kind = PLAIN; kind <= ONCE; kind++) {
		struct trace trace = make_trace(kind, 200000);
		uint64_t capacity = all_chunks() / 20;
		double slru = hits_of(run_model(&trace, capacity, ask_slru));
		double s3 = hits_of(run_model(&trace, capacity, ask_s3));
		double ours = hits_of(run_cache(&trace, capacity));
		printf("# %.1f %% of requests; S3-FIFO %.1f, SLRU %.1f\n", ours, s3, slru);
		CU_ASSERT(ours > slru + 2 && ours > s3);
		free(trace.keys);
	}
}

int main(int count, char **arguments)
{
	static const struct unit_case cases[] = {
		{"admission is better than recency alone", admission_is_better_than_recency_alone}};
	if (count == 2 && strcmp(arguments[1], "--quick") == 0)
		return unit_run("cache_trace", cases, 1);
	print_table();
	return 0;
}
