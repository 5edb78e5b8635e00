/* A line that is typed at our terminal: readline's callback interface on the event loop. There is one, as there is one
 * terminal.
 *
 *   CLOSED --open--> IDLE --start--> HELD <--await / event--> TYPING        HELD --finish--> IDLE
 *
 * Keys are read while somebody awaits an event only; in between the line stands there, is shown, and can be changed. What
 * is printed through stdout and stderr meanwhile stands above it. */
#ifndef RS_TERM_EDITOR_H
#define RS_TERM_EDITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "loop/loop.h"
#include "loop/wait.h"

typedef enum rs_editor_event {
    RS_EDITOR_ENTER,     /* the key: the line is still there, to be finished or continued */
    RS_EDITOR_LINE,      /* readline has ended the line itself */
    RS_EDITOR_END,       /* Ctrl-D on an empty line */
    RS_EDITOR_INTERRUPT, /* Ctrl-C */
    RS_EDITOR_COMPLETE,
    RS_EDITOR_LIST, /* completions are to be listed */
} rs_editor_event;

/* Takes the terminal of standard input and output: reads ~/.inputrc, and puts stdout and stderr above the line. RS_ENOSYS
 * in a build without readline, -ENOTTY without a terminal. */
int rs_editor_open(rs_loop *l);

/* Gives the terminal back as it was; harmless twice. */
void rs_editor_close(void);

/* Shows the prompt, with this text behind it. Bytes between \001 and \002 in the prompt take no room. */
int rs_editor_start(const char *prompt, const char *text);

/* w is done at the next event. RS_EUSAGE where no line is shown. */
int rs_editor_await(rs_wait *w);
rs_editor_event rs_editor_last(void);

/* The line, and where the cursor is in it, in bytes; valid until the next call. NULL where there is none. */
const char *rs_editor_text(size_t *at);

/* Replaces the bytes from..to of the line by text, behind which the cursor stands then. */
void rs_editor_replace(size_t from, size_t to, const char *text);

/* The line stays on the screen, with a mark behind it, and the terminal is an ordinary one again. */
void rs_editor_finish(const char *mark);

/* An interrupt came: false where no line is shown. While an event is handled it waits until the next is awaited. */
bool rs_editor_interrupt(void);

/* What the arrow keys and Ctrl-R find. */
void rs_editor_remember(const char *text);

/* A setting of ~/.inputrc, or NULL. */
const char *rs_editor_setting(const char *name);

#endif
