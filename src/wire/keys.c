#include "wire/keys.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum { FEW = 512, PLACES = 65536 };

void rs_keys_init(rs_keys *k, size_t n)
{
    uint64_t size = 1;
    while (size < n)
        size *= 2;
    *k = (rs_keys){.modulus = (size - 1) | 1};
}

void rs_keys_fini(rs_keys *k)
{
    free(k->places);
}

/* As luaH_ does it: a float by its first 31 bits and its exponent, one that is whole as the integer. */
static uint64_t hash_float(double x)
{
    int exponent;
    if (fabs(x) < 9223372036854775808.0 && x == floor(x))
        return (uint64_t)(int64_t)x;
    if (!isfinite(x))
        return 0;
    int64_t mantissa = (int64_t)(frexp(x, &exponent) * 2147483648.0);
    unsigned u = (unsigned)exponent + (unsigned)mantissa;
    return u <= INT_MAX ? u : ~u;
}

/* Without memory nothing is counted: there will be none for the table either. */
uint32_t rs_keys_add(rs_keys *k, const rs_value *key)
{
    if ((key->kind != RS_INTEGER && key->kind != RS_FLOAT) || ++k->seen <= FEW)
        return 0;
    if (!k->places && !(k->places = calloc(PLACES, sizeof *k->places)))
        return 0;
    uint64_t hash = key->kind == RS_INTEGER ? (uint64_t)key->integer : hash_float(key->number);
    return k->places[hash % k->modulus % PLACES]++;
}
