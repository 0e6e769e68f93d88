/* SPDX-License-Identifier: Apache-2.0
 * The tree is composed from libyaml's events rather than by yaml_parser_load(), because the latter
 * cannot be told to stop: its scanner walks all open brackets for each token, so that a file of
 * brackets takes quadratic time before a depth could be looked at, it searches anchors one by one,
 * and an alias is no longer visible in what it returns. Events carry the same start_mark.
 *
 * Bytes are looked at first (UTF-8, control characters), which gives those errors a line and a
 * column: libyaml reports them with a byte offset only. */
#include "lb/config/yaml.h"

#include <errno.h>
#include <string.h>

#include <yaml.h>

#define ANCHOR_BUCKETS 256

struct anchor {
	struct anchor *next;
	const char *name;
	struct yaml_node *node;
	bool open; /* still being read: an alias to it would be a cycle */
};

struct composer {
	struct arena *arena;
	struct diag *diag;
	const char *text;
	size_t len;
	yaml_parser_t parser;
	struct yaml_node *root;
	struct level {
		struct yaml_node *node, *last;
		struct anchor *anchor;
		uint32_t child_cnt;
	} stack[LIMIT_CONFIG_DEPTH];
	uint32_t depth;
	uint32_t node_cnt, aliased_cnt, anchor_cnt;
	struct anchor *anchors[ANCHOR_BUCKETS];
};

static struct config_mark mark_of(const yaml_mark_t *m)
{
	return (struct config_mark){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

/* Bytes of the UTF-8 character at p (RFC 3629), or 0. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* YAML 1.1 section 5.1: tab, line breaks, printable characters. */
static int check_bytes(struct diag *d, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	struct config_mark at = {1, 1};

	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(p + i, len - i);

		if (n == 0) {
			diag_error(d, at, "byte 0x%02x is not UTF-8", p[i]);
			return -EINVAL;
		}
		if (p[i] == '%' && at.col == 1) {
			/* libyaml compares each %TAG with all others. */
			diag_error(d, at, "directives have no meaning here");
			return -EINVAL;
		}
		if ((p[i] < 0x20 && !strchr("\t\n\r", p[i])) || p[i] == 0 || p[i] == 0x7f) {
			diag_error(d, at, "control character 0x%02x is not allowed", p[i]);
			return -EINVAL;
		}
		if (p[i] == '\n') {
			at.line++;
			at.col = 1;
		} else {
			at.col++;
		}
		i += n;
	}
	return 0;
}

static uint32_t anchor_bucket(const char *name)
{
	uint32_t h = 2166136261u;

	while (*name)
		h = (h ^ (unsigned char)*name++) * 16777619u;
	return (h ^ h >> 16) % ANCHOR_BUCKETS;
}

static struct anchor *anchor_find(const struct composer *c, const char *name)
{
	struct anchor *a = c->anchors[anchor_bucket(name)];

	while (a && strcmp(a->name, name) != 0)
		a = a->next;
	return a;
}

/* The newest anchor of a name is found first, as YAML 1.1 section 7.1 wants. */
static struct anchor *anchor_add(struct composer *c, const char *name, struct yaml_node *node)
{
	struct anchor **bucket = &c->anchors[anchor_bucket(name)];
	struct anchor *a;

