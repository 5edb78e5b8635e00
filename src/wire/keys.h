/* How much work the numbers that are keys of a map make for Lua. Its tables spread strings by a secret, but numbers by
 * themselves: who knows that sends a few hundred KB of numbers that all fall into one place, and each of them is then
 * compared with all before it, which takes seconds. */
#ifndef RS_WIRE_KEYS_H
#define RS_WIRE_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/value.h"

typedef struct rs_keys {
    size_t seen;
    uint64_t modulus;
    uint32_t *places; /* how many keys fell there; NULL while they are few */
} rs_keys;

/* For a table that is made for n pairs. */
void rs_keys_init(rs_keys *k, size_t n);
void rs_keys_fini(rs_keys *k);

/* How many keys, about, this one will be compared with. */
uint32_t rs_keys_add(rs_keys *k, const rs_value *key);

#endif
