/* MessagePack, read without Lua: one head at a time, and a check of a whole message. doc/protocol.md has the bytes. */
#ifndef RS_WIRE_VALUE_H
#define RS_WIRE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RS_VALUE_DEPTH = 200,                  /* tables and extensions inside each other */
    RS_VALUE_LONGEST = 1024 * 1024 * 1024, /* bytes of a string */
    RS_VALUE_MOST = 16 * 1024 * 1024,      /* values of a message, those inside others included */
};

/* The extensions. What MINE, YOURS, FUNCTION, PROMISE and ERROR mean, the hooks of the codec know. */
enum rs_value_ext {
    RS_EXT_MINE = 1, /* a reference that the sender made */
    RS_EXT_YOURS,    /* one that the receiver made, going home */
    RS_EXT_SHARED,   /* a table of this message once more: its number */
    RS_EXT_NULL,     /* JSON's null */
    RS_EXT_ARRAY,    /* a table that JSON knows as an array: an array or a map */
    RS_EXT_FUNCTION,
    RS_EXT_PROMISE,
    RS_EXT_ERROR,
};

enum rs_value_kind { RS_NIL, RS_BOOLEAN, RS_INTEGER, RS_FLOAT, RS_STRING, RS_ARRAY, RS_MAP, RS_EXT };

typedef struct rs_value {
    enum rs_value_kind kind;
    int ext;           /* the type of an extension, 0 to 255 */
    int64_t integer;   /* also 0 or 1 of a boolean */
    double number;     /* of a float */
    const char *bytes; /* of a string, or the payload of an extension */
    size_t n;          /* their number; of an array its elements, of a map its pairs, which follow */
} rs_value;

/* Reads the value at `at`, of arrays and maps their head, and returns what stands behind it. NULL where there is none, with
 * *wrong (static) set. Counts are never above what the bytes until end can hold. */
const char *rs_value_read(const char *at, const char *end, rs_value *v, const char **wrong);

/* What a message holds. */
typedef struct rs_value_sum {
    size_t values; /* on the top level */
    size_t tables; /* with a number */
    bool shared;   /* some table is there twice */
    bool hooked;   /* something is only for a hook */
} rs_value_sum;

/* A message as a sequence of values: RS_EPROTO where it follows not every rule, with *wrong (static) and *where, an
 * offset. Without `hooks`, neither do extensions that only a hook understands. */
int rs_value_check(const char *bytes, size_t n, bool hooks, rs_value_sum *sum, const char **wrong, size_t *where);

/* Goes to a hook, and what stands in it is a sequence of values. */
bool rs_ext_is_hooked(int ext);

#endif
