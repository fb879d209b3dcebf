// SPDX-License-Identifier: Apache-2.0
// Options and tallies of transfers; see transfer_job.h.
#include "transfer_job.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct option options_table[] = {
	{"conf", required_argument, NULL, 'c'},    {"connect", required_argument, NULL, 'C'},
	{"listen", required_argument, NULL, 'l'},  {"count", required_argument, NULL, 'n'},
	{"at-once", required_argument, NULL, 'a'}, {"up", required_argument, NULL, 'u'},
	{"down", required_argument, NULL, 'd'},    {"order", required_argument, NULL, 'o'},
	{"gap-us", required_argument, NULL, 'g'},  {"skip-ms", required_argument, NULL, 'K'},
	{"stop-ms", required_argument, NULL, 's'}, {"reset-after", required_argument, NULL, 'r'},
	{"slow", required_argument, NULL, 'S'},    {"write", required_argument, NULL, 'w'},
	{"cc", required_argument, NULL, 'k'},      {"rcvbuf", required_argument, NULL, 'R'},
	{"sndbuf", required_argument, NULL, 'B'},  {"maxseg", required_argument, NULL, 'm'},
	{"nodelay", no_argument, NULL, 'N'},       {"seconds", required_argument, NULL, 't'},
	{"trace", required_argument, NULL, 'T'},   {NULL, 0, NULL, 0}};

_Noreturn static void usage(const char *program)
{
	fprintf(stderr, "%s:", program);
	for (const struct option *option = options_table; option->name; option++)
		fprintf(stderr, " [--%s%s]", option->name, option->has_arg ? " X" : "");
	fprintf(stderr, "\n");
	exit(2);
}

