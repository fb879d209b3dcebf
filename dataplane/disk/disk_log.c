// SPDX-License-Identifier: Apache-2.0
// One log: records to and from their places, and the walk over what earlier lives left.
#include "disk_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

#define RECORD_MAGIC 0x6d72656375ull

struct record_header {
	uint64_t magic;
	uint64_t position;
	uint64_t life;
	uint32_t kind;
	uint32_t head_bytes;
	uint64_t body_bytes;
	uint64_t mac; // of this, the head and the codes of the pieces
};

struct segment_header {
	uint64_t number;
	uint64_t life;         // of all its records
	uint64_t previous_end; // the log reached up to here when this segment was begun
	uint64_t mac;
};

struct state_block {
	struct disk_state state;
	uint64_t mac;
};

// Geometry.

static uint64_t aligned(uint64_t bytes)
{
	return (bytes + DISK_BLOCK_BYTES - 1) & ~(uint64_t)(DISK_BLOCK_BYTES - 1);
}

// body_at returns where the body begins in a record: behind header, head and a code for each piece.
static uint64_t body_at(uint64_t head_bytes, uint64_t body_bytes)
{
	uint64_t before = sizeof(struct record_header) + head_bytes;
	// Enough of them, also for the piece that they may add themselves.
	uint64_t pieces = (before + body_bytes) / (DISK_PIECE_BYTES - sizeof(uint64_t)) + 1;
	return before + pieces * sizeof(uint64_t);
}

uint64_t disk_record_bytes(uint64_t head_bytes, uint64_t body_bytes)
{
	return aligned(body_at(head_bytes, body_bytes) + body_bytes);
}

uint64_t disk_place(const struct disk_geometry *geometry, uint64_t *head, uint64_t bytes)
{
	uint64_t inside = *head % geometry->segment_bytes;
	CHECK(bytes <= disk_record_bytes_max(geometry));
	if (inside + bytes > geometry->segment_bytes) {
		*head += geometry->segment_bytes - inside;
		inside = 0;
	}
	if (inside == 0)
		*head += DISK_BLOCK_BYTES;
	uint64_t position = *head;
	*head += bytes;
	return position;
}

uint64_t disk_tail(const struct disk_geometry *geometry, uint64_t head)
{
	// At the very end of a segment the next one is not begun.
	uint64_t number = (head - 1) / geometry->segment_bytes;
	uint64_t oldest =
		number + 1 > geometry->segment_count ? number + 1 - geometry->segment_count : 0;
	return oldest * geometry->segment_bytes;
}

static uint64_t offset_of(const struct disk_log *log, uint64_t position)
{
	const struct disk_geometry *geometry = &log->file->geometry;
	uint64_t log_bytes = geometry->segment_bytes * geometry->segment_count;
	return DISK_LOGS_AT + log->index * log_bytes + position % log_bytes;
}

// Segments and state.

static uint64_t segment_mac(const struct disk_log *log, const struct segment_header *header)
{
	struct {
		struct segment_header header;
		uint64_t index;
	} all = {*header, log->index};
	all.header.mac = 0;
	return disk_mac(log->file, DISK_MAC_SEGMENT, &all, sizeof(all));
}

// read_segment reads the header at the place of segment number; false when there is none.
static bool read_segment(const struct disk_log *log, uint64_t number, struct segment_header *header)
{
	uint64_t position = number * log->file->geometry.segment_bytes;
	return disk_pread(log->file->fd, header, sizeof(*header), offset_of(log, position)) == 0 &&
	       header->mac == segment_mac(log, header);
}

static int begin_segment(struct disk_log *log, uint64_t number)
{
	struct segment_header header = {
		.number = number, .life = log->file->life, .previous_end = log->end};
	uint64_t position = number * log->file->geometry.segment_bytes;
	header.mac = segment_mac(log, &header);
	log->segment = number;
	return disk_pwrite(log->file->fd, &header, sizeof(header), offset_of(log, position));
}

static uint64_t state_offset(const struct disk_log *log)
{
	return (1 + log->index) * (uint64_t)DISK_BLOCK_BYTES;
}

static uint64_t state_mac(const struct disk_log *log, const struct disk_state *state)
{
	struct {
		struct disk_state state;
		uint64_t index;
	} all = {*state, log->index};
	return disk_mac(log->file, DISK_MAC_STATE, &all, sizeof(all));
}

// number_of is one of the numbers that last: with intents they are set there.
static uint64_t number_of(const struct disk_log *log, uint32_t which)
{
	const struct disk_intents *intents = &log->file->intents;
	return intents->area ? disk_intents_number(intents, log->index, which)
			     : log->state.number[which];
}

