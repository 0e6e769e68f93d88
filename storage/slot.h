/* SPDX-License-Identifier: Apache-2.0
 * slot - which of 16,384 slots a key belongs to: the rule of Redis Cluster, so that its clients
 * route alike.  CRC16 (XMODEM) of the key, or of what stands between the first '{' and the next '}'
 * if that is not empty.  Source: Redis Cluster specification, "Key distribution model".
 * Owner: none.  Cost: one table look-up for each byte. */
#ifndef STORAGE_SLOT_H
#define STORAGE_SLOT_H

#include "dataplane/base/compiler.h"

#define STORE_SLOTS 16384

uint16_t slot_crc16(const void *data, size_t len);
/* 0 .. STORE_SLOTS - 1 */
uint16_t slot_of_key(const void *key, size_t len);

#endif
