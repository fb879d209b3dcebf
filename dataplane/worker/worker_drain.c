// SPDX-License-Identifier: Apache-2.0
// The polite end of a worker; see worker_drain.h.
#include "worker_drain.h"

#include "worker.h"

#include "check.h"

#define LEAVE_US 500000u // for the ends of connections to other nodes and workloads

static void arm(struct worker *worker, uint64_t us)
{
	wheel_arm(&worker->wheel, &worker->drain.timer, worker->now_us + us);
}

static void finish(struct worker *worker)
{
	const struct conf *conf = worker->conf;
	uint64_t notice_ms = MIN(conf->dataplane.drain_notice_ms, conf->dataplane.drain_time_ms);
	worker->drain.life = WORKER_FINISHING;
	proxy_drain(worker->proxy, PROXY_DRAIN_FINISH);
	arm(worker, (conf->dataplane.drain_time_ms - notice_ms) * 1000);
}

static void leave(struct worker *worker)
{
	worker->drain.life = WORKER_LEAVING;
	proxy_drain(worker->proxy, PROXY_DRAIN_LEAVE);
	arm(worker, LEAVE_US);
}

static void end(struct worker *worker)
{
	worker->drain.life = WORKER_DRAINED;
	wheel_disarm(&worker->wheel, &worker->drain.timer);
}

static void on_deadline(struct wheel_timer *timer, uint64_t)
{
	struct worker *worker = container_of(timer, struct worker, drain.timer);
	switch (worker->drain.life) {
	case WORKER_NOTICE: finish(worker); break;
	case WORKER_FINISHING: proxy_drain(worker->proxy, PROXY_DRAIN_CUT); break;
	case WORKER_LEAVING: end(worker); break;
	case WORKER_RUNNING:
	case WORKER_DRAINED: CHECK(false);
	}
}

void worker_drain(struct worker *worker)
{
	const struct conf *conf = worker->conf;
	CHECK(worker->drain.life == WORKER_RUNNING);
	worker->drain.life = WORKER_NOTICE;
	counter_set(&worker->counters, COUNTER_worker_draining, 1);
	wheel_timer_init(&worker->drain.timer, on_deadline);
	channel_tell_leaving(&worker->channel);
	proxy_drain(worker->proxy, PROXY_DRAIN_NOTICE);
	arm(worker, MIN(conf->dataplane.drain_notice_ms, conf->dataplane.drain_time_ms) * 1000ull);
}

void worker_drain_run(struct worker *worker)
{
	if (worker->drain.life == WORKER_FINISHING && worker_is_quiet(worker))
		leave(worker);
	if (worker->drain.life == WORKER_LEAVING && tcp_in_use(worker->tcp).conn_count == 0)
		end(worker);
}

bool worker_is_quiet(const struct worker *worker)
{
	struct proxy_in_use in_use = proxy_in_use(worker->proxy);
	return in_use.exchange_count == 0 && in_use.downstream_count == 0;
}
