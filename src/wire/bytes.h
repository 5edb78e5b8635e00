/* Numbers as they go over the wire: big-endian, at any address. Compilers make one instruction of each. */
#ifndef RS_WIRE_BYTES_H
#define RS_WIRE_BYTES_H

#include <stdint.h>

static inline uint16_t rs_get16(const char *from)
{
    const unsigned char *p = (const unsigned char *)from;
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t rs_get32(const char *from)
{
    const unsigned char *p = (const unsigned char *)from;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t rs_get64(const char *from)
{
    return (uint64_t)rs_get32(from) << 32 | rs_get32(from + 4);
}

static inline void rs_put16(char *to, uint16_t x)
{
    to[0] = (char)(x >> 8);
    to[1] = (char)x;
}

static inline void rs_put32(char *to, uint32_t x)
{
    to[0] = (char)(x >> 24);
    to[1] = (char)(x >> 16);
    to[2] = (char)(x >> 8);
    to[3] = (char)x;
}

static inline void rs_put64(char *to, uint64_t x)
{
    rs_put32(to, (uint32_t)(x >> 32));
    rs_put32(to + 4, (uint32_t)x);
}

#endif
