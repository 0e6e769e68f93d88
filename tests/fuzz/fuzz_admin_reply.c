/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a server's answer: the body lies inside, and what is JSON can be printed. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/admin/admin_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct admin_reply r;
	char *text = malloc(size == 0 ? 1 : size); /* exact: a read beyond is seen */
	json_t *body;

	ASSERT(text != NULL);
	memcpy(text, data, size);
	if (null == NULL)
		null = fopen("/dev/null", "w");
	if (admin_reply_parse(text, size, &r) == 0) {
		ASSERT(r.status >= 100 && r.status <= 999);
		ASSERT(r.body >= text && r.body + r.body_len == text + size);
		body = json_loadb(r.body, r.body_len, JSON_REJECT_DUPLICATES, NULL);
		if (body != NULL)
			admin_print(null, body);
		json_decref(body);
	}
	free(text);
	return 0;
}
