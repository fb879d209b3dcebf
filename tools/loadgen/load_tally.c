// SPDX-License-Identifier: Apache-2.0
// What a run has seen; see load_tally.h.
#include "load_tally.h"

void load_tally_init(struct load_tally *tally)
{
	*tally = (struct load_tally){.end_ns = UINT64_MAX};
	load_histogram_init(&tally->latency);
	load_histogram_init(&tally->fresh);
	load_histogram_init(&tally->turns);
	load_histogram_init(&tally->connecting);
}

static bool is_measured(const struct load_tally *tally, uint64_t at_ns)
{
	return tally->start_ns > 0 && at_ns >= tally->start_ns && at_ns < tally->end_ns;
}

void load_tally_answer(struct load_tally *tally, uint64_t now_ns, uint64_t due_ns, uint64_t bytes,
		       bool is_fresh)
{
	tally->all_requests++;
	if (is_measured(tally, now_ns)) {
		tally->requests++;
		tally->bytes += bytes;
	}
	if (is_measured(tally, due_ns))
		load_histogram_record(is_fresh ? &tally->fresh : &tally->latency, now_ns - due_ns);
}

void load_tally_connection(struct load_tally *tally, uint64_t now_ns, uint64_t due_ns,
			   bool is_resumed)
{
	tally->all_connections++;
	tally->all_resumed += is_resumed;
	if (is_measured(tally, now_ns)) {
		tally->connections++;
		tally->resumed += is_resumed;
	}
	if (is_measured(tally, due_ns))
		load_histogram_record(&tally->connecting, now_ns - due_ns);
}

const char *load_tally_error_name(enum load_error error)
{
	static const char *const names[] = {
#define ERROR(name) #name,
		LOAD_ERRORS(ERROR)
#undef ERROR
	};
	return names[error];
}
