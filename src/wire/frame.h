/* Frames: what host and agent cut their byte streams into. doc/protocol.md has the bytes.
 *
 *     length u32 | type u8 | flags u8 | context u16 | id u32 | payload      big-endian; length counts the payload only */
#ifndef RS_WIRE_FRAME_H
#define RS_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    RS_FRAME_HEADER = 12,
    RS_FRAME_MAX = 1024 * 1024, /* bytes of payload */
};

enum rs_frame_type {
    RS_FRAME_HELLO = 1,
    RS_FRAME_CALL,
    RS_FRAME_REPLY,
    RS_FRAME_RAISE,
    RS_FRAME_CANCEL,
    RS_FRAME_RELEASE,
    RS_FRAME_DATA,
    RS_FRAME_CREDIT,
    RS_FRAME_END,
    RS_FRAME_STOP,
    RS_FRAME_EVENT,
    RS_FRAME_PING,
    RS_FRAME_PONG,
    RS_FRAME_BYE,
    RS_FRAME_ROUTE,
};

enum rs_frame_flag {
    RS_FRAME_MORE = 1, /* the message goes on in the next frame of this type, context and id */
};

typedef struct rs_frame {
    uint32_t length;
    uint8_t type, flags;
    uint16_t context;
    uint32_t id;
    const char *payload; /* length bytes */
} rs_frame;

/* Writes the header of a frame; the payload goes behind it as it is. */
void rs_frame_put(char header[RS_FRAME_HEADER], const rs_frame *f);

/* Looks at the front of the buffer: 1 where a whole frame stands there, whose payload is then valid until the buffer is
 * next changed; 0 where more must come; RS_EPROTO where no frame begins like this, which the first byte often tells. */
int rs_frame_peek(const rs_buf *in, rs_frame *f);
/* Drops the frame that was looked at. */
void rs_frame_drop(rs_buf *in, const rs_frame *f);

/* "CALL", or "?" for a type that nobody knows. Static. */
const char *rs_frame_name(unsigned type);

/* Says what stands in the buffer instead of a frame, quoted and escaped, always NUL-terminated: what was sent is most often
 * text that a start-up file prints, and the message says so then. */
void rs_frame_complain(const rs_buf *in, char *text, size_t size);

#endif
