/* RSHELL_TRACE=1: one line a round trip, so that a count that is too high can be understood. */
#ifndef RS_BASE_TRIP_H
#define RS_BASE_TRIP_H

#include <stdbool.h>
#include <stddef.h>

/* False unless the environment asked for it when this was first called, or somebody has since. */
bool rs_trip_on(void);
void rs_trip_set(bool wanted);

/* How many there were, and how many frames of an agent's link went either way, told or not. */
unsigned long rs_trip_count(void);
unsigned long rs_trip_frames(void);

/* A trip is over: with whom, the how manyth, what it took. fmt says what was sent and awaited. Where that was asked for, it
 * is logged, whatever the log's level is. */
void rs_trip(const char *who, unsigned n, double seconds, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A frame that is sent, or has come: its name and its bytes. */
void rs_trip_frame(bool sent, const char *name, size_t n);

#endif
