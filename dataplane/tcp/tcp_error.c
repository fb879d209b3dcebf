// SPDX-License-Identifier: Apache-2.0
// ICMP errors about segments we sent (RFC 5927): believed only when they quote a sequence number in
// flight. "Too big" lowers the segment size to a floor, hard errors end a connection attempt only.
#include "tcp_priv.h"

#include "bytes.h"

#define MTU_FLOOR4 552u
#define MTU_FLOOR6 1280u

// reduce cuts segments to what mtu carries and sends again from the last ACK.
static void reduce(struct tcp_conn *conn, uint32_t mtu)
{
	bool is_v4 = addr_is_v4(&conn->tuple.remote);
	uint32_t floor = is_v4 ? MTU_FLOOR4 : MTU_FLOOR6;
	uint32_t mss = MAX(mtu, floor) - (is_v4 ? 40u : 60u);
	if (mss >= conn->agreed.send_mss)
		return;
	tcp_count(conn->tcp, COUNTER_tcp_mtu_reduced);
	conn->agreed.send_mss = (uint16_t)mss;
	conn->cc.mss = tcp_conn_mss(conn);
	tcp_recover_resend(conn);
}

void tcp_icmp_error(void *user, const struct addr *local, const struct addr *remote,
		    const uint8_t *quoted, size_t quoted_bytes, bool is_hard, uint32_t mtu)
{
	struct tcp *tcp = user;
	struct bytes_reader header = bytes_read_from(quoted, quoted_bytes);
	struct tcp_tuple tuple = {.local = *local, .remote = *remote};
	tuple.local_port = bytes_u16(&header);
	tuple.remote_port = bytes_u16(&header);
	struct tcp_seq seq = seq_of(bytes_u32(&header));
	struct tcp_found found = {0};
	if (header.ok)
		found = tcp_table_find(tcp, &tuple);
	struct tcp_conn *conn = found.kind == TCP_KIND_CONN ? found.object : NULL;
	if (!conn || !seq_within(seq, (struct tcp_range){conn->una, conn->max})) {
		tcp_count(tcp, COUNTER_tcp_icmp_ignored);
		return;
	}
	if (mtu && conn->state >= TCP_ESTABLISHED)
		reduce(conn, mtu);
	else if (is_hard && conn->state == TCP_SYN_SENT)
		tcp_conn_end(conn, COUNTER_tcp_unreachable);
	else
		tcp_count(tcp, COUNTER_tcp_icmp_ignored);
}
