/* Digests and checksums, fed in pieces: md5, sha1, sha256, sha512, xxh64. No Lua in here, so workers use it too. */
#ifndef RS_SYS_DIGEST_H
#define RS_SYS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { RS_DIGEST_MAX = 64 }; /* bytes of the longest result */

typedef struct rs_digest_class rs_digest_class;

/* Opaque in all but its size. Owns nothing: it may live on the stack, be copied by assignment (which forks the
 * computation), and be forgotten. */
typedef struct rs_digest {
    const rs_digest_class *class;
    uint64_t bytes;
    union {
        uint32_t w[16];
        uint64_t q[8];
    } h;
    unsigned char block[128];
} rs_digest;

/* NULL for a name that is none of the above. */
const rs_digest_class *rs_digest_find(const char *name);
/* The classes one by one, for lists and messages; NULL past the last. */
const rs_digest_class *rs_digest_at(size_t i);
const char *rs_digest_name(const rs_digest_class *class);
/* Bytes of the result, at most RS_DIGEST_MAX. */
size_t rs_digest_size(const rs_digest_class *class);

void rs_digest_init(rs_digest *d, const rs_digest_class *class);
void rs_digest_update(rs_digest *d, const void *data, size_t n);
/* Writes rs_digest_size bytes; d must be started anew before it is fed again. */
void rs_digest_final(rs_digest *d, unsigned char *out);

/* Writes 2n lower-case digits and a NUL. */
void rs_digest_hex(const unsigned char *bytes, size_t n, char *out);

#endif
