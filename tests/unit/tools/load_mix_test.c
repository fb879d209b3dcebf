// SPDX-License-Identifier: Apache-2.0
// Lines of a mix: what they mean, what is refused, how often each is drawn.
#include "load_mix.h"

#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

static void a_line_is_read(void)
{
	struct load_mix mix = {0};
	CU_ASSERT_PTR_NULL(load_mix_add(&mix, "3 POST /a?b=c status=404 bytes=7 upload=9\n"));
	CU_ASSERT_PTR_NULL(load_mix_add(&mix, "GET /"));
	CU_ASSERT_PTR_NULL(load_mix_add(&mix, "  # nothing"));
	CU_ASSERT_PTR_NULL(load_mix_add(&mix, "\n"));
	CU_ASSERT_EQUAL(mix.count, 2);
	CU_ASSERT_EQUAL(mix.weight_sum, 4);
	CU_ASSERT_STRING_EQUAL(mix.items[0].method, "POST");
	CU_ASSERT_STRING_EQUAL(mix.items[0].target, "/a?b=c");
	CU_ASSERT_EQUAL(mix.items[0].status, 404);
	CU_ASSERT_EQUAL(mix.items[0].bytes, 7);
	CU_ASSERT_EQUAL(mix.items[0].upload_bytes, 9);
	CU_ASSERT_EQUAL(mix.items[1].status, 200);
	CU_ASSERT_EQUAL(mix.items[1].bytes, LOAD_LENGTH_ANY);
	load_mix_free(&mix);
}

static void wrong_lines_are_refused(void)
{
	static const char *const lines[] = {
		"GET",
		"GET a",
		"0 GET /",
		"1000001 GET /",
		"GET / status=199",
		"GET / status=2OO",
		"GET / bytes=-1",
		"GET / bytes=",
		"GET / more",
		"GET / body=/nonexistent/file",
		"AVERYLONGMETHODNAME /",
	};
	struct load_mix mix = {0};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(load_mix_add(&mix, lines[i]));
	CU_ASSERT_EQUAL(mix.count, 0);
}

static void a_file_has_lines_and_bodies(void)
{
	char body[] = "/tmp/mix-body-XXXXXX", file[] = "/tmp/mix-file-XXXXXX";
	char text[128];
	int body_fd = mkstemp(body), file_fd = mkstemp(file);
	CU_ASSERT_EQUAL(write(body_fd, "hello", 5), 5);
	int bytes = snprintf(text, sizeof(text), "# kinds\n9 GET / body=%s\nGET / sta=1\n", body);
	CU_ASSERT_EQUAL(write(file_fd, text, (size_t)bytes), bytes);
	struct load_mix mix = {0};
	uint32_t line;
	CU_ASSERT_PTR_NOT_NULL(load_mix_add_file(&mix, file, &line));
	CU_ASSERT_EQUAL(line, 3);
	CU_ASSERT_EQUAL(mix.count, 1);
	CU_ASSERT_EQUAL(mix.items[0].bytes, 5);
	CU_ASSERT(slice_equal(mix.items[0].body, SLICE("hello")));
	CU_ASSERT_PTR_NOT_NULL(load_mix_add_file(&mix, "/nonexistent/file", &line));
	load_mix_free(&mix);
	close(body_fd);
	close(file_fd);
	unlink(body);
	unlink(file);
}

static void kinds_are_drawn_by_weight(void)
{
	struct load_mix mix = {0};
	struct random_source random;
	unsigned second = 0;
	random_init(&random, (struct siphash_key){{1, 2}});
	load_mix_add(&mix, "9 GET /often");
	load_mix_add(&mix, "1 GET /rarely");
	for (unsigned i = 0; i < 10000; i++)
		second += load_mix_pick(&mix, &random) == &mix.items[1];
	CU_ASSERT(second > 900 && second < 1100);
	load_mix_free(&mix);
}

UNIT_MAIN("load_mix", {"a line is read", a_line_is_read},
	  {"wrong lines are refused", wrong_lines_are_refused},
	  {"a file has lines and bodies", a_file_has_lines_and_bodies},
	  {"kinds are drawn by weight", kinds_are_drawn_by_weight})
