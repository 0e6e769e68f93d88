/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>

#include "lb/l7/route/explain.h"

static int usage(void)
{
	fputs("usage: weir route FILE METHOD URL [NAME: VALUE ...] [--client ADDRESS] [--listener "
	      "NAME] [-o json]\n",
		stderr);
	return 2;
}

int explain_cmd(int argc, char **argv)
{
	static const struct option longs[] = {
		{"client", required_argument, NULL, 'c'},
		{"listener", required_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	struct explain_ask ask = {0};
	struct config *cfg;
	bool json = false;
	json_t *o;
	int opt, rc;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
		if (opt == 'c')
			ask.client = optarg;
		else if (opt == 'l')
			ask.listener = optarg;
		else if (opt == 'o' && strcmp(optarg, "json") == 0)
			json = true;
		else
			return usage();
	}
	if (argc - optind < 3)
		return usage();
	if (config_load(argv[optind], stderr, &cfg) != 0)
		return 1;
	ask.cfg = cfg;
	ask.method = argv[optind + 1];
	ask.url = argv[optind + 2];
	ask.fields = argv + optind + 3;
	ask.field_cnt = (uint32_t)(argc - optind - 3);
	rc = explain_request(&ask, stderr, &o);
	if (rc == 0 && json) {
		json_dumpf(o, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
	} else if (rc == 0) {
		explain_print(o, stdout);
	}
	json_decref(o);
	config_free(cfg);
	return rc == 0 && fflush(stdout) == 0 ? 0 : 1;
}
