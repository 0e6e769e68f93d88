/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/config_text.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"

struct config *config_text_parse_n(const char *text, size_t len, char **messages)
{
	struct config *cfg;
	size_t size;
	FILE *err = open_memstream(messages, &size);
	int rc;

	ASSERT(err);
	rc = config_parse("t", text, len, err, &cfg);
	ASSERT(fclose(err) == 0);
	ASSERT((rc == 0) == (cfg != NULL));
	return cfg;
}

struct config *config_text_parse(const char *text, char **messages)
{
	return config_text_parse_n(text, strlen(text), messages);
}

/* Cut "  # place" from the end of every line. No place holds " # ", values may. */
static void drop_places(char *text)
{
	char *out = text;

	for (char *p = text; *p;) {
		char *end = strchrnul(p, '\n'), *cut = end;

		while (cut > p && strncmp(cut, " # ", 3) != 0)
			cut--;
		if (cut == p)
			cut = end;
		while (cut > p && cut[-1] == ' ')
			cut--;
		memmove(out, p, (size_t)(cut - p));
		out += cut - p;
		if (*end == '\n')
			*out++ = *end++;
		p = end;
	}
	*out = '\0';
}

char *config_text_show(const struct config *cfg, bool places)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ASSERT(out);
	config_show(cfg, out);
	ASSERT(fclose(out) == 0);
	if (!places)
		drop_places(text);
	return text;
}

char *config_text_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text;
	long size;

	if (!f)
		perror(path);
	ASSERT(f);
	ASSERT(fseek(f, 0, SEEK_END) == 0);
	size = ftell(f);
	ASSERT(size >= 0);
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	ASSERT(text);
	ASSERT(fread(text, 1, (size_t)size, f) == (size_t)size);
	fclose(f);
	return text;
}
