/* SPDX-License-Identifier: Apache-2.0
 * The page is part of the program: lb/api/dashboard.html as it stands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/api/api_pvt.h"

__asm__(".pushsection .rodata\n"
	".global api_page_start\n"
	"api_page_start:\n"
	".incbin \"lb/api/dashboard.html\"\n"
	".global api_page_end\n"
	"api_page_end:\n"
	".popsection\n");
extern const char api_page_start[], api_page_end[];

int api_get_page(void *ctx, struct admin_call *c)
{
	size_t len = (size_t)(api_page_end - api_page_start);

	(void)ctx;
	c->text = malloc(len);
	if (c->text == NULL)
		return -ENOMEM;
	memcpy(c->text, api_page_start, len);
	c->text_len = len;
	c->content_type = "text/html; charset=utf-8";
	c->html = true;
	return 0;
}
