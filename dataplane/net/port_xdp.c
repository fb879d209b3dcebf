// SPDX-License-Identifier: Apache-2.0
// What a worker may sleep on where its port is an AF_XDP socket. DPDK's driver has no interrupts
// and tells nobody its socket, but poll(2) works on it: the one that is there after a queue was set
// up, and was not before, is the queue's. See port_ethdev.h.
//
// Generic XDP is for a veth: its driver takes frames in a NAPI of its own, whose thread is two
// switches of context a packet, or whose softirq runs on the sender's core. Generic XDP is in the
// kernel's ordinary receive path, which RPS brings to a core by one interrupt. DPDK cannot ask for
// it, so our program takes the place of DPDK's once the sockets are there.
#include "port_priv.h"

#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_xdp(int fd)
{
	int domain = 0;
	socklen_t bytes = sizeof(domain);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_XDP;
}

void port_xdp_note(fd_set *sockets)
{
	FD_ZERO(sockets);
	for (int fd = 0; fd < FD_SETSIZE; fd++)
		if (is_xdp(fd))
			FD_SET(fd, sockets);
}

int port_xdp_find(const fd_set *sockets)
{
	int found = -1;
	for (int fd = 0; fd < FD_SETSIZE; fd++) {
		if (!is_xdp(fd) || FD_ISSET(fd, sockets))
			continue;
		if (found >= 0)
			return -1;
		found = fd;
	}
	return found;
}

// load makes the program: bpf_redirect_map(sockets, rx_queue_index, XDP_PASS).
static int load(int sockets)
{
	const struct bpf_insn code[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = BPF_REG_2,
		 .src_reg = BPF_REG_1,
		 .off = offsetof(struct xdp_md, rx_queue_index)},
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = sockets},
		{0}, // the upper half of the map's descriptor
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "millrace_xdp", "Apache-2.0", code,
				    sizeof(code) / sizeof(code[0]), NULL);
	return program < 0 ? -errno : program;
}

// attach swaps the driver's program for ours. Between the two calls frames go to the kernel.
static int attach(int program, uint32_t if_index)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_SKB_MODE);
	int error = bpf_xdp_detach((int)if_index, XDP_FLAGS_DRV_MODE, NULL);
	if (error < 0)
		return error;
	int link = bpf_link_create(program, (int)if_index, BPF_XDP, &options);
	return link < 0 ? -errno : link;
}

int port_xdp_use_generic(uint32_t if_index, const int *sockets, uint32_t count)
{
	int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "millrace_xsks", sizeof(uint32_t),
				 sizeof(int), count, NULL);
	if (map < 0)
		return -errno;
	int result = 0;
	for (uint32_t i = 0; i < count && result == 0; i++)
		if (bpf_map_update_elem(map, &i, &sockets[i], BPF_ANY) != 0)
			result = -errno;
	int program = result == 0 ? load(map) : result;
	result = program < 0 ? program : attach(program, if_index);
	// The link holds the program, and the program the map.
	if (program >= 0)
		close(program);
	close(map);
	return result;
}