int disk_keep_state(struct disk_log *log)
{
	log->state.end = log->end;
	for (uint32_t i = 0; i < DISK_STATE_NUMBERS; i++)
		log->state.number[i] = number_of(log, i);
	struct state_block block = {log->state, state_mac(log, &log->state)};
	return disk_pwrite(log->file->fd, &block, sizeof(block), state_offset(log));
}

// read_state: one that is damaged says that nothing is whole.
static int read_state(struct disk_log *log)
{
	struct state_block block;
	if (!log->file->is_kept)
		return disk_keep_state(log);
	int error = disk_pread(log->file->fd, &block, sizeof(block), state_offset(log));
	bool is_good = block.mac == state_mac(log, &block.state);
	if (!error)
		log->state = is_good ? block.state : (struct disk_state){.end = UINT64_MAX};
	return error;
}

// take_intents takes what a life that was killed left there, or puts there what is known.
static void take_intents(struct disk_log *log)
{
	struct disk_intents *intents = &log->file->intents;
	for (uint32_t i = 0; i < DISK_STATE_NUMBERS; i++) {
		if (intents->is_kept)
			log->state.number[i] = number_of(log, i);
		else
			disk_intents_set_number(intents, log->index, i, log->state.number[i]);
	}
	log->doubted = disk_intents_doubted(intents, log->index);
}

int disk_log_open(struct disk_log *log, struct disk_file *file, uint32_t index)
{
	const struct disk_geometry *geometry = &file->geometry;
	uint64_t newest = 0;
	CHECK(index < file->log_count && index < DISK_LOGS_MAX);
	*log = (struct disk_log){.file = file, .index = index};
	log->piece = aligned_alloc(DISK_BLOCK_BYTES, 2 * DISK_PIECE_BYTES);
	if (!log->piece)
		return ENOMEM;
	int error = read_state(log);
	take_intents(log);
	for (uint64_t i = 0; i < geometry->segment_count && !error; i++) {
		struct segment_header header;
		bool is_ours = read_segment(log, i, &header) &&
			       header.number % geometry->segment_count == i;
		newest = is_ours ? MAX(newest, header.number) : newest;
	}
	log->head = (newest + 1) * geometry->segment_bytes;
	log->end = log->kept_end = log->state.end;
	return error;
}

void disk_log_close(struct disk_log *log)
{
	free(log->piece);
	log->piece = NULL;
}

// Bodies. A piece is what is read or written at once: bytes of the record from a multiple of
// DISK_PIECE_BYTES on. Each part of the body that lies in one has its own code, so that it can be
// used before the rest was read. The codes stand in the first piece, with header and head; it is
// written last, so that a record that was torn has none.

static void copy_body(const struct disk_body *body, uint64_t offset, size_t bytes, uint8_t *piece,
		      bool is_out)
{
	while (bytes) {
		size_t run = bytes;
		void *at = body->run(body->user, offset, &run);
		CHECK(run > 0 && run <= bytes);
		memcpy(is_out ? piece : at, is_out ? at : piece, run);
		piece += run;
		offset += run;
		bytes -= run;
	}
}

static uint64_t body_mac(const struct disk_log *log, const uint8_t *piece, size_t bytes)
{
	return disk_mac(log->file, DISK_MAC_BODY, piece, bytes);
}

// part_of is the part of a record's body that lies in its piece number.
struct part {
	uint64_t offset; // in the body
	size_t bytes;
	uint8_t *at; // in memory: the first piece stays where it is
};

static struct part part_of(const struct disk_log *log, const struct disk_record *record,
			   uint64_t begin, uint32_t number)
{
	uint64_t first = (uint64_t)number * DISK_PIECE_BYTES;
	uint64_t end = MIN(first + DISK_PIECE_BYTES, begin + record->body.bytes);
	uint64_t from = MAX(first, begin);
	return (struct part){.offset = from - begin,
			     .bytes = (size_t)(end - from),
			     .at = number ? log->piece + DISK_PIECE_BYTES : log->piece + begin};
}

// code_at is where the code of a piece stands, in the first one.
static void *code_at(const struct disk_log *log, uint64_t head_bytes, uint32_t number)
{
	return log->piece + sizeof(struct record_header) + head_bytes + number * sizeof(uint64_t);
}

static uint32_t piece_count(const struct disk_record *record, uint64_t begin)
{
	return (uint32_t)((begin + record->body.bytes + DISK_PIECE_BYTES - 1) / DISK_PIECE_BYTES);
}

static uint64_t piece_offset(const struct disk_log *log, const struct disk_record *record,
			     uint32_t number)
{
	return offset_of(log, record->position + (uint64_t)number * DISK_PIECE_BYTES);
}

