// SPDX-License-Identifier: Apache-2.0
// How connections begin, actively, passively or by cookie, and how they are remembered afterwards;
// part of tcp_priv.h.
#pragma once

#include "tcp_segment.h"

#include <stdbool.h>
#include <stdint.h>

struct tcp;
struct tcp_conn;
struct tcp_half;
struct tcp_listening;
struct tcp_time_wait;
struct tcp_tuple;

// -- tcp_listen.c, tcp_connect.c, tcp_time_wait.c

// tcp_listen_syn takes a SYN for a listener; iss_min, when not NULL, is what our ISN must be after.
void tcp_listen_syn(struct tcp *tcp, struct tcp_listening *listening, const struct tcp_tuple *tuple,
		    const struct tcp_segment *syn, const struct tcp_seq *iss_min);

// tcp_half_input takes a segment of a half-open connection. Returns the connection that its ACK
// made, whose first segment this is too, or NULL.
struct tcp_conn *tcp_half_input(struct tcp_half *half, const struct tcp_segment *segment);

// tcp_half_free forgets a half-open connection.
void tcp_half_free(struct tcp_half *half);

// tcp_half_answer fills half's SYN-ACK.
void tcp_half_answer(const struct tcp_half *half, struct tcp_segment *answer);

// tcp_half_make_conn makes the connection, still in SYN-RECEIVED: the ACK's own processing
// establishes it. NULL, counted, without room. half itself stays.
struct tcp_conn *tcp_half_make_conn(const struct tcp_half *half);

// -- tcp_cookie.c

// tcp_cookie_send answers a SYN that found no room with a SYN cookie; with nothing when there is no
// room for the connection either.
void tcp_cookie_send(struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_segment *syn);

// tcp_cookie_is_sent is true while a cookie may be on its way back, or a replay of it known as old.
bool tcp_cookie_is_sent(const struct tcp *tcp);

// tcp_cookie_is_ours is true when ack returns a cookie that may make a connection.
bool tcp_cookie_is_ours(const struct tcp *tcp, const struct tcp_tuple *tuple,
			const struct tcp_segment *ack);

// tcp_cookie_open takes an ACK of no connection to a listener. Returns the connection that its
// cookie made, whose first segment this is too, or NULL, counted and answered.
struct tcp_conn *tcp_cookie_open(struct tcp *tcp, struct tcp_listening *listening,
				 const struct tcp_tuple *tuple, const struct tcp_segment *ack);

// tcp_syn_segment fills a SYN's options and window; the caller adds sequence numbers and ports.
void tcp_syn_segment(const struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *syn);

// tcp_connect_input is RFC 9293 3.10.7.3: a segment in SYN-SENT.
void tcp_connect_input(struct tcp_conn *conn, const struct tcp_segment *segment);

// tcp_connect_send sends conn's SYN, or SYN-ACK in SYN-RECEIVED, and arms its timer.
void tcp_connect_send(struct tcp_conn *conn);

// tcp_time_wait_enter moves conn's tuple into TIME-WAIT (nothing when the bound is 0) and ends
// conn.
void tcp_time_wait_enter(struct tcp_conn *conn);

// tcp_time_wait_input takes a segment of a TIME-WAIT entry. True when it is a SYN that may open a
// new connection: the entry is gone then, and *iss_min set (RFC 6191).
bool tcp_time_wait_input(struct tcp *tcp, struct tcp_time_wait *wait,
			 const struct tcp_segment *segment, struct tcp_seq *iss_min);

// tcp_time_wait_is_reusable is true when we may open wait's tuple again: timestamps tell the peer
// (RFC 6191), once our clock has passed what it last heard. tcp_time_wait_reuse forgets the entry
// and returns what our ISN must be after.
bool tcp_time_wait_is_reusable(const struct tcp *tcp, const struct tcp_time_wait *wait);
struct tcp_seq tcp_time_wait_reuse(struct tcp *tcp, struct tcp_time_wait *wait);

// tcp_time_wait_start and tcp_time_wait_stop begin and end the list's timer.
void tcp_time_wait_start(struct tcp *tcp);
void tcp_time_wait_stop(struct tcp *tcp);
