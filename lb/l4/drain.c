/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l4/drain.h"

static enum l4_member_state state_of(const struct l4_life_input *in)
{
	if (!in->present)
		return L4_MEMBER_REMOVED;
	if (in->drain)
		return L4_MEMBER_DRAIN;
	return in->healthy ? L4_MEMBER_UP : L4_MEMBER_DOWN;
}

static uint64_t end_of(const struct l4_life *life, const struct l4_life_input *in)
{
	if (life->state == L4_MEMBER_UP || life->state == L4_MEMBER_DOWN)
		return UINT64_MAX;
	if (life->state == L4_MEMBER_REMOVED && in->removal_reset)
		return life->since_ns;
	if (in->drain_ns == 0 || life->since_ns > UINT64_MAX - in->drain_ns)
		return UINT64_MAX;
	return life->since_ns + in->drain_ns;
}

bool l4_life_step(struct l4_life *life, const struct l4_life_input *in, uint64_t now_ns)
{
	enum l4_member_state next = state_of(in);
	bool changed = life->state != (uint8_t)next;

	if (changed) {
		life->state = (uint8_t)next;
		life->since_ns = now_ns;
	}
	life->end_ns = end_of(life, in);
	life->reset = in->removal_reset;
	return changed;
}
