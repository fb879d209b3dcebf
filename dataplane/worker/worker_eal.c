// SPDX-License-Identifier: Apache-2.0
// EAL's arguments from the configuration; see worker_eal.h.
#include "worker_eal.h"

#include "worker.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64u
#define MEBIBYTE      (1u << 20)
#define MBUF_BYTES    2560u            // head, private area, room and the pool's own share
#define PAGED_BYTES   4160u            // the same where no mbuf may lie across pages of 4 KiB
#define SPARE_BYTES   (24u * MEBIBYTE) // rings, device queues, EAL itself

struct arguments {
	char *at[ARGUMENTS_MAX + 1];
	int count;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments,
						      const char *format, ...)
{
	va_list list;
	va_start(list, format);
	if (arguments->count < (int)ARGUMENTS_MAX &&
	    vasprintf(&arguments->at[arguments->count], format, list) >= 0)
		arguments->count++;
	va_end(list);
}

bool worker_eal_has_af_xdp(const struct conf *conf)
{
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++)
		if (strncmp(conf->dataplane.ports[i].device, "net_af_xdp", 10) == 0)
			return true;
	return false;
}

size_t worker_eal_needed_bytes(const struct conf *conf)
{
	bool is_paged =
		conf->dataplane.hugepages == CONF_HUGEPAGES_NEVER || worker_eal_has_af_xdp(conf);
	size_t mbuf_bytes = is_paged ? PAGED_BYTES : MBUF_BYTES;
	size_t worker = conf->dataplane.mbufs * mbuf_bytes + worker_buffer_bytes(conf);
	if (conf->l4.services_count > 0)
		worker += conf->l4.flows * (size_t)L4_TABLE_BYTES;
	return conf->dataplane.cores.count * worker + SPARE_BYTES;
}

// is_pci is true for "0000:01:00.0" and "01:00.0".
static bool is_pci(const char *device)
{
	return device[0] >= '0' && device[0] <= '9';
}

static void add_devices(struct arguments *arguments, const struct conf *conf)
{
	bool has_pci = false;
	for (uint32_t i = 0; i < conf->dataplane.ports_count; i++) {
		const struct conf_port *port = &conf->dataplane.ports[i];
		if (!is_pci(port->device))
			continue;
		has_pci = true;
		add(arguments, "--allow=%s", port->device);
	}
	if (!has_pci)
		add(arguments, "--no-pci");
}

// free_hugepage_bytes is what the machine has left in pages of 2 MiB.
static uint64_t free_hugepage_bytes(void)
{
	unsigned long long pages = 0;
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * 2 * MEBIBYTE;
}

static void add_memory(struct arguments *arguments, const struct conf *conf)
{
	uint64_t bytes = conf->dataplane.memory_bytes;
	bool is_huge = conf->dataplane.hugepages == CONF_HUGEPAGES_AUTO &&
		       free_hugepage_bytes() >= bytes && geteuid() == 0;
	add(arguments, "-m");
	add(arguments, "%llu", (unsigned long long)(bytes / MEBIBYTE));
	if (is_huge) {
		add(arguments, "--in-memory");
	} else {
		add(arguments, "--no-huge");
		add(arguments, "--no-shconf");
	}
}

// check_cores looks whether this process may use the cores that key names. Returns 0, or EINVAL
// after a message.
static int check_cores(const struct conf_cores *cores, const cpu_set_t *allowed, const char *key)
{
	for (uint32_t i = 0; i < cores->count; i++)
		if (!CPU_ISSET(cores->at[i], allowed)) {
			fprintf(stderr, "%s: core %u is not one this process may use\n", key,
				cores->at[i]);
			return EINVAL;
		}
	return 0;
}

// add_cores maps lcore 0 to all cores we may use and lcore i + 1 to worker i's. Returns 0, or
// EINVAL after a message.
static int add_cores(struct arguments *arguments, const struct conf *conf)
{
	char text[4096];
	size_t used = (size_t)snprintf(text, sizeof(text), "0@(");
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return errno;
	const struct conf_cores *cores = &conf->dataplane.cores;
	int error = check_cores(cores, &allowed, "dataplane.cores");
	if (!error)
		error = check_cores(&conf->dataplane.handshake_cores, &allowed,
				    "dataplane.handshake_cores");
	if (error)
		return error;
	const char *comma = "";
	for (size_t cpu = 0; cpu < CPU_SETSIZE && used < sizeof(text) / 2; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%zu", comma, cpu);
		comma = ",";
	}
	used += (size_t)snprintf(text + used, sizeof(text) - used, ")");
	for (uint32_t i = 0; i < cores->count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ",%u@%u", i + 1,
					 cores->at[i]);
	add(arguments, "--lcores=%s", text);
	add(arguments, "--main-lcore=0");
	return 0;
}

// make_directory makes path and what is above it.
static int make_directory(const char *path)
{
	char part[CONF_TEXT_BYTES];
	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (mkdir(part, path[i] ? 0755 : 0700) != 0 && errno != EEXIST) {
			fprintf(stderr, "run_dir: %s: %s\n", part, strerror(errno));
			return errno;
		}
	}
	return 0;
}

static int check_memory(const struct conf *conf)
{
	size_t needed = worker_eal_needed_bytes(conf);
	if (needed <= conf->dataplane.memory_bytes)
		return 0;
	fprintf(stderr,
		"dataplane.memory: %llu MiB is less than the %zu MiB that packets and buffers "
		"need; give "
		"more or lower dataplane.mbufs, record_buffers, small_buffers, l4.flows\n",
		(unsigned long long)(conf->dataplane.memory_bytes / MEBIBYTE),
		(needed + MEBIBYTE - 1) / MEBIBYTE);
	return ENOMEM;
}

int worker_eal_init(const struct conf *conf)
{
	struct arguments arguments = {0};
	for (int signal_number = SIGRTMIN; signal_number <= SIGRTMAX; signal_number++)
		signal(signal_number, SIG_IGN);
	int error = check_memory(conf);
	if (!error)
		error = make_directory(conf->run_dir);
	if (error)
		return error;
	setenv("RUNTIME_DIRECTORY", conf->run_dir, 1);
	add(&arguments, "millrace-dataplane");
	add(&arguments, "--file-prefix=%s", conf->node.id);
	add(&arguments, "--log-level=*:warning");
	error = add_cores(&arguments, conf);
	add_memory(&arguments, conf);
	add_devices(&arguments, conf);
	// EAL reorders its vector: what is freed below is named by our own.
	char *vector[ARGUMENTS_MAX + 1];
	memcpy(vector, arguments.at, sizeof(vector));
	if (!error && rte_eal_init(arguments.count, vector) < 0) {
		error = rte_errno ? rte_errno : EINVAL;
		fprintf(stderr, "EAL does not start: %s; see its messages above\n",
			strerror(error));
	}
	for (int i = 0; i < arguments.count; i++)
		free(arguments.at[i]);
	return error;
}

void worker_eal_fini(void)
{
	rte_eal_cleanup();
}
