// SPDX-License-Identifier: Apache-2.0
// A port that adapts, on a veth of a network namespace of this process's own: what the kernel's two
// files say while many packets come and while few do, what is put back, and what is not to be had.
#include "worker_moderation.h"

#include "own_net.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define RATE 1000u

static const struct conf_port conf = {.name = "wan0",
				      .device = "net_af_xdp0,iface=mra,start_queue=0",
				      .is_adaptive_rx = true,
				      .adaptive_rx_rate = RATE};

static void make_link(void)
{
	CU_ASSERT_EQUAL_FATAL(system("ip link add mra type veth peer name mrb"), 0);
}

static void drop_link(void)
{
	CU_ASSERT_EQUAL(system("ip link del mra"), 0);
}

static uint64_t value_of(const char *name)
{
	char path[128];
	unsigned long long value = UINT64_MAX;
	snprintf(path, sizeof(path), "/sys/class/net/mra/%s", name);
	FILE *file = fopen(path, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fscanf(file, "%llu", &value), 1);
	fclose(file);
	return value;
}

static bool stands(uint64_t defer_count, uint64_t flush_ns)
{
	return value_of("napi_defer_hard_irqs") == defer_count &&
	       value_of("gro_flush_timeout") == flush_ns;
}

// look_at is a second after the last one, with rate packets.
static void look_at(struct moderation_port *port, uint64_t rate)
{
	static uint64_t packets, now_us = 1;
	now_us += 1000000;
	packets += rate;
	moderation_port_look(port, packets, now_us);
}

// said returns how often text is in what one call of step said on stderr.
static unsigned said(void (*step)(struct moderation_port *), struct moderation_port *port,
		     const char *text)
{
	char words[2048] = "";
	unsigned count = 0;
	FILE *file = tmpfile();
	int before = dup(STDERR_FILENO);
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	dup2(fileno(file), STDERR_FILENO);
	step(port);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	size_t bytes = fread(words, 1, sizeof(words) - 1, file);
	words[bytes] = 0;
	fclose(file);
	for (const char *at = words; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static void packets_wait_while_many_come_and_what_was_is_put_back(void)
{
	struct moderation_port port = {0};
	make_link();
	CU_ASSERT_EQUAL(port_napi_write("mra", &(struct port_napi){1, 50000}), 0);
	CU_ASSERT_TRUE(stands(1, 50000));
	moderation_port_start(&port, &conf);
	CU_ASSERT_TRUE(stands(0, 0) && port.is_on);
	look_at(&port, 0);
	look_at(&port, RATE / 2);
	CU_ASSERT_TRUE(stands(0, 0) && !port.is_waiting && port.begun_count == 0);
	look_at(&port, RATE * 2);
	CU_ASSERT_TRUE(stands(2, 200000) && port.is_waiting && port.begun_count == 1);
	look_at(&port, RATE);
	CU_ASSERT_TRUE(stands(2, 200000) && port.ended_count == 0);
	look_at(&port, 0);
	CU_ASSERT_TRUE(stands(0, 0) && !port.is_waiting && port.ended_count == 1);
	look_at(&port, RATE * 2);
	CU_ASSERT_TRUE(stands(2, 200000) && port.begun_count == 2);
	moderation_port_stop(&port);
	CU_ASSERT_TRUE(stands(1, 50000));
	drop_link();
}

static void a_port_that_does_not_ask_is_left_alone(void)
{
	struct moderation_port port = {0};
	struct conf_port other = conf;
	other.is_adaptive_rx = false;
	make_link();
	CU_ASSERT_EQUAL(port_napi_write("mra", &(struct port_napi){1, 50000}), 0);
	moderation_port_start(&port, &other);
	look_at(&port, 0);
	look_at(&port, RATE * 2);
	moderation_port_stop(&port);
	CU_ASSERT_TRUE(stands(1, 50000) && port.begun_count == 0);
	drop_link();
}

static void start(struct moderation_port *port)
{
	moderation_port_start(port, &conf);
}

static void see_many(struct moderation_port *port)
{
	for (unsigned i = 0; i < 5; i++)
		look_at(port, RATE * 2);
}

static void an_interface_that_is_not_there_is_told(void)
{
	struct moderation_port port = {0};
	CU_ASSERT_EQUAL(said(start, &port,
			     "port wan0: adaptive_rx rests, napi_defer_hard_irqs and "
			     "gro_flush_timeout of mra cannot be set: No such device; give the "
			     "process CAP_NET_ADMIN"),
			1);
	CU_ASSERT_FALSE(port.is_on);
	CU_ASSERT_EQUAL(said(see_many, &port, "adaptive_rx"), 0);
	CU_ASSERT_EQUAL(said(moderation_port_stop, &port, "adaptive_rx"), 0);
}

static void an_interface_that_goes_is_told_once(void)
{
	struct moderation_port port = {0};
	make_link();
	moderation_port_start(&port, &conf);
	look_at(&port, 0);
	drop_link();
	CU_ASSERT_EQUAL(said(see_many, &port, "adaptive_rx rests"), 1);
	CU_ASSERT_TRUE(!port.is_on && !port.is_waiting && port.begun_count == 0);
	CU_ASSERT_EQUAL(said(moderation_port_stop, &port, "adaptive_rx"), 0);
}

static void files_that_may_be_read_only_are_told(void)
{
	struct moderation_port port = {0};
	make_link();
	CU_ASSERT_EQUAL_FATAL(mount("none", "/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
			      0);
	CU_ASSERT_EQUAL(said(start, &port, "Read-only file system"), 1);
	CU_ASSERT_FALSE(port.is_on);
	CU_ASSERT_EQUAL(mount("none", "/sys", NULL, MS_REMOUNT | MS_BIND, NULL), 0);
	drop_link();
}

static void another_namespaces_interface_of_the_same_name_is_not_touched(void)
{
	struct port_napi found;
	make_link();
	int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC); // or its links would end
	CU_ASSERT_TRUE_FATAL(before >= 0);
	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNET), 0); // /sys still shows the one before
	CU_ASSERT_EQUAL_FATAL(system("ip link add mrc type veth peer name mrd"), 0);
	make_link();
	CU_ASSERT_EQUAL(port_napi_read("mra", &found), ENODEV);
	CU_ASSERT_EQUAL(port_napi_write("mra", &(struct port_napi){2, 200000}), ENODEV);
	CU_ASSERT_TRUE(stands(0, 0));
	close(before);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"packets wait while many come, and what was is put back",
		 packets_wait_while_many_come_and_what_was_is_put_back},
		{"a port that does not ask is left alone", a_port_that_does_not_ask_is_left_alone},
		{"an interface that is not there is told", an_interface_that_is_not_there_is_told},
		{"an interface that goes is told once", an_interface_that_goes_is_told_once},
		{"files that may be read only are told", files_that_may_be_read_only_are_told},
		{"another namespace's interface of the same name is not touched",
		 another_namespaces_interface_of_the_same_name_is_not_touched},
	};
	if (!own_net_enter()) {
		printf("TAP version 13\n1..0 # SKIP needs root and network namespaces\n");
		return 0;
	}
	return unit_run("worker_moderation", cases, sizeof(cases) / sizeof(cases[0]));
}
