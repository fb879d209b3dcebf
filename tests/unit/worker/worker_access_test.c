// SPDX-License-Identifier: Apache-2.0
// The access log's thread: every entry becomes a line, a moved file is opened anew, a full ring or
// disk costs lines and nothing else.
#include "worker_access.h"

#include "access.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/access_log_XXXXXX";

static struct conf conf_of(const char *file)
{
	struct conf conf = {.dataplane.cores.count = 2, .access_log.ring_bytes = 131072};
	strcpy(conf.node.id, "n1");
	if (file[0] == '/')
		strcpy(conf.access_log.file, file);
	else if (file[0])
		snprintf(conf.access_log.file, sizeof(conf.access_log.file), "%s/%s", directory,
			 file);
	return conf;
}

static bool start(struct access_log *log, const struct conf *conf)
{
	char why[256] = "";
	bool is_started = access_log_start(log, conf, why, sizeof(why));
	CU_ASSERT(is_started || strstr(why, "create its directory"));
	return is_started;
}

static int note(struct access_log *log, uint32_t worker, const char *target)
{
	struct access_entry entry = {.reason = COUNTER_COUNT, .worker = (uint8_t)worker};
	entry.text_bytes[ACCESS_TARGET] = (uint16_t)strlen(target);
	const struct iovec parts[] = {{&entry, sizeof(entry)}, {(void *)target, strlen(target)}};
	return ring_write(access_log_ring(log, worker), 1, parts, 2);
}

// count_lines counts lines of a file in our directory, and those with text.
static unsigned count_lines(const char *name, const char *text, unsigned *with_text)
{
	char path[64], line[4096];
	unsigned count = 0;
	*with_text = 0;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		count++;
		*with_text += strstr(line, text) != NULL;
	}
	if (file)
		fclose(file);
	return count;
}

static void every_entry_of_every_worker_becomes_a_line(void)
{
	struct access_log log;
	struct conf conf = conf_of("all");
	unsigned with_text;
	CU_ASSERT_FATAL(start(&log, &conf));
	for (unsigned i = 0; i < 300; i++)
		CU_ASSERT_EQUAL(note(&log, i % 2, "/page"), 0);
	access_log_stop(&log);
	CU_ASSERT_EQUAL(count_lines("all", "\"worker\":1", &with_text), 300);
	CU_ASSERT_EQUAL(with_text, 150);
}

static void moved_file_is_opened_anew(void)
{
	struct access_log log;
	struct conf conf = conf_of("live");
	char moved[64];
	unsigned with_text;
	snprintf(moved, sizeof(moved), "%s/moved", directory);
	CU_ASSERT_FATAL(start(&log, &conf));
	CU_ASSERT_EQUAL(note(&log, 0, "/before"), 0);
	for (unsigned i = 0; i < 100 && count_lines("live", "/before", &with_text) == 0; i++)
		usleep(20000);
	CU_ASSERT_EQUAL(rename(conf.access_log.file, moved), 0);
	for (unsigned i = 0; i < 150 && access(conf.access_log.file, F_OK) != 0; i++)
		usleep(20000);
	CU_ASSERT_EQUAL(note(&log, 0, "/after"), 0);
	access_log_stop(&log);
	CU_ASSERT_EQUAL(count_lines("moved", "/before", &with_text), 1);
	CU_ASSERT_EQUAL(with_text, 1);
	CU_ASSERT_EQUAL(count_lines("live", "/after", &with_text), 1);
	CU_ASSERT_EQUAL(with_text, 1);
}

static void full_ring_refuses_and_the_rest_is_written(void)
{
	struct access_log log;
	struct conf conf = conf_of("full");
	char target[1001] = "";
	unsigned written = 0, with_text;
	memset(target, 'x', 1000);
	CU_ASSERT_FATAL(start(&log, &conf));
	for (unsigned i = 0; i < 100000 && note(&log, 0, target) == 0; i++)
		written++;
	access_log_stop(&log);
	CU_ASSERT(written >= 90 && written < 100000);
	CU_ASSERT_EQUAL(count_lines("full", "xxx", &with_text), written);
}

static void full_disk_costs_lines_only(void)
{
	struct access_log log;
	struct conf conf = conf_of("/dev/full");
	CU_ASSERT_FATAL(start(&log, &conf));
	for (unsigned i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(note(&log, 0, "/lost"), 0);
	access_log_stop(&log);
}

static void nonsense_in_a_ring_is_passed_over(void)
{
	struct access_log log;
	struct conf conf = conf_of("nonsense");
	unsigned with_text;
	CU_ASSERT_FATAL(start(&log, &conf));
	const struct iovec part = {(void *)"short", 5};
	CU_ASSERT_EQUAL(ring_write(access_log_ring(&log, 0), 1, &part, 1), 0);
	CU_ASSERT_EQUAL(note(&log, 0, "/good"), 0);
	access_log_stop(&log);
	CU_ASSERT_EQUAL(count_lines("nonsense", "/good", &with_text), 1);
}

static void without_a_file_there_is_no_log(void)
{
	struct access_log log;
	struct conf conf = conf_of("");
	CU_ASSERT(start(&log, &conf));
	CU_ASSERT_PTR_NULL(access_log_ring(&log, 0));
	access_log_stop(&log);
}

static void file_that_cannot_be_opened_is_told(void)
{
	struct access_log log;
	struct conf conf = conf_of("/nowhere/at/all");
	CU_ASSERT(!start(&log, &conf));
	access_log_stop(&log);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"every entry of every worker becomes a line",
		 every_entry_of_every_worker_becomes_a_line},
		{"a moved file is opened anew", moved_file_is_opened_anew},
		{"a full ring refuses, and the rest is written",
		 full_ring_refuses_and_the_rest_is_written},
		{"a full disk costs lines only", full_disk_costs_lines_only},
		{"nonsense in a ring is passed over", nonsense_in_a_ring_is_passed_over},
		{"without a file there is no log", without_a_file_there_is_no_log},
		{"a file that cannot be opened is told", file_that_cannot_be_opened_is_told},
	};
	if (!mkdtemp(directory))
		return 99;
	int result = unit_run("worker_access", cases, sizeof(cases) / sizeof(cases[0]));
	static const char *const names[] = {"all", "live", "moved", "full", "nonsense"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
	return result;
}