	if (c->anchor_cnt == LIMIT_CONFIG_ANCHORS) {
		diag_error(c->diag, node->mark, "more than %d anchors", LIMIT_CONFIG_ANCHORS);
		return NULL;
	}
	a = arena_alloc(c->arena, sizeof(*a));
	if (!a)
		return NULL;
	*a = (struct anchor){.next = *bucket, .node = node};
	a->name = arena_text(c->arena, name, strlen(name));
	if (!a->name)
		return NULL;
	*bucket = a;
	c->anchor_cnt++;
	return a;
}

static uint32_t weight_sum(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static struct yaml_node *node_add(struct composer *c, enum yaml_type type, const yaml_event_t *ev)
{
	struct yaml_node *n = arena_alloc(c->arena, sizeof(*n));
	struct level *top = c->depth ? &c->stack[c->depth - 1] : NULL;

	if (!n)
		return NULL;
	n->type = type;
	n->mark = mark_of(&ev->start_mark);
	n->weight = 1;
	if (++c->node_cnt > LIMIT_CONFIG_NODES) {
		diag_error(
			c->diag, n->mark, "the file has more than %u values", LIMIT_CONFIG_NODES);
		return NULL;
	}
	if (!top) {
		c->root = n;
		return n;
	}
	if (top->last)
		top->last->next = n;
	else
		top->node->first = n;
	top->last = n;
	top->child_cnt++;
	return n;
}

static void refuse_tag(struct composer *c, const yaml_char_t *tag, struct config_mark at)
{
	char q[DIAG_QUOTE];

	if (!tag)
		return;
	diag_error(c->diag, at, "tag '%s': tags have no meaning here, remove it",
		diag_quote((const char *)tag, strlen((const char *)tag), q));
}

static int add_scalar(struct composer *c, const yaml_event_t *ev)
{
	struct yaml_node *n = node_add(c, YAML_SCALAR, ev);

	if (!n)
		return -EINVAL;
	refuse_tag(c, ev->data.scalar.tag, n->mark);
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->len = (uint32_t)ev->data.scalar.length;
	n->text = arena_text(c->arena, (const char *)ev->data.scalar.value, n->len);
	if (!n->text)
		return -ENOMEM;
	if (ev->data.scalar.anchor && !anchor_add(c, (const char *)ev->data.scalar.anchor, n))
		return -EINVAL;
	return 0;
}

static int open_level(
	struct composer *c, enum yaml_type type, const yaml_event_t *ev, const yaml_char_t *anchor)
{
	struct yaml_node *n = node_add(c, type, ev);
	struct level *l;

	if (!n)
		return -EINVAL;
	refuse_tag(c, type == YAML_LIST ? ev->data.sequence_start.tag : ev->data.mapping_start.tag,
		n->mark);
	if (c->depth == LIMIT_CONFIG_DEPTH) {
		diag_error(c->diag, n->mark, "nested more than %d deep", LIMIT_CONFIG_DEPTH);
		return -EINVAL;
	}
	l = &c->stack[c->depth++];
	*l = (struct level){.node = n};
	if (anchor) {
		l->anchor = anchor_add(c, (const char *)anchor, n);
		if (!l->anchor)
			return -EINVAL;
		l->anchor->open = true;
	}
	return 0;
}

static void close_level(struct composer *c)
{
	struct level *l = &c->stack[--c->depth];

	for (const struct yaml_node *n = l->node->first; n; n = n->next)
		l->node->weight = weight_sum(l->node->weight, n->weight);
	l->node->cnt = l->node->type == YAML_MAP ? l->child_cnt / 2 : l->child_cnt;
	if (l->anchor)
		l->anchor->open = false;
}

static int add_alias(struct composer *c, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const struct anchor *a = anchor_find(c, name);
	struct yaml_node *n = node_add(c, YAML_ALIAS, ev);
	char q[DIAG_QUOTE];

	if (!n)
		return -EINVAL;
	diag_quote(name, strlen(name), q);
	if (!a) {
		diag_error(c->diag, n->mark, "alias '*%s' has no anchor '&%s' before it", q, q);
		return -EINVAL;
	}
	if (a->open) {
		diag_error(c->diag, n->mark, "alias '*%s' stands inside its own anchor", q);
		return -EINVAL;
	}
	n->target = a->node;
	n->weight = a->node->weight;
	c->aliased_cnt = weight_sum(c->aliased_cnt, n->weight);
	if (c->aliased_cnt > LIMIT_CONFIG_ALIASED) {
		diag_error(c->diag, n->mark, "alias '*%s': aliases expand to more than %u values",
			q, LIMIT_CONFIG_ALIASED);
		return -EINVAL;
	}
	return 0;
}

static const char *line_start(const struct composer *c, uint32_t line)
{
	const char *p = c->text, *end = c->text + c->len;

	for (; p < end && line > 1; p++)
		line -= *p == '\n';
	return p;
}

static bool indents_with_tab(const struct composer *c, uint32_t line)
{
	const char *p = line_start(c, line), *end = c->text + c->len;

	while (p < end && *p == ' ')
		p++;
	return p < end && *p == '\t';
}

/* Does "]:" with a number behind it stand on the line? Then an IPv6 address wants quotes. */
static bool has_bare_ip6_port(const struct composer *c, uint32_t line)
{
	const char *p = line_start(c, line), *end = c->text + c->len;

	for (; end - p > 2 && *p != '\n'; p++) {
		if (p[0] == ']' && p[1] == ':' && p[2] >= '0' && p[2] <= '9')
			return true;
	}
	return false;
}

static int syntax_error(struct composer *c)
{
	const yaml_parser_t *p = &c->parser;
	struct config_mark at = mark_of(&p->problem_mark);
	const char *hint = "";

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (indents_with_tab(c, at.line))
		hint = "; indent with blanks, not with tabs";
	else if (has_bare_ip6_port(c, at.line))
		hint = "; write an IPv6 address with a port in quotes: \"[2001:db8::1]:80\"";
	diag_error(c->diag, at, "syntax: %s%s%s%s", p->problem ? p->problem : "unreadable",
		p->context ? ", " : "", p->context ? p->context : "", hint);
	return -EINVAL;
}

/* 0: go on; 1: the end; -errno. */
static int take(struct composer *c, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (!c->root)
			return 0;
		diag_error(c->diag, mark_of(&ev->start_mark), "a second document: a file has one");
		return -EINVAL;
	case YAML_SCALAR_EVENT:
		return add_scalar(c, ev);
	case YAML_ALIAS_EVENT:
		return add_alias(c, ev);
	case YAML_SEQUENCE_START_EVENT:
		return open_level(c, YAML_LIST, ev, ev->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return open_level(c, YAML_MAP, ev, ev->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_level(c);
		return 0;
	case YAML_STREAM_END_EVENT:
		return 1;
	default:
		return 0;
	}
}

static int compose(struct composer *c)
{
	int rc;

	yaml_parser_set_encoding(&c->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&c->parser, (const unsigned char *)c->text, c->len);
	do {
		yaml_event_t ev;

		if (!yaml_parser_parse(&c->parser, &ev)) {
			rc = syntax_error(c);
			break;
		}
		rc = take(c, &ev);
		yaml_event_delete(&ev);
	} while (rc == 0);
	return rc < 0 ? rc : 0;
}

int yaml_read(
	struct arena *a, struct diag *d, const char *text, size_t len, struct yaml_node **root)
{
	struct composer *c;
	int rc;

	*root = NULL;
	if (len > LIMIT_CONFIG_BYTES) {
		diag_error(d, (struct config_mark){0}, "the file has more than %u MiB",
			LIMIT_CONFIG_BYTES >> 20);
		return -EINVAL;
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (check_bytes(d, text, len) != 0)
		return -EINVAL;
	c = arena_alloc(a, sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct composer){.arena = a, .diag = d, .text = text, .len = len};
	if (!yaml_parser_initialize(&c->parser))
		return -ENOMEM;
	rc = compose(c);
	yaml_parser_delete(&c->parser);
	if (a->failed)
		return -ENOMEM;
	*root = rc == 0 ? c->root : NULL;
	return rc;
}
