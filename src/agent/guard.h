/* What ends and removes all that an agent has started and made, also after its sudden death.
 *
 * A small process of its own waits until the agent is gone; what there is to end stands in memory that both share. */
#ifndef RS_AGENT_GUARD_H
#define RS_AGENT_GUARD_H

#include "loop/loop.h"

/* Before there are threads, a loop, or anything to end. Without memory or processes there is no guard, and the agent ends
 * what it can by itself. */
void rs_guard_start(void);

/* From now on one that is killed has a successor. Until rs_guard_end. */
void rs_guard_watch(rs_loop *l);

/* Ends and removes everything now: TERM, KILL half a second later; the guard goes too. Nothing may be started afterwards. */
void rs_guard_end(void);

#endif
