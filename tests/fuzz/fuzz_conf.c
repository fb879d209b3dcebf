// SPDX-License-Identifier: Apache-2.0
// Any text as a configuration: it is good, or every line of complaint names the file, a line and a
// key.
#include "check.h"
#include "conf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
const char *__lsan_default_suppressions(void);

// libconfig 1.5 forgets the text it was reading when it meets a syntax error; the process ends
// then.
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct conf conf;
	char *text = malloc(bytes + 1);
	char *said = NULL;
	size_t said_bytes;
	CHECK(text);
	memcpy(text, data, bytes);
	text[bytes] = 0;
	FILE *out = open_memstream(&said, &said_bytes);
	unsigned count = conf_parse(text, "f", &conf, out);
	fclose(out);
	unsigned lines = 0;
	for (char *line = said; *line; line = strchr(line, '\n') + 1) {
		CHECK(strncmp(line, "f:", 2) == 0 && strchr(line, '\n'));
		lines++;
	}
	CHECK(lines == count);
	if (count == 0)
		CHECK(conf.node.id[0] && conf.dataplane.ports_count > 0 && conf.listen_count > 0 &&
		      conf.dataplane.cores.count > 0);
	free(said);
	free(text);
	return 0;
}