// take_out copies a part of the body out of its memory and notes its code.
static struct part take_out(struct disk_log *log, const struct disk_record *record, uint64_t begin,
			    uint32_t number)
{
	struct part part = part_of(log, record, begin, number);
	copy_body(&record->body, part.offset, part.bytes, part.at, true);
	uint64_t code = body_mac(log, part.at, part.bytes);
	memcpy(code_at(log, record->head.bytes, number), &code, sizeof(code));
	return part;
}

static int write_first_piece(struct disk_log *log, const struct disk_record *record, uint64_t begin)
{
	struct part part = take_out(log, record, begin, 0);
	struct record_header header = {
		.magic = RECORD_MAGIC,
		.position = record->position,
		.life = log->file->life,
		.kind = record->kind,
		.head_bytes = (uint32_t)record->head.bytes,
		.body_bytes = record->body.bytes,
	};
	memcpy(log->piece, &header, sizeof(header));
	if (record->head.bytes)
		memcpy(log->piece + sizeof(header), record->head.at, record->head.bytes);
	header.mac = disk_mac(log->file, DISK_MAC_HEAD, log->piece, begin);
	memcpy(log->piece, &header, sizeof(header));
	return disk_pwrite(log->file->fd, log->piece, begin + part.bytes,
			   offset_of(log, record->position));
}

int disk_append(struct disk_log *log, const struct disk_record *record)
{
	uint64_t begin = body_at(record->head.bytes, record->body.bytes);
	uint64_t segment_bytes = log->file->geometry.segment_bytes;
	int error = 0;
	CHECK(sizeof(struct record_header) + record->head.bytes <= DISK_HEAD_BYTES);
	CHECK(begin <= DISK_PIECE_BYTES);
	if (record->position % segment_bytes == DISK_BLOCK_BYTES)
		error = begin_segment(log, record->position / segment_bytes);
	memset(code_at(log, record->head.bytes, 0), 0,
	       begin - sizeof(struct record_header) - record->head.bytes);
	for (uint32_t i = 1; i < piece_count(record, begin) && !error; i++) {
		struct part part = take_out(log, record, begin, i);
		error = disk_pwrite(log->file->fd, part.at, part.bytes,
				    piece_offset(log, record, i));
	}
	if (!error)
		error = write_first_piece(log, record, begin);
	if (!error)
		log->end = record->position +
			   disk_record_bytes(record->head.bytes, record->body.bytes);
	return error;
}

// take_header copies the header in piece and checks it, the head and the codes, of which bytes were
// read. Returns how many it takes to check them: more than bytes, when that was not enough; 0 when
// it is none of position's.
static uint64_t take_header(const struct disk_log *log, uint64_t position, uint64_t bytes,
			    struct record_header *header)
{
	memcpy(header, log->piece, sizeof(*header));
	if (header->magic != RECORD_MAGIC || header->position != position ||
	    header->head_bytes > DISK_HEAD_BYTES - sizeof(*header) ||
	    header->body_bytes > log->file->geometry.segment_bytes)
		return 0;
	uint64_t begin = body_at(header->head_bytes, header->body_bytes);
	if (begin > bytes)
		return begin <= DISK_PIECE_BYTES ? begin : 0;
	memset(log->piece + offsetof(struct record_header, mac), 0, sizeof(header->mac));
	return header->mac == disk_mac(log->file, DISK_MAC_HEAD, log->piece, begin) ? begin : 0;
}

// read_header reads the record at position, at least bytes of it where there is so much, into
// piece. Returns 0, EBADMSG or another errno.
static int read_header(struct disk_log *log, uint64_t position, uint64_t bytes,
		       struct record_header *header)
{
	uint64_t segment_bytes = log->file->geometry.segment_bytes;
	uint64_t left = segment_bytes - position % segment_bytes;
	for (unsigned i = 0; i < 2; i++) {
		bytes = MIN(bytes, left);
		if (bytes < sizeof(*header))
			return EBADMSG;
		int error = disk_pread(log->file->fd, log->piece, bytes, offset_of(log, position));
		uint64_t needed = error ? 0 : take_header(log, position, bytes, header);
		if (error || (needed && needed <= bytes))
			return error;
		if (needed == 0)
			return EBADMSG;
		bytes = needed;
	}
	return EBADMSG;
}

// bring checks a part of the body, which was read, and copies it into its memory.
static int bring(struct disk_log *log, const struct disk_record *record, uint64_t begin,
		 uint32_t number)
{
	struct part part = part_of(log, record, begin, number);
	uint64_t code;
	memcpy(&code, code_at(log, record->head.bytes, number), sizeof(code));
	if (code != body_mac(log, part.at, part.bytes))
		return EBADMSG;
	copy_body(&record->body, part.offset, part.bytes, part.at, false);
	if (record->body.arrived && part.offset + part.bytes < record->body.bytes)
		record->body.arrived(record, part.offset + part.bytes);
	return 0;
}

