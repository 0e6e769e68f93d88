/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/config/check.h"

void check_all(struct reader *r, const struct reach *reach, const struct config *cfg,
	struct config_tree *root)
{
	struct check c = {.r = r, .reach = reach, .cfg = cfg, .root = root};

	(void)c;
}
