/* SPDX-License-Identifier: Apache-2.0
 * config_text - configurations written in a test. */
#ifndef TESTS_SUPPORT_CONFIG_TEXT_H
#define TESTS_SUPPORT_CONFIG_TEXT_H

#include "lb/config/config.h"

/* NULL if it is refused. *messages is what was said under the file name "t", to free(). */
struct config *config_text_parse(const char *text, char **messages);
/* The same with NULs in the text. */
struct config *config_text_parse_n(const char *text, size_t len, char **messages);
/* The effective configuration, to free(); with or without the places it came from. */
char *config_text_show(const struct config *cfg, bool places);
/* A file's bytes with a NUL behind them, to free(); fails the test if it cannot be read. */
char *config_text_file(const char *path);

#endif
