/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/config/config_cmd.h"

#include "lb/config/config.h"
#include "lb/config/config_upstream.h"

static int flushed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("weir: error: standard output");
	return 1;
}

static void count(unsigned long long n, const char *what, const char *end)
{
	printf("%llu %s%s%s", n, what, n == 1 ? "" : "s", end);
}

int config_cmd_check(const char *file)
{
	return config_cmd_check_with(file, NULL);
}

int config_cmd_check_with(const char *file, config_check_fn *more)
{
	struct config *cfg;
	uint64_t backend_cnt = 0;

	if (config_load(file, stderr, &cfg) != 0)
		return 1;
	if (more != NULL && more(cfg, stderr) != 0) {
		config_free(cfg);
		return 1;
	}
	for (uint32_t i = 0; i < cfg->service_cnt; i++)
		backend_cnt += cfg->services[i].backend_cnt;
	for (uint32_t i = 0; i < cfg->listener_cnt; i++)
		backend_cnt += cfg->listeners[i].backend_cnt;
	for (uint32_t i = 0; i < cfg->upstream_cnt; i++)
		backend_cnt += cfg->upstreams[i].backend_cnt;
	printf("%s: good: ", file);
	count(cfg->port_cnt, "port", ", ");
	count(cfg->workers.count, "worker", ", ");
	count(cfg->service_cnt, "service", ", ");
	count(backend_cnt, "backend", cfg->listener_cnt > 0 ? ", " : "\n");
	if (cfg->listener_cnt > 0)
		count(cfg->listener_cnt, "listener", "\n");
	config_free(cfg);
	return flushed();
}

int config_cmd_show(const char *file)
{
	struct config *cfg;

	if (config_load(file, stderr, &cfg) != 0)
		return 1;
	config_show(cfg, stdout);
	config_free(cfg);
	return flushed();
}

int config_cmd_schema(void)
{
	config_schema(stdout);
	return flushed();
}

int config_cmd_manual(void)
{
	config_manual(stdout);
	return flushed();
}

int config_cmd_reference(void)
{
	config_reference(stdout);
	return flushed();
}
