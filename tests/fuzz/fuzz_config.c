/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a configuration file: no crash, no leak, no hang. What is taken is shown, and what
 * is shown must be taken again and show the same. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "tests/support/config_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *said, *first, *second;
	struct config *cfg = config_text_parse_n((const char *)data, size, &said), *again;

	/* A file is refused with a reason. */
	ASSERT(cfg || strstr(said, "error: "));
	free(said);
	if (!cfg)
		return 0;
	first = config_text_show(cfg, false);
	again = config_text_parse(first, &said);
	ASSERT(again);
	second = config_text_show(again, false);
	ASSERT(strcmp(first, second) == 0);
	ASSERT(config_needs_restart(cfg, again, stderr) == 0);
	config_free(cfg);
	config_free(again);
	free(said);
	free(first);
	free(second);
	return 0;
}
