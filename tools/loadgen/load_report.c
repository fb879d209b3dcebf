// SPDX-License-Identifier: Apache-2.0
// A run's JSON; see load_report.h. Times are microseconds.
#include "load_report.h"

#include "check.h"

#include <inttypes.h>

static void print_histogram(const char *name, const struct load_histogram *histogram, FILE *out)
{
	static const struct {
		const char *name;
		uint32_t per_million;
	} points[] = {
		{"p50", 500000},   {"p90", 900000},    {"p99", 990000},
		{"p99.9", 999000}, {"p99.99", 999900},
	};
	double count = (double)MAX(histogram->count, 1ull);
	fprintf(out, ", \"%s\": {\"count\": %" PRIu64 ", \"mean\": %.3f", name, histogram->count,
		(double)histogram->sum / count / 1000);
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		fprintf(out, ", \"%s\": %.3f", points[i].name,
			(double)load_histogram_at(histogram, points[i].per_million) / 1000);
	fprintf(out, ", \"min\": %.3f, \"max\": %.3f}",
		histogram->count ? (double)histogram->min / 1000 : 0.0,
		(double)histogram->max / 1000);
}

// print_turns tells what a moment of the measured time waited for loadgen's next look.
static void print_turns(const struct load_histogram *turns, FILE *out)
{
	fprintf(out, ", \"own_wait_us\": {\"p99\": %.3f, \"p99.9\": %.3f, \"max\": %.3f}",
		(double)load_histogram_wait(turns, 990000) / 1000,
		(double)load_histogram_wait(turns, 999000) / 1000, (double)turns->max / 1000);
}

static void print_errors(const struct load_tally *tally, FILE *out)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++)
		sum += tally->errors[i];
	fprintf(out, ", \"errors\": %" PRIu64 ", \"error\": {", sum);
	for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", load_tally_error_name(i),
			tally->errors[i]);
	fputs("}", out);
}

static void print_work(const struct load *load, FILE *out)
{
	const struct load_tally *tally = &load->tally;
	double seconds = tally->start_ns ? (double)(tally->end_ns - tally->start_ns) / 1e9 : 0.0;
	double per = seconds > 0 ? seconds : 1;
	uint64_t late = load_schedule_late(&load->schedule, tally->end_ns) +
			load_schedule_late(&load->fresh, tally->end_ns) + load->under_way;
	fprintf(out, ", \"seconds\": %.6f, \"requests\": %" PRIu64 ", \"bytes\": %" PRIu64, seconds,
		tally->requests, tally->bytes);
	fprintf(out, ", \"connections\": %" PRIu64 ", \"resumed\": %" PRIu64, tally->connections,
		tally->resumed);
	fprintf(out, ", \"requests_per_s\": %.1f, \"connections_per_s\": %.1f, \"mib_per_s\": %.2f",
		(double)tally->requests / per, (double)tally->connections / per,
		(double)tally->bytes / per / 1048576);
	fprintf(out, ", \"busy\": %.4f", (double)load->busy_ns / 1e9 / per);
	fprintf(out,
		", \"whole_run\": {\"requests\": %" PRIu64 ", \"connections\": %" PRIu64
		", \"resumed\": %" PRIu64 ", \"closed_by_peer\": %" PRIu64
		", \"unanswered\": %" PRIu64 "}",
		tally->all_requests, tally->all_connections, tally->all_resumed,
		tally->closed_by_peer, late);
}

void load_report_print(const struct load *load, FILE *out)
{
	const struct load_options *options = load->options;
	fprintf(out, "{\"loop\": \"%s\", \"rate\": %.1f, \"open_connections\": %u, \"streams\": %u",
		options->rate > 0 ? "open" : "closed", options->rate, load->session_count,
		options->streams);
	fprintf(out, ", \"tls\": \"%s\"", load->tally.tls);
	if (options->sample > 0)
		fprintf(out, ", \"sample\": {\"asked\": %u, \"answered\": %" PRIu64 "}",
			options->sample - load->sample_left,
			load->tally.all_requests - load->tally.held_requests);
	print_work(load, out);
	print_errors(&load->tally, out);
	print_histogram("latency_us", &load->tally.latency, out);
	if (options->fresh_share > 0)
		print_histogram("fresh_us", &load->tally.fresh, out);
	print_histogram("connecting_us", &load->tally.connecting, out);
	print_turns(&load->tally.turns, out);
	fputs(", \"counters\": {", out);
	host_stack_print(load->stack, out);
	fputs("}}\n", out);
}
