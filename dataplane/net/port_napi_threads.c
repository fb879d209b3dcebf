// SPDX-License-Identifier: Apache-2.0
// One dump of generic netlink; see port_napi_threads.h. The numbers are those of linux/netdev.h,
// which is younger than the headers that we build with.
#include "port_napi_threads.h"

#include <errno.h>
#include <net/if.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

enum {
	NETDEV_CMD_NAPI_GET = 11,
	NETDEV_NAPI_IFINDEX = 1,
	NETDEV_NAPI_PID = 4,
};

struct answer {
	pid_t *tids; // borrowed
	uint32_t count, found;
	uint32_t ifindex;
};

static int take(struct nl_msg *message, void *user)
{
	struct answer *answer = user;
	struct nlattr *attr[NETDEV_NAPI_PID + 1];
	if (genlmsg_parse(nlmsg_hdr(message), 0, attr, NETDEV_NAPI_PID, NULL) < 0 ||
	    !attr[NETDEV_NAPI_IFINDEX] || !attr[NETDEV_NAPI_PID] ||
	    nla_get_u32(attr[NETDEV_NAPI_IFINDEX]) != answer->ifindex)
		return NL_OK;
	if (answer->found < answer->count)
		answer->tids[answer->found++] = (pid_t)nla_get_u32(attr[NETDEV_NAPI_PID]);
	return NL_OK;
}

static int errno_of(int nl_error)
{
	switch (-nl_error) {
	case NLE_SUCCESS: return 0;
	case NLE_NOMEM: return ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS: return EPERM;
	case NLE_NODEV: return ENODEV;
	case NLE_OBJ_NOTFOUND: // no such family
	case NLE_OPNOTSUPP: return EOPNOTSUPP;
	default: return EIO;
	}
}

// ask sends the question and reads its answers to the end. Returns an error of libnl's.
static int ask(struct nl_sock *socket, struct answer *answer)
{
	int error = genl_connect(socket);
	int family = error ? error : genl_ctrl_resolve(socket, "netdev");
	if (family < 0)
		return family;
	struct nl_msg *message = nlmsg_alloc();
	if (!message)
		return -NLE_NOMEM;
	if (!genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP,
			 NETDEV_CMD_NAPI_GET, 1) ||
	    nla_put_u32(message, NETDEV_NAPI_IFINDEX, answer->ifindex) < 0)
		error = -NLE_NOMEM;
	if (!error)
		error = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, take, answer);
	if (!error)
		error = nl_send_auto(socket, message);
	nlmsg_free(message);
	return error < 0 ? error : nl_recvmsgs_default(socket);
}

int port_napi_threads(const char *iface, pid_t *tids, uint32_t count, uint32_t *found)
{
	struct answer answer = {.tids = tids, .count = count, .ifindex = if_nametoindex(iface)};
	*found = 0;
	if (answer.ifindex == 0)
		return ENODEV;
	struct nl_sock *socket = nl_socket_alloc();
	if (!socket)
		return ENOMEM;
	int error = ask(socket, &answer);
	nl_socket_free(socket);
	*found = answer.found;
	return error < 0 ? errno_of(error) : 0;
}
