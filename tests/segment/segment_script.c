// SPDX-License-Identifier: Apache-2.0
// A script's file: its heading, and a run of its lines on one family.
#include "segment_run.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t bytes = 0;
	if (!file)
		return NULL;
	if (getdelim(&text, &bytes, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

// copy_line copies what follows up to the line's end into out, without blanks around it.
static void copy_line(const char *from, char *out, size_t bytes)
{
	from += strspn(from, " \t");
	size_t length = MIN(strcspn(from, "\n"), bytes - 1);
	memcpy(out, from, length);
	while (length > 0 && strchr(" \t\r", out[length - 1]))
		length--;
	out[length] = '\0';
}

// read_rfcs takes "9293 3.10.7.4; 5961 3.2".
static void read_rfcs(const char *from, struct segment_script *script)
{
	char line[SEGMENT_TEXT_BYTES];
	char *rest = line;
	copy_line(from, line, sizeof(line));
	for (char *part; (part = strsep(&rest, ";")) && script->rfc_count < SEGMENT_RFCS;)
		if (*part)
			copy_line(part, script->rfc[script->rfc_count++], sizeof(script->rfc[0]));
}

// read_heading takes one comment line, behind its #.
static void read_heading(const char *line, struct segment_script *script)
{
	line += strspn(line, " \t");
	if (strncmp(line, "rfc:", 4) == 0)
		read_rfcs(line + 4, script);
	else if (strncmp(line, "known:", 6) == 0)
		copy_line(line + 6, script->known, sizeof(script->known));
	else if (strncmp(line, "family:", 7) == 0)
		script->family = (uint8_t)atoi(line + 7);
	else if (!script->sentence[0])
		copy_line(line, script->sentence, sizeof(script->sentence));
}

// is_rfc tells whether text is a number, or a draft's name, and a section.
static bool is_rfc(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	if (strncmp(text, "draft-", 6) == 0)
		digits = strcspn(text, " ");
	return digits >= 3 && text[digits] == ' ' && text[digits + 1];
}

char *segment_script_load(const char *path, struct segment_script *script,
			  char error[SEGMENT_TEXT_BYTES])
{
	*script = (struct segment_script){.path = path};
	error[0] = '\0';
	char *text = read_file(path);
	if (!text) {
		snprintf(error, SEGMENT_TEXT_BYTES, "cannot be read");
		return NULL;
	}
	for (const char *line = text; line && *line == '#';) {
		read_heading(line + 1, script);
		line = strchr(line, '\n');
		line += line != NULL;
	}
	bool has_rfc = script->rfc_count > 0;
	for (unsigned i = 0; i < script->rfc_count; i++)
		has_rfc &= is_rfc(script->rfc[i]);
	if (!script->sentence[0])
		snprintf(error, SEGMENT_TEXT_BYTES, "the first line must say what it shows");
	else if (!has_rfc)
		snprintf(error, SEGMENT_TEXT_BYTES, "no line `# rfc: NUMBER SECTION`");
	return text;
}

// end_check is what must hold when the last line ran.
static void end_check(struct segment_run *run)
{
	struct segment_bed *bed = run->bed;
	run->text = "(end)";
	segment_open(run);
	segment_bed_settle(bed);
	if (segment_bed_next(bed))
		segment_unexpected(run, "at the end");
	for (unsigned i = 0; i < bed->flow_count; i++)
		if (bed->flow[i].closed)
			segment_fail(run, "the end came and nobody asked: closed %s",
				     counter_info[bed->flow[i].reason].name);
	if (bed->overrun_count)
		segment_fail(run, "more segments left than fit");
}

static void run_lines(struct segment_run *run, const char *text)
{
	for (const char *at = text; at && *at && !run->has_failed;) {
		char line[SEGMENT_LINE_BYTES];
		size_t bytes = strcspn(at, "\n");
		run->line++;
		snprintf(line, sizeof(line), "%.*s", (int)bytes, at);
		if (bytes >= sizeof(line))
			segment_fail(run, "the line is too long");
		else if (!segment_run_line(run, line))
			fprintf(run->trace, "#   failed at: %s\n", line);
		at += bytes + (at[bytes] == '\n');
	}
	if (!run->has_failed)
		end_check(run);
}

bool segment_script_run(const struct segment_script *script, const char *text, bool is_v6,
			bool is_verbose, FILE *out)
{
	struct segment_run run = {.script = script, .bed = segment_bed_new(is_v6)};
	run.trace = open_memstream(&run.trace_text, &run.trace_bytes);
	CHECK(run.trace);
	run.flow = segment_bed_flow(run.bed, 40000, 0);
	run_lines(&run, text);
	for (unsigned i = 0; i < run.held_count; i++)
		free(run.held[i]);
	uint32_t lost = segment_bed_free(run.bed);
	if (lost)
		segment_fail(&run, "%u packets and buffers leaked", lost);
	fclose(run.trace);
	if (run.has_failed)
		fprintf(out, "# %s:%u (IPv%c): %s\n", script->path, run.line, is_v6 ? '6' : '4',
			run.failure);
	if (run.has_failed || is_verbose)
		fprintf(out, "# IPv%c, so far:\n%s", is_v6 ? '6' : '4', run.trace_text);
	free(run.trace_text);
	return !run.has_failed;
}