static uint64_t order_of(const char *word)
{
	static const char *const words[] = {"both", "up-first", "down-first"};
	for (uint64_t i = 0; i < 3; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	fprintf(stderr, "no such order: %s\n", word);
	exit(2);
}

// pair reads "BYTES:TIME".
static void pair(const char *text, uint32_t *bytes, uint32_t *time)
{
	char *end;
	*bytes = (uint32_t)strtoul(text, &end, 10);
	*time = *end == ':' ? (uint32_t)strtoul(end + 1, NULL, 10) : 1;
}

static void read_one(struct transfer_options *options, int option, const char *text)
{
	uint64_t number = text ? strtoull(text, NULL, 10) : 0;
	switch (option) {
	case 'c': options->conf = text; break;
	case 'C': options->connect = text; break;
	case 'l': options->listen = (uint16_t)number; break;
	case 'n': options->count = (uint32_t)number; break;
	case 'a': options->at_once = (uint32_t)number; break;
	case 'u': options->request.up = number; break;
	case 'd': options->request.down = number; break;
	case 'o': options->request.order = order_of(text); break;
	case 'g': options->gap_us = number; break;
	case 'K': options->skip_ms = number; break;
	case 's': options->stop_ms = number; break;
	case 'r': options->reset_after = number; break;
	case 'S': pair(text, &options->slow_bytes, &options->slow_ms); break;
	case 'w': pair(text, &options->write_bytes, &options->write_us); break;
	case 'k': options->cc = text; break;
	case 'R': options->rcvbuf = (int)number; break;
	case 'B': options->sndbuf = (int)number; break;
	case 'm': options->maxseg = (int)number; break;
	case 'T': options->trace_ms = (uint32_t)number; break;
	case 'N': options->is_nodelay = true; break;
	default: options->seconds = number; break;
	}
}

void transfer_options_read(int argc, char **argv, struct transfer_options *options)
{
	*options =
		(struct transfer_options){.count = 1, .at_once = 1, .cc = "cubic", .seconds = 60};
	for (int option; (option = getopt_long(argc, argv, "", options_table, NULL)) != -1;) {
		if (option == '?')
			usage(argv[0]);
		read_one(options, option, optarg);
	}
	if (optind != argc || !options->connect == !options->listen)
		usage(argv[0]);
}

void transfer_tally_begin(struct transfer_tally *tally)
{
	tally->begun++;
}

void transfer_tally_opened(struct transfer_tally *tally, uint64_t now_us, uint64_t took_us)
{
	if (tally->opened == tally->open_capacity) {
		tally->open_capacity = tally->open_capacity * 2 + 64;
		tally->open_us =
			realloc(tally->open_us, tally->open_capacity * sizeof(*tally->open_us));
		if (!tally->open_us)
			abort();
	}
	tally->open_us[tally->opened++] = (uint32_t)took_us;
	if (tally->first_us == 0)
		tally->first_us = now_us;
}

void transfer_tally_end(struct transfer_tally *tally, const struct transfer *transfer,
			enum transfer_end how, uint64_t now_us)
{
	tally->ended[how]++;
	tally->in += transfer->in;
	tally->out += transfer->out;
	tally->last_us = now_us;
}

void transfer_tally_skip(struct transfer_tally *tally, uint64_t now_us, uint64_t in)
{
	tally->skipped_us = now_us;
	tally->skipped_in = tally->in + in;
}

uint32_t transfer_tally_in_flight(const struct transfer_tally *tally)
{
	uint32_t ended = 0;
	for (unsigned i = 0; i < TRANSFER_END_COUNT; i++)
		ended += tally->ended[i];
	return tally->begun - ended;
}

bool transfer_wants_connect(const struct transfer_options *options,
			    const struct transfer_tally *tally, uint64_t now_us, uint64_t last_us)
{
	return options->connect && tally->begun < options->count &&
	       transfer_tally_in_flight(tally) < options->at_once &&
	       now_us - last_us >= options->gap_us;
}

bool transfer_is_over(const struct transfer_options *options, const struct transfer_tally *tally)
{
	return options->connect && tally->begun == options->count &&
	       transfer_tally_in_flight(tally) == 0;
}

bool transfer_must_stop(const struct transfer_options *options, const struct transfer *transfer,
			uint64_t opened_us, uint64_t now_us)
{
	bool is_old =
		options->stop_ms && opened_us && now_us - opened_us >= options->stop_ms * 1000;
	return is_old || (options->reset_after && transfer->in >= options->reset_after);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

void transfer_tally_print(const struct transfer_tally *tally, FILE *out)
{
	static const char *const names[TRANSFER_END_COUNT] = {"good", "wrong", "reset", "stopped",
							      "failed"};
	uint64_t first_us = tally->skipped_us ? tally->skipped_us : tally->first_us;
	uint64_t took_us =
		tally->last_us > first_us && tally->opened > 0 ? tally->last_us - first_us : 1;
	uint32_t n = tally->opened;
	fprintf(out, "\"begun\": %u, \"opened\": %u", tally->begun, n);
	for (unsigned i = 0; i < TRANSFER_END_COUNT; i++)
		fprintf(out, ", \"%s\": %u", names[i], tally->ended[i]);
	fprintf(out, ", \"unfinished\": %u", transfer_tally_in_flight(tally));
	fprintf(out, ", \"in\": %lu, \"out\": %lu, \"took_us\": %lu, \"in_kbit\": %lu", tally->in,
		tally->out, took_us, (tally->in - tally->skipped_in) * 8000 / took_us);
	if (n > 0) {
		qsort(tally->open_us, n, sizeof(*tally->open_us), by_size);
		fprintf(out, ", \"open_p50_us\": %u, \"open_p99_us\": %u, \"open_max_us\": %u",
			tally->open_us[n / 2], tally->open_us[n * 99 / 100], tally->open_us[n - 1]);
	}
	fprintf(out, ", \"retransmits\": %lu, \"srtt_us\": %u, \"cwnd_bytes\": %u",
		tally->retransmits, tally->srtt_us, tally->cwnd_bytes);
}
