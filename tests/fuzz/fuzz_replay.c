// SPDX-License-Identifier: Apache-2.0
// Replays inputs through a fuzz target where libFuzzer is not linked: every file of the folders
// given as arguments, each also cut short, and a few inputs that every parser must survive. What a
// fuzzer found once stays in the corpus and is tried by every build from then on.
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX (1u << 20)
#define CUTS            64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// run_copy hands over a copy of exactly size bytes, so that reading past them is seen.
static void run_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_with_cuts(const uint8_t *data, size_t size)
{
	run_copy(data, size);
	size_t step = size / CUTS + 1;
	for (size_t cut = 0; cut < size; cut += step)
		run_copy(data, cut);
}

static bool run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return false;
	uint8_t *data = malloc(INPUT_BYTES_MAX);
	if (!data)
		abort();
	size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	run_with_cuts(data, size);
	free(data);
	return true;
}

// run_folder replays the files of a folder; returns how many.
static unsigned run_folder(const char *path)
{
	unsigned count = 0;
	DIR *folder = opendir(path);
	if (!folder)
		return run_file(path) ? 1 : 0;
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		char file[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		count += run_file(file) ? 1 : 0;
	}
	closedir(folder);
	return count;
}

static void run_constants(void)
{
	static const uint8_t values[] = {0x00, 0x01, 0x20, 0x7f, 0x80, 0xff};
	uint8_t data[2048];
	for (size_t i = 0; i < sizeof(values); i++) {
		memset(data, values[i], sizeof(data));
		run_with_cuts(data, sizeof(data));
	}
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	printf("TAP version 13\n1..2\n");
	run_constants();
	printf("ok 1 - survives constant inputs\n");
	for (int i = 1; i < argc; i++)
		count += run_folder(argv[i]);
	if (count > 0)
		printf("ok 2 - survives its corpus of %u inputs and their beginnings\n", count);
	else
		printf("not ok 2 - has no corpus\n");
	return count > 0 ? 0 : 1;
}
