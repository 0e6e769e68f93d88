/* SPDX-License-Identifier: Apache-2.0
 * hook - CACHE_HOOK() stands before each access to a word that workers share. Nothing, except in
 * the test that includes the sources with CACHE_HOOKS defined: there its scheduler decides who goes
 * on. */
#ifndef CACHE_HOOK_H
#define CACHE_HOOK_H

#ifdef CACHE_HOOKS
void cache_hook(void);
#define CACHE_HOOK() cache_hook()
#else
#define CACHE_HOOK() ((void)0)
#endif

#endif
