#include "wire/value.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "wire/bytes.h"
#include "wire/keys.h"

static const char CUT[] = "the bytes end in the middle of a value";

static const char *fail(const char **wrong, const char *text)
{
    *wrong = text;
    return NULL;
}

/* What is behind a head's first byte. A number of 1, 2, 4 or 8 bytes: */
static uint64_t number_of(const char *at, size_t width)
{
    switch (width) {
    case 1: return (unsigned char)*at;
    case 2: return rs_get16(at);
    case 4: return rs_get32(at);
    default: return rs_get64(at);
    }
}

static const char *read_bytes(const char *at, const char *end, rs_value *v, const char **wrong)
{
    if (v->n > (size_t)(end - at))
        return fail(wrong, "a string or an extension is longer than what follows");
    if (v->n > RS_VALUE_LONGEST)
        return fail(wrong, "a string of more than 1 GiB");
    v->bytes = at;
    return at + v->n;
}

static const char *read_count(const char *at, const char *end, rs_value *v, const char **wrong)
{
    size_t left = (size_t)(end - at);
    if (v->n > (v->kind == RS_MAP ? left / 2 : left))
        return fail(wrong, "a table has more elements than bytes follow");
    return at;
}

/* The type stands behind the length. */
static const char *read_ext(const char *at, const char *end, rs_value *v, const char **wrong)
{
    if (at == end)
        return fail(wrong, CUT);
    v->kind = RS_EXT;
    v->ext = (unsigned char)*at;
    return read_bytes(at + 1, end, v, wrong);
}

static const char *read_float(const char *at, size_t width, rs_value *v)
{
    uint32_t half = width == 4 ? rs_get32(at) : 0;
    uint64_t whole = width == 8 ? rs_get64(at) : 0;
    float f;
    v->kind = RS_FLOAT;
    memcpy(&f, &half, sizeof f);
    memcpy(&v->number, &whole, sizeof whole);
    if (width == 4)
        v->number = (double)f;
    return at + width;
}

static const char *read_unsigned(const char *at, size_t width, rs_value *v, const char **wrong)
{
    uint64_t x = number_of(at, width);
    if (x > INT64_MAX)
        return fail(wrong, "an integer above 2^63-1");
    v->kind = RS_INTEGER;
    v->integer = (int64_t)x;
    return at + width;
}

static const char *read_signed(const char *at, size_t width, rs_value *v)
{
    uint64_t x = number_of(at, width);
    v->kind = RS_INTEGER;
    v->integer = width == 1 ? (int8_t)x : width == 2 ? (int16_t)x : width == 4 ? (int32_t)x : (int64_t)x;
    return at + width;
}

/* By the first byte from 0xc0 on: how many bytes of a number follow it. */
static const unsigned char widths[32] = {
    0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, /* nil, -, booleans; bin, ext, float, uint */
    1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4, /* int; fixext; str, array, map */
};

/* Everything whose first byte is c0 to df; `at` is behind it. */
static const char *read_long(unsigned char c, const char *at, const char *end, rs_value *v, const char **wrong)
{
    size_t width = widths[c - 0xc0];
    if (width > (size_t)(end - at))
        return fail(wrong, CUT);
    switch (c) {
    case 0xc0: v->kind = RS_NIL; return at;
    case 0xc1: return fail(wrong, "the byte c1, which MessagePack doesn't use");
    case 0xc2:
    case 0xc3:
        v->kind = RS_BOOLEAN;
        v->integer = c & 1;
        return at;
    case 0xca:
    case 0xcb: return read_float(at, width, v);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: return read_unsigned(at, width, v, wrong);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: return read_signed(at, width, v);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8: v->n = (size_t)1 << (c - 0xd4); return read_ext(at, end, v, wrong);
    default: break;
    }
    v->n = (size_t)number_of(at, width);
    at += width;
    if (c >= 0xdc) {
        v->kind = c >= 0xde ? RS_MAP : RS_ARRAY;
        return read_count(at, end, v, wrong);
    }
    if (c >= 0xc7 && c <= 0xc9)
        return read_ext(at, end, v, wrong);
    v->kind = RS_STRING; /* also bin, which is another name for it here */
    return read_bytes(at, end, v, wrong);
}

const char *rs_value_read(const char *at, const char *end, rs_value *v, const char **wrong)
{
    if (at == end)
        return fail(wrong, CUT);
    unsigned char c = (unsigned char)*at++;
    if (c >= 0xc0 && c < 0xe0)
        return read_long(c, at, end, v, wrong);
    if (c >= 0xa0 && c < 0xc0) {
        v->kind = RS_STRING;
        v->n = c & 31;
        return read_bytes(at, end, v, wrong);
    }
    if (c >= 0x80 && c < 0xa0) {
        v->kind = c < 0x90 ? RS_MAP : RS_ARRAY;
        v->n = c & 15;
        return read_count(at, end, v, wrong);
    }
    v->kind = RS_INTEGER;
    v->integer = c < 0x80 ? c : c - 0x100;
    return at;
}

bool rs_ext_is_hooked(int ext)
{
    return ext == RS_EXT_MINE || ext == RS_EXT_YOURS || ext == RS_EXT_FUNCTION || ext == RS_EXT_PROMISE ||
           ext == RS_EXT_ERROR;
}

/* What keys that collide may cost: comparisons in all, and for each byte of the message. */
enum { COST = 16 * 1024 * 1024, COST_PER_BYTE = 16 };

