/* SPDX-License-Identifier: Apache-2.0
 * The stages: bytes, tree, values by the table, computed defaults, checks. Later stages run even if
 * an earlier one found errors, as long as there is something to look at. */
#include "lb/config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/check.h"
#include "lb/config/expand.h"

/* What the caller holds is the first member; everything it points to is in the arena. */
struct holder {
	struct config cfg;
	struct arena arena;
};

static void run_checks(struct reader *r, struct config *cfg, struct config_tree *root)
{
	struct reach reach;

	config_expand(r, cfg, root);
	if (r->arena->failed || !reach_init(&reach, r->arena, cfg))
		return;
	config_expand_services(r, &reach, cfg, root);
	if (!r->arena->failed)
		check_all(r, &reach, cfg, root);
}

/* -ENOMEM, or 0 with the errors in d. */
static int build(
	struct holder *h, struct arena *scratch, struct diag *d, const char *text, size_t len)
{
	struct reader r = {.arena = &h->arena, .diag = d};
	struct yaml_node *node;
	struct config_tree *root;
	int rc = yaml_read(scratch, d, text, len, &node);

	if (rc != 0)
		return rc == -ENOMEM ? rc : 0;
	if (!node || (node->type == YAML_SCALAR && node->len == 0 && !node->quoted)) {
		diag_error(d, (struct config_mark){1, 1}, "the file is empty");
		return 0;
	}
	if (node->type != YAML_MAP) {
		diag_error(d, node->mark, "expected a map with ports and services");
		return 0;
	}
	root = reader_map(&r, &schema_root, node, &h->cfg);
	if (!root || h->arena.failed)
		return -ENOMEM;
	root->file = arena_text(&h->arena, d->file, strlen(d->file));
	h->cfg.tree = root;
	run_checks(&r, &h->cfg, root);
	return h->arena.failed || scratch->failed ? -ENOMEM : 0;
}

int config_parse(const char *name, const char *text, size_t len, FILE *err, struct config **out)
{
	struct holder *h = calloc(1, sizeof(*h));
	struct arena scratch;
	struct diag d;
	uint32_t errors;

	*out = NULL;
	arena_init(&scratch);
	diag_init(&d, &scratch, name);
	if (!h || build(h, &scratch, &d, text, len) == -ENOMEM) {
		fprintf(err, "%s: error: out of memory\n", name);
		d.error_cnt++;
	} else {
		diag_print(&d, err);
	}
	errors = d.error_cnt;
	arena_fini(&scratch);
	if (errors) {
		config_free(h ? &h->cfg : NULL);
		return errors > INT_MAX ? -INT_MAX : -(int)errors;
	}
	*out = &h->cfg;
	return 0;
}

void config_free(struct config *cfg)
{
	struct holder *h = (struct holder *)(void *)cfg;

	if (!h)
		return;
	free(cfg->resolved);
	arena_fini(&h->arena);
	free(h);
}
_Static_assert(offsetof(struct holder, cfg) == 0, "config_free() finds its holder");

/* All bytes of f; -errno. */
static int read_all(FILE *f, char **text, size_t *len)
{
	size_t cap = 64 << 10;
	char *buf = malloc(cap), *more;
	int rc = 0;

	*len = 0;
	while (buf) {
		errno = 0;
		*len += fread(buf + *len, 1, cap - *len, f);
		if (ferror(f)) {
			rc = errno ? -errno : -EIO;
			break;
		}
		if (*len < cap || *len > LIMIT_CONFIG_BYTES)
			break;
		cap *= 2;
		more = realloc(buf, cap);
		if (!more)
			free(buf);
		buf = more;
	}
	*text = buf;
	return buf ? rc : -ENOMEM;
}

int config_load(const char *path, FILE *err, struct config **out)
{
	bool std = strcmp(path, "-") == 0;
	const char *name = std ? "<stdin>" : path;
	FILE *f = std ? stdin : fopen(path, "rb");
	char *text = NULL;
	size_t len = 0;
	int rc = f ? read_all(f, &text, &len) : -errno;

	*out = NULL;
	if (f && !std)
		fclose(f);
	if (rc != 0) {
		fprintf(err, "%s: error: %s\n", name, strerror(-rc));
		free(text);
		return -1;
	}
	rc = config_parse(name, text, len, err, out);
	free(text);
	return rc;
}
