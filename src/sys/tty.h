/* Our terminal, lent to a process group that runs in its foreground. */
#ifndef RS_SYS_TTY_H
#define RS_SYS_TTY_H

#include <sys/types.h>

#include "loop/loop.h"

typedef struct rs_tty rs_tty;

/* Makes the group the foreground group of the terminal on fd 0. When it is stopped (Ctrl-Z) we stop too, so that the shell that
 * started us takes over, and it goes on when we do. NULL where there is no terminal, or it isn't ours to lend. */
rs_tty *rs_tty_lend(rs_loop *l, pid_t group);

/* Takes the terminal back, with the settings it had. NULL is fine. */
void rs_tty_give_back(rs_tty *t);

#endif