struct checker {
    const char *at, *end; /* of the message, or of the extension that we are in */
    const char *wrong;
    rs_value_sum *sum;
    uint64_t cost, most; /* of keys */
    size_t values;
    int depth;
    bool hooks;
};

static bool refuse(struct checker *c, const char *text)
{
    c->wrong = text;
    return false;
}

static bool check_value(struct checker *c, rs_value *v);

static bool enter(struct checker *c)
{
    return c->depth++ < RS_VALUE_DEPTH || refuse(c, "more than 200 levels");
}

static bool check_array(struct checker *c, size_t n)
{
    rs_value v;
    for (; n > 0; n--)
        if (!check_value(c, &v))
            return false;
    return true;
}

static bool check_key(struct checker *c, rs_keys *keys)
{
    const char *from = c->at;
    rs_value v;
    if (!check_value(c, &v))
        return false;
    c->cost += rs_keys_add(keys, &v);
    if (v.kind != RS_NIL && !(v.kind == RS_FLOAT && isnan(v.number)) && c->cost <= c->most)
        return true;
    c->at = from;
    return refuse(c, c->cost > c->most ? "too many keys that collide" : "nil or NaN as a key");
}

static bool check_pairs(struct checker *c, size_t n, rs_keys *keys)
{
    rs_value v;
    for (; n > 0; n--)
        if (!check_key(c, keys) || !check_value(c, &v))
            return false;
    return true;
}

static bool check_map(struct checker *c, size_t n)
{
    rs_keys keys;
    rs_keys_init(&keys, n);
    bool ok = check_pairs(c, n, &keys);
    rs_keys_fini(&keys);
    return ok;
}

/* v is the head, which is read. */
static bool check_table(struct checker *c, const rs_value *v)
{
    c->sum->tables++;
    if (!enter(c) || !(v->kind == RS_MAP ? check_map(c, v->n) : check_array(c, v->n)))
        return false;
    c->depth--;
    return true;
}

static bool read_head(struct checker *c, rs_value *v)
{
    const char *next = rs_value_read(c->at, c->end, v, &c->wrong);
    if (!next)
        return false;
    c->at = next;
    return true;
}

static bool check_shared(struct checker *c)
{
    rs_value v;
    if (!read_head(c, &v))
        return false;
    if (v.kind != RS_INTEGER || v.integer < 0 || (uint64_t)v.integer >= c->sum->tables)
        return refuse(c, "a table that was not there before");
    c->sum->shared = true;
    return true;
}

static bool check_marked(struct checker *c)
{
    rs_value v;
    if (!read_head(c, &v))
        return false;
    return v.kind == RS_ARRAY || v.kind == RS_MAP ? check_table(c, &v) : refuse(c, "a marked table that is none");
}

/* MINE and YOURS begin with a number. */
static bool check_hooked(struct checker *c, int ext)
{
    rs_value v;
    bool numbered = ext == RS_EXT_MINE || ext == RS_EXT_YOURS;
    if (!c->hooks)
        return refuse(c, "a reference, where none can be understood");
    c->sum->hooked = true;
    if (!enter(c))
        return false;
    if (numbered && (!check_value(c, &v) || v.kind != RS_INTEGER))
        return c->wrong ? false : refuse(c, "a reference without a number");
    while (c->at < c->end)
        if (!check_value(c, &v))
            return false;
    c->depth--;
    return true;
}

/* The payload is all that may be read meanwhile, and all of it must be. */
static bool check_ext(struct checker *c, const rs_value *v)
{
    const char *behind = c->at, *end = c->end;
    bool ok;
    c->at = v->bytes;
    c->end = behind;
    switch (v->ext) {
    case RS_EXT_SHARED: ok = check_shared(c); break;
    case RS_EXT_NULL: ok = true; break;
    case RS_EXT_ARRAY: ok = check_marked(c); break;
    default: ok = rs_ext_is_hooked(v->ext) ? check_hooked(c, v->ext) : refuse(c, "an unknown extension"); break;
    }
    if (!ok)
        return false;
    if (c->at != behind)
        return refuse(c, "an extension that is too long");
    c->end = end;
    return true;
}

/* Checks a value and all in it; *v is its head. */
static bool check_value(struct checker *c, rs_value *v)
{
    const char *from = c->at;
    if (++c->values > RS_VALUE_MOST)
        return refuse(c, "more than 16,777,216 values");
    if (!read_head(c, v))
        return false;
    if (v->kind < RS_ARRAY)
        return true;
    if (v->kind != RS_EXT)
        return check_table(c, v);
    if (check_ext(c, v))
        return true;
    if (!rs_ext_is_hooked(v->ext) && v->ext != RS_EXT_ARRAY)
        c->at = from;
    return false;
}

int rs_value_check(const char *bytes, size_t n, bool hooks, rs_value_sum *sum, const char **wrong, size_t *where)
{
    struct checker c = {.at = bytes, .end = bytes + n, .sum = sum, .hooks = hooks};
    c.most = COST + (uint64_t)COST_PER_BYTE * n;
    rs_value v;
    *sum = (rs_value_sum){0};
    while (c.at < c.end) {
        if (!check_value(&c, &v)) {
            *wrong = c.wrong;
            *where = (size_t)(c.at - bytes);
            return RS_EPROTO;
        }
        sum->values++;
    }
    return 0;
}
