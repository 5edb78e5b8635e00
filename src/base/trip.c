#include "base/trip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static int on = -1;
static unsigned long count, frames;

bool rs_trip_on(void)
{
    if (on < 0) {
        const char *said = getenv("RSHELL_TRACE");
        on = said && *said && strcmp(said, "0") != 0;
    }
    return on;
}

void rs_trip_set(bool wanted)
{
    on = wanted;
}

unsigned long rs_trip_count(void)
{
    return count;
}

unsigned long rs_trip_frames(void)
{
    return frames;
}

void rs_trip(const char *who, unsigned n, double seconds, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    count++;
    if (!rs_trip_on())
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rs_log_write(RS_LOG_TRACE, "trip", "%s %u: %.1f ms: %s", who, n, seconds * 1e3, text);
}

void rs_trip_frame(bool sent, const char *name, size_t n)
{
    frames++;
    if (rs_trip_on())
        rs_log_write(RS_LOG_TRACE, "frame", "%s %s, %zu B", sent ? "sent" : "got", name, n);
}
