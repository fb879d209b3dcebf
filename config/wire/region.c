// SPDX-License-Identifier: Apache-2.0
// The sealed memfd; see region.h. The seals make SIGBUS by truncation impossible, fallocate makes
// SIGBUS by a full tmpfs impossible.
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool shape_is_good(const struct region_shape *shape)
{
	return shape->worker_count >= 1 && shape->worker_count <= REGION_WORKERS_MAX &&
	       ring_size_is_good(shape->down_bytes) && ring_size_is_good(shape->up_bytes);
}

static size_t pair_bytes(const struct region_shape *shape)
{
	return ring_bytes(shape->down_bytes) + ring_bytes(shape->up_bytes);
}

static size_t rings_offset(const struct region_shape *shape)
{
	return sizeof(struct region_header) + shape->worker_count * sizeof(struct region_worker);
}

static size_t shape_bytes(const struct region_shape *shape)
{
	size_t bytes = rings_offset(shape) + shape->worker_count * pair_bytes(shape);
	return (bytes + 4095) & ~(size_t)4095;
}

static struct region_header *header_of(const struct region *region)
{
	return (struct region_header *)(void *)region->base;
}

static int map(struct region *region)
{
	void *base = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd, 0);
	if (base == MAP_FAILED)
		return errno;
	region->base = base;
	// Keys pass through: not into core dumps.
	madvise(base, region->bytes, MADV_DONTDUMP);
	return 0;
}

// fill sizes, reserves, maps, writes the header and seals.
static int fill(struct region *region)
{
	if (ftruncate(region->fd, (off_t)region->bytes) != 0)
		return errno;
	int error = posix_fallocate(region->fd, 0, (off_t)region->bytes);
	if (error)
		return error;
	error = map(region);
	if (error)
		return error;
	struct region_header *header = header_of(region);
	header->magic = REGION_MAGIC;
	header->abi = REGION_ABI;
	header->worker_count = region->shape.worker_count;
	header->down_bytes = region->shape.down_bytes;
	header->up_bytes = region->shape.up_bytes;
	header->region_bytes = region->bytes;
	header->generation = region->generation;
	return fcntl(region->fd, F_ADD_SEALS, SEALS) == 0 ? 0 : errno;
}

int region_create(struct region *region, const struct region_shape *shape, uint64_t generation)
{
	*region = (struct region){.fd = -1};
	if (!shape_is_good(shape))
		return EINVAL;
	region->shape = *shape;
	region->generation = generation;
	region->bytes = shape_bytes(shape);
	region->fd = memfd_create("millrace-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (region->fd < 0)
		return errno;
	int error = fill(region);
	if (error)
		region_detach(region);
	return error;
}

// check_header copies the shared header's facts and judges the copy.
static const char *check_header(struct region *region, uint32_t worker_count)
{
	const volatile struct region_header *header = header_of(region);
	if (header->magic != REGION_MAGIC)
		return "no region: wrong magic";
	if (header->abi != REGION_ABI)
		return "region of another version";
	region->shape = (struct region_shape){
		.worker_count = header->worker_count,
		.down_bytes = header->down_bytes,
		.up_bytes = header->up_bytes,
	};
	region->generation = header->generation;
	if (!shape_is_good(&region->shape))
		return "region with an impossible shape";
	if (region->shape.worker_count != worker_count)
		return "region for another number of workers";
	if (shape_bytes(&region->shape) != region->bytes || !region_is_intact(region))
		return "region whose size does not fit its shape";
	return NULL;
}

static const char *attach(struct region *region, uint32_t worker_count)
{
	struct stat stat;
	if (fstat(region->fd, &stat) != 0)
		return "no file";
	int seals = fcntl(region->fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || (seals & F_SEAL_WRITE))
		return "region without the seals that fix its size";
	if (stat.st_size < (off_t)sizeof(struct region_header) ||
	    stat.st_size > (off_t)REGION_WORKERS_MAX * 2 * (RING_MAX_BYTES + 4096))
		return "region of an impossible size";
	region->bytes = (size_t)stat.st_size;
	if (posix_fallocate(region->fd, 0, stat.st_size) != 0)
		return "no memory for the region";
	if (map(region) != 0)
		return "region cannot be mapped";
	return check_header(region, worker_count);
}

const char *region_attach(struct region *region, int fd, uint32_t worker_count)
{
	*region = (struct region){.fd = fd};
	const char *why = attach(region, worker_count);
	if (why)
		region_detach(region);
	return why;
}

void region_detach(struct region *region)
{
	if (region->base)
		munmap(region->base, region->bytes);
	if (region->fd >= 0)
		close(region->fd);
	*region = (struct region){.fd = -1};
}

bool region_is_intact(const struct region *region)
{
	const volatile struct region_header *header = header_of(region);
	return header->magic == REGION_MAGIC && header->abi == REGION_ABI &&
	       header->worker_count == region->shape.worker_count &&
	       header->down_bytes == region->shape.down_bytes &&
	       header->up_bytes == region->shape.up_bytes &&
	       header->region_bytes == region->bytes && header->generation == region->generation;
}

static void *down_ring(const struct region *region, uint32_t worker_index)
{
	return region->base + rings_offset(&region->shape) +
	       worker_index * pair_bytes(&region->shape);
}

static void *up_ring(const struct region *region, uint32_t worker_index)
{
	return (uint8_t *)down_ring(region, worker_index) + ring_bytes(region->shape.down_bytes);
}

void region_down_writer(const struct region *region, uint32_t worker_index, struct ring_writer *out)
{
	ring_writer_init(out, down_ring(region, worker_index), region->shape.down_bytes);
}

void region_up_reader(const struct region *region, uint32_t worker_index, struct ring_reader *out)
{
	ring_reader_init(out, up_ring(region, worker_index), region->shape.up_bytes, false);
}

void region_down_reader(const struct region *region, uint32_t worker_index, struct ring_reader *out)
{
	ring_reader_init(out, down_ring(region, worker_index), region->shape.down_bytes, true);
}

void region_up_writer(const struct region *region, uint32_t worker_index, struct ring_writer *out)
{
	ring_writer_init(out, up_ring(region, worker_index), region->shape.up_bytes);
}

struct region_worker *region_worker(const struct region *region, uint32_t worker_index)
{
	return (struct region_worker *)(void *)(region->base + sizeof(struct region_header)) +
	       worker_index;
}

void region_beat_control(const struct region *region)
{
	// A counter of its own line: no order with anything else is needed.
	atomic_fetch_add_explicit(&header_of(region)->control_beat, 1, memory_order_relaxed);
}

uint64_t region_control_beat(const struct region *region)
{
	return atomic_load_explicit(&header_of(region)->control_beat, memory_order_relaxed);
}
