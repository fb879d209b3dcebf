// SPDX-License-Identifier: Apache-2.0
// The decision; see port_moderation.h.
#include "port_moderation.h"

void port_moderation_init(struct port_moderation *moderation, uint64_t rate)
{
	*moderation = (struct port_moderation){.rate = rate};
}

// note remembers this look; false when there is no rate since the last one.
static bool note(struct port_moderation *moderation, uint64_t packets, uint64_t now_us,
		 uint64_t *rate)
{
	bool is_rate = moderation->has_looked && packets >= moderation->packets;
	if (is_rate)
		*rate = (packets - moderation->packets) * 1000000 /
			(now_us - moderation->looked_us);
	moderation->has_looked = true;
	moderation->packets = packets;
	moderation->looked_us = now_us;
	return is_rate;
}

static void begin(struct port_moderation *moderation, uint64_t now_us)
{
	moderation->is_waiting = true;
	moderation->switched_us = now_us;
}

static void end(struct port_moderation *moderation, uint64_t now_us)
{
	uint64_t pause_us = moderation->pause_us * 2;
	if (now_us - moderation->switched_us >= PORT_MODERATION_SHORT_US)
		pause_us = 0;
	else if (pause_us == 0)
		pause_us = PORT_MODERATION_SHORT_US;
	else if (pause_us > PORT_MODERATION_PAUSE_MAX_US)
		pause_us = PORT_MODERATION_PAUSE_MAX_US;
	moderation->is_waiting = false;
	moderation->pause_us = pause_us;
	moderation->may_wait_us = now_us + pause_us;
}

bool port_moderation_look(struct port_moderation *moderation, uint64_t packets, uint64_t now_us)
{
	uint64_t rate = 0;
	if (moderation->has_looked && now_us < moderation->looked_us + PORT_MODERATION_LOOK_US)
		return false;
	if (!note(moderation, packets, now_us, &rate))
		return false;
	if (moderation->is_waiting && rate < moderation->rate / 2) {
		end(moderation, now_us);
		return true;
	}
	if (!moderation->is_waiting && rate > moderation->rate &&
	    now_us >= moderation->may_wait_us) {
		begin(moderation, now_us);
		return true;
	}
	return false;
}
