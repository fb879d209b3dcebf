// SPDX-License-Identifier: Apache-2.0
// Runs segment scripts: segment_run [-v] FILE|FOLDER ...     one TAP line a script
//                       segment_run --index FILE|FOLDER ...  table of RFC sections
//                       segment_run --check INDEX FOLDER ... is the table of INDEX that one?
//                       segment_run --broken FILE ...        each must fail: the runner's own test
#include "segment_run.h"

#include "check.h"
#include "segment_index.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *running; // for a stack that aborts

static void tell_running(int)
{
	const char *text = running ? running : "?";
	if (write(STDERR_FILENO, text, strlen(text)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		_exit(1);
}

// name_of is what follows the last folder but one.
static const char *name_of(const char *path)
{
	const char *at = strrchr(path, '/');
	while (at && at > path && at[-1] != '/')
		at--;
	return at ? at : path;
}

// run_families is true when the script passed on each family it is for.
static bool run_families(const struct segment_script *script, const char *text, bool is_verbose,
			 FILE *out)
{
	bool has_passed = true;
	if (script->family != 6)
		has_passed &= segment_script_run(script, text, false, is_verbose, out);
	if (script->family != 4)
		has_passed &= segment_script_run(script, text, true, is_verbose, out);
	return has_passed;
}

enum mode { PLAIN, VERBOSE, BROKEN };

// run_file prints the TAP line of one script; true when it passed or had to fail.
static bool run_file(const char *path, size_t number, enum mode mode)
{
	struct segment_script script;
	char error[SEGMENT_TEXT_BYTES];
	char *told = NULL;
	size_t told_bytes;
	running = path;
	FILE *out = open_memstream(&told, &told_bytes);
	CHECK(out);
	char *text = segment_script_load(path, &script, error);
	bool has_passed = !error[0] && run_families(&script, text, mode == VERBOSE, out);
	if (error[0])
		fprintf(out, "# %s: %s\n", path, error);
	fclose(out);
	bool is_known = script.known[0] && !error[0];
	bool is_good = has_passed != (is_known || mode == BROKEN);
	printf("%s %zu - %s: %s", is_good ? "ok" : "not ok", number, name_of(path),
	       script.sentence);
	if (is_known && is_good)
		printf(" # SKIP %s\n", script.known);
	else if (is_known)
		printf("\n# passes now: delete its `known:` line\n%s", told);
	else
		printf("\n%s", mode == BROKEN && is_good ? "" : told);
	fflush(stdout);
	free(text);
	free(told);
	return is_good;
}

static int run_all(const struct segment_list *list, enum mode mode)
{
	bool is_good = list->count > 0;
	printf("TAP version 13\n1..%zu\n", list->count);
	signal(SIGABRT, tell_running);
	for (size_t i = 0; i < list->count; i++)
		is_good &= run_file(list->path[i], i + 1, mode);
	return is_good ? 0 : 1;
}

// check_index compares the table within the file path with the one of list.
static int check_index(const struct segment_list *list, const char *path)
{
	char *table = NULL, *text = NULL;
	size_t table_bytes, text_bytes = 0;
	FILE *out = open_memstream(&table, &table_bytes);
	FILE *in = fopen(path, "r");
	CHECK(out);
	segment_index_print(list, out);
	fclose(out);
	bool is_same = in && getdelim(&text, &text_bytes, '\0', in) > 0 && strstr(text, table);
	printf("1..1\n%s 1 - the table of RFC sections is that of the scripts\n",
	       is_same ? "ok" : "not ok");
	if (!is_same)
		printf("# put the output of segment_run --index into %s\n", path);
	if (in)
		fclose(in);
	free(table);
	free(text);
	return is_same ? 0 : 1;
}

int main(int count, char **arguments)
{
	struct segment_list list = {0};
	int first = 1;
	const char *mode = count > 1 ? arguments[1] : "";
	bool is_check = strcmp(mode, "--check") == 0 && count > 2;
	bool is_index = strcmp(mode, "--index") == 0;
	bool is_verbose = strcmp(mode, "-v") == 0;
	bool is_broken = strcmp(mode, "--broken") == 0;
	first += is_index + is_verbose + is_broken + 2 * is_check;
	for (int i = first; i < count; i++) {
		if (segment_list_add(&list, arguments[i]) != 0) {
			fprintf(stderr, "%s: cannot be read\n", arguments[i]);
			return 2;
		}
	}
	int status;
	if (is_check)
		status = check_index(&list, arguments[2]);
	else if (is_index)
		status = segment_index_print(&list, stdout) ? 1 : 0;
	else
		status = run_all(&list, is_broken ? BROKEN : is_verbose ? VERBOSE : PLAIN);
	segment_list_free(&list);
	return status;
}