int disk_read(struct disk_log *log, struct disk_record *record)
{
	struct record_header header;
	uint64_t bytes = disk_record_bytes(DISK_HEAD_BYTES, record->body.bytes);
	int error =
		read_header(log, record->position, MIN(bytes, (uint64_t)DISK_PIECE_BYTES), &header);
	if (error)
		return error;
	if (header.body_bytes != record->body.bytes)
		return EBADMSG;
	record->kind = header.kind;
	record->head = slice_of(log->piece + sizeof(header), header.head_bytes);
	uint64_t begin = body_at(header.head_bytes, header.body_bytes);
	error = bring(log, record, begin, 0);
	for (uint32_t i = 1; i < piece_count(record, begin) && !error; i++) {
		struct part part = part_of(log, record, begin, i);
		error = disk_pread(log->file->fd, part.at, part.bytes,
				   piece_offset(log, record, i));
		if (!error)
			error = bring(log, record, begin, i);
	}
	return error;
}

// The walk.

void disk_scan_begin(const struct disk_log *log, struct disk_scan *scan)
{
	const struct disk_geometry *geometry = &log->file->geometry;
	uint64_t next = log->head / geometry->segment_bytes;
	*scan = (struct disk_scan){.segment = 1, .last = next - 1, .is_first = true};
	// The place of the oldest one is the next one's.
	if (next > geometry->segment_count)
		scan->segment = next - geometry->segment_count + 1;
}

static enum disk_scanned hole(struct disk_record *record, uint64_t position)
{
	*record = (struct disk_record){.position = position};
	return DISK_SCAN_HOLE;
}

static void leave_segment(struct disk_scan *scan)
{
	scan->segment++;
	scan->position = 0;
}

// enter_segment returns DISK_SCAN_RECORD when the walk goes on at scan->position, or in another
// segment when that is 0.
static enum disk_scanned enter_segment(struct disk_log *log, struct disk_scan *scan,
				       struct disk_record *record)
{
	const struct disk_geometry *geometry = &log->file->geometry;
	uint64_t begin = scan->segment * geometry->segment_bytes;
	struct segment_header header;
	bool is_first = scan->is_first;
	scan->is_first = false;
	if (scan->segment + geometry->segment_count <= log->segment) {
		leave_segment(scan); // this life has written over it
		scan->is_first = true;
		return DISK_SCAN_RECORD;
	}
	if (!read_segment(log, scan->segment, &header) || header.number != scan->segment) {
		leave_segment(scan);
		scan->is_first = true;
		return hole(record, begin + geometry->segment_bytes);
	}
	scan->position = begin + DISK_BLOCK_BYTES;
	scan->life = header.life;
	if (!is_first && scan->end < header.previous_end)
		return hole(record, begin);
	scan->end = MAX(scan->end, is_first ? begin : 0);
	return DISK_SCAN_RECORD;
}

// take_record reads the record at scan->position; false: the segment's records end here.
static bool take_record(struct disk_log *log, struct disk_scan *scan, struct disk_record *record)
{
	struct record_header header;
	uint64_t end = (scan->segment + 1) * log->file->geometry.segment_bytes;
	if (scan->position >= end ||
	    read_header(log, scan->position, DISK_HEAD_BYTES, &header) != 0 ||
	    header.life != scan->life)
		return false;
	uint64_t bytes = disk_record_bytes(header.head_bytes, header.body_bytes);
	if (bytes > end - scan->position)
		return false;
	*record = (struct disk_record){
		.position = scan->position,
		.kind = header.kind,
		.head = slice_of(log->piece + sizeof(header), header.head_bytes),
		.body.bytes = header.body_bytes,
	};
	scan->position += bytes;
	scan->end = scan->position;
	return true;
}

enum disk_scanned disk_scan_next(struct disk_log *log, struct disk_scan *scan,
				 struct disk_record *record)
{
	while (scan->segment <= scan->last) {
		enum disk_scanned scanned = DISK_SCAN_RECORD;
		if (scan->position == 0)
			scanned = enter_segment(log, scan, record);
		if (scanned == DISK_SCAN_HOLE)
			return scanned;
		if (scan->position && take_record(log, scan, record))
			return DISK_SCAN_RECORD;
		if (scan->position)
			leave_segment(scan);
	}
	bool is_short = !scan->is_ended && !scan->is_first && scan->end < log->kept_end;
	scan->is_ended = true;
	return is_short ? hole(record, log->head) : DISK_SCAN_END;
}
