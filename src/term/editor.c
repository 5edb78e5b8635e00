#include "term/editor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "base/err.h"
#include "base/width.h"
#include "loop/signal.h"
#include "term/above.h"
#include "term/tall.h"

enum { MOST_KEYS = 4096 }; /* in one go, before others get a turn */

enum state { CLOSED, IDLE, HELD, TYPING };

enum { WINDOW, STOP, GO_ON, SIGNALS };
static const int numbers[SIGNALS] = {SIGWINCH, SIGTSTP, SIGCONT};

static struct {
    enum state state;
    size_t prompt; /* its columns */
    uv_poll_t *keys;
    uv_prepare_t *redraw; /* runs while the line is hidden */
    uv_signal_t *signals[SIGNALS];
    struct termios settings; /* as we found them */
    bool hidden;
    bool tall;        /* the line is drawn by us */
    bool searching;   /* what stands there is a search */
    bool stopped;     /* by ourselves: the signal that lets us go on is on its way */
    bool interrupted; /* while a line was shown and nobody awaited an event */
    char *ended;      /* the line that readline has ended itself */
    rs_editor_event event;
    rs_wait *waiter;
} e;

/* ---- what stands on the screen ---- */

static bool is_search(void)
{
    return RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH);
}

static bool is_tall(int rows, int columns)
{
    if (is_search() || rows < 1 || columns < 2)
        return false;
    return rs_tall_is(rl_line_buffer, e.prompt, (size_t)rows, (size_t)columns);
}

/* What stood on the screen goes where one can scroll back to it. */
static void make_room(int rows)
{
    for (int i = 0; i < rows; i++)
        fputc('\n', rl_outstream);
}

static void redisplay(void)
{
    int rows, columns;
    rl_get_screen_size(&rows, &columns);
    if (is_tall(rows, columns)) {
        if (!e.tall)
            make_room(rows);
        e.tall = true;
        rs_tall_draw(rl_outstream, rl_line_buffer, (size_t)rl_point, (size_t)rows, (size_t)columns);
        return;
    }
    if (e.tall) {
        rs_tall_clear(rl_outstream);
        rl_on_new_line();
    }
    e.tall = false;
    /* readline only draws what is different, and errs where the lines of a search differ in number. */
    if (e.searching) {
        rl_clear_visible_line();
        rl_on_new_line();
    }
    e.searching = is_search();
    rl_redisplay();
}

static void hide(void)
{
    if (e.hidden)
        return;
    if (e.tall)
        rs_tall_clear(rl_outstream);
    else
        rl_clear_visible_line();
    e.tall = false; /* what is printed now is to be scrolled back to, too */
    fflush(rl_outstream);
    e.hidden = true;
}

static void show(void)
{
    if (!e.hidden)
        return;
    e.hidden = false;
    rl_forced_update_display();
}

static void on_redraw(uv_prepare_t *h)
{
    uv_prepare_stop(h);
    if (e.state > IDLE)
        show();
}

static void show_soon(void)
{
    uv_prepare_start(e.redraw, on_redraw);
}

static const rs_above_line typed_line = {hide, show_soon};

/* ---- events ---- */

static void stop_waiting(void)
{
    e.waiter = NULL;
    if (e.state == TYPING)
        e.state = HELD;
    uv_poll_stop(e.keys);
}

static void tell(rs_editor_event event)
{
    if (e.state != TYPING)
        return;
    rs_wait *w = e.waiter;
    e.event = event;
    stop_waiting();
    if (w)
        rs_wait_done(w, 0);
}

static int on_enter(int count, int key)
{
    (void)count, (void)key;
    tell(RS_EDITOR_ENTER);
    return 0;
}

/* The same key again, when it changed nothing, lists. */
static int on_tab(int count, int key)
{
    (void)count, (void)key;
    tell(rl_last_func == on_tab ? RS_EDITOR_LIST : RS_EDITOR_COMPLETE);
    return 0;
}

static int on_list(int count, int key)
{
    (void)count, (void)key;
    tell(RS_EDITOR_LIST);
    return 0;
}

static void leave_line(void)
{
    for (int i = 0; i < SIGNALS; i++)
        uv_signal_stop(e.signals[i]);
    uv_prepare_stop(e.redraw);
    rl_callback_handler_remove();
    e.hidden = e.tall = e.searching = e.stopped = false;
    e.interrupted = false;
    e.state = IDLE;
    rs_above_set(false);
}

/* Whether readline has begun a new line itself at the end of input: since 8.1, when it takes back that pastes are marked. */
static bool has_new_line(void)
{
    const char *marks = rl_variable_value("enable-bracketed-paste");
    return rl_readline_version >= 0x0801 && marks && strcmp(marks, "on") == 0;
}

/* readline has ended the line, and would show the prompt again. The line is ours, NULL at the end of input. */
static void on_line(char *line)
{
    tell(line ? RS_EDITOR_LINE : RS_EDITOR_END);
    if (!line && !has_new_line())
        rl_crlf();
    leave_line();
    free(e.ended);
    e.ended = line;
}

/* ---- keys ---- */

/* Up and down move in a line of several lines before they leave it. */
static const char *line_start(const char *from)
{
    while (from > rl_line_buffer && from[-1] != '\n')
        from--;
    return from;
}

static int move_to(const char *start, ptrdiff_t column)
{
    size_t len = strcspn(start, "\n");
    rl_point = (int)(start - rl_line_buffer) + (int)((size_t)column < len ? (size_t)column : len);
    return 0;
}

static int on_up(int count, int key)
{
    const char *at = rl_line_buffer + rl_point, *start = line_start(at);
    if (start == rl_line_buffer)
        return rl_get_previous_history(count, key);
    return move_to(line_start(start - 1), at - start);
}

static int on_down(int count, int key)
{
    const char *at = rl_line_buffer + rl_point, *next = strchr(at, '\n');
    if (!next)
        return rl_get_next_history(count, key);
    return move_to(next + 1, at - line_start(at));
}

/* Our function in the place of readline's, wherever ~/.inputrc has put that. */
static void replace_in(Keymap map, rl_command_func_t *theirs, rl_command_func_t *ours)
{
    char **keys = rl_invoking_keyseqs_in_map(theirs, map);
    for (int i = 0; keys && keys[i]; i++) {
        rl_bind_keyseq_in_map(keys[i], ours, map);
        free(keys[i]);
    }
    free(keys);
}

static void replace(rl_command_func_t *theirs, rl_command_func_t *ours)
{
    static const char *const maps[] = {"emacs-standard", "vi-insert", "vi-command"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        replace_in(rl_get_keymap_by_name(maps[i]), theirs, ours);
}

/* A key that does what it does without any ~/.inputrc. */
static void replace_key(const char *key, rl_command_func_t *theirs, rl_command_func_t *ours)
{
    int type;
    if (rl_function_of_keyseq(key, NULL, &type) == theirs && type == ISFUNC)
        rl_bind_keyseq(key, ours);
}

static void bind_keys(void)
{
    replace(rl_newline, on_enter);
    replace(rl_complete, on_tab);
    replace(rl_menu_complete, on_tab);
    replace(rl_possible_completions, on_list);
    replace_key("\033[A", rl_get_previous_history, on_up);
    replace_key("\033OA", rl_get_previous_history, on_up);
    replace_key("\033[B", rl_get_next_history, on_down);
    replace_key("\033OB", rl_get_next_history, on_down);
}

static bool key_there(void)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static void on_keys(uv_poll_t *h, int status, int events)
{
    (void)h, (void)status, (void)events;
    show();
    /* What was typed behind a Ctrl-C is for the next line. */
    for (int i = 0; i < MOST_KEYS && e.state == TYPING && !rs_signal_diverted() && key_there(); i++)
        rl_callback_read_char();
}

/* ---- the terminal's signals, while a line is shown ---- */

static void on_signal(uv_signal_t *h, int sig);

static void watch(int which)
{
    struct sigaction now;
    /* A shell without job control lets nobody stop us. */
    if (sigaction(numbers[which], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        uv_signal_start(e.signals[which], on_signal, numbers[which]);
}

/* As if we had no handler: returns when the shell lets us go on. */
static void stop_ourselves(void)
{
    rl_deprep_terminal();
    uv_signal_stop(e.signals[STOP]);
    e.stopped = true;
    raise(SIGTSTP);
    watch(STOP);
}

static void on_signal(uv_signal_t *h, int sig)
{
    (void)h;
    if (e.state <= IDLE)
        return;
    if (sig == SIGWINCH) {
        rl_resize_terminal();
        return;
    }
    if (sig == SIGCONT && e.stopped) {
        e.stopped = false; /* the line is there again */
        return;
    }
    if (sig == SIGTSTP)
        stop_ourselves();
    rl_prep_terminal(1);
    rl_forced_update_display();
}

/* ---- opening and closing ---- */

static void freed(uv_handle_t *h)
{
    free(h);
}

static void close_handle(void *h)
{
    if (h)
        uv_close(h, freed);
}

/* libuv makes what it polls non-blocking, which a terminal that others use too must not become. */
static int open_keys(uv_loop_t *uv)
{
    uv_poll_t *keys = calloc(1, sizeof *keys);
    int flags = fcntl(STDIN_FILENO, F_GETFL);
    /* A number of its own: programs that get our terminal poll the same one. */
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int err = !keys ? -ENOMEM : fd < 0 ? -errno : uv_poll_init(uv, keys, fd);
    if (flags >= 0)
        fcntl(STDIN_FILENO, F_SETFL, flags);
    if (err) {
        if (fd >= 0)
            close(fd);
        free(keys);
        return err;
    }
    e.keys = keys;
    return 0;
}

static int open_handles(uv_loop_t *uv)
{
    int err = open_keys(uv);
    e.redraw = calloc(1, sizeof *e.redraw);
    if (err || !e.redraw)
        return err ? err : -ENOMEM;
    uv_prepare_init(uv, e.redraw);
    for (int i = 0; i < SIGNALS; i++) {
        e.signals[i] = calloc(1, sizeof *e.signals[i]);
        if (!e.signals[i] || uv_signal_init(uv, e.signals[i]))
            return -ENOMEM;
        uv_unref((uv_handle_t *)e.signals[i]);
    }
    return 0;
}

static void close_handles(void)
{
    if (e.keys) {
        int fd = -1;
        uv_fileno((uv_handle_t *)e.keys, &fd);
        uv_poll_stop(e.keys);
        close_handle(e.keys);
        if (fd >= 0)
            close(fd);
    }
    close_handle(e.redraw);
    for (int i = 0; i < SIGNALS; i++)
        close_handle(e.signals[i]);
    e.keys = NULL;
    e.redraw = NULL;
    memset(e.signals, 0, sizeof e.signals);
}

static void prepare_readline(FILE *out)
{
    rl_readline_name = "rshell";
    rl_instream = stdin;
    rl_outstream = out;
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0; /* LINES and COLUMNS would be wrong for programs once the window has another size */
    rl_initialize();
    rl_redisplay_function = redisplay;
    bind_keys();
    using_history();
}

int rs_editor_open(rs_loop *l)
{
    if (e.state != CLOSED)
        return 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &e.settings))
        return -ENOTTY;
    FILE *out = rs_above_init(&typed_line);
    int err = out ? open_handles(rs_loop_uv(l)) : -ENOMEM;
    if (err) {
        close_handles();
        return err;
    }
    prepare_readline(out);
    e.state = IDLE;
    return 0;
}

void rs_editor_close(void)
{
    if (e.state == CLOSED)
        return;
    if (e.state > IDLE)
        rs_editor_finish("");
    tcsetattr(STDIN_FILENO, TCSADRAIN, &e.settings);
    close_handles();
    clear_history();
    free(e.ended);
    e.ended = NULL;
    e.state = CLOSED;
}

/* ---- a line ---- */

/* Bytes between \001 and \002 take no room. */
static size_t prompt_width(const char *prompt)
{
    size_t columns = 0;
    while (*prompt) {
        size_t n = strcspn(prompt, "\001");
        columns += rs_width_of(prompt, n);
        prompt += n;
        prompt += strcspn(prompt, "\002");
        prompt += *prompt != 0;
    }
    return columns;
}

int rs_editor_start(const char *prompt, const char *text)
{
    if (e.state != IDLE)
        return RS_EUSAGE;
    /* What ran may have left the terminal in any state, and the window in another size. */
    tcsetattr(STDIN_FILENO, TCSADRAIN, &e.settings);
    rl_reset_screen_size();
    free(e.ended);
    e.ended = NULL;
    rs_above_set(true);
    e.state = HELD;
    e.prompt = prompt_width(prompt);
    e.hidden = false;
    rl_callback_handler_install(prompt, on_line);
    if (*text) {
        rl_insert_text(text);
        redisplay();
    }
    for (int i = 0; i < SIGNALS; i++)
        watch(i);
    return 0;
}

static void abandon(rs_wait *w)
{
    (void)w;
    stop_waiting();
}

int rs_editor_await(rs_wait *w)
{
    if (e.state != HELD)
        return RS_EUSAGE;
    rs_wait_init(w, abandon, NULL);
    e.waiter = w;
    e.state = TYPING;
    uv_poll_start(e.keys, UV_READABLE, on_keys);
    if (e.interrupted)
        rs_editor_interrupt();
    return 0;
}

rs_editor_event rs_editor_last(void)
{
    return e.event;
}

const char *rs_editor_text(size_t *at)
{
    *at = e.ended ? strlen(e.ended) : 0;
    if (e.state <= IDLE)
        return e.ended;
    *at = (size_t)rl_point;
    return rl_line_buffer;
}

void rs_editor_replace(size_t from, size_t to, const char *text)
{
    if (e.state <= IDLE || from > to || to > (size_t)rl_end)
        return;
    rl_begin_undo_group();
    rl_delete_text((int)from, (int)to);
    rl_point = (int)from;
    rl_insert_text(text);
    rl_end_undo_group();
    if (!e.hidden) {
        redisplay();
        fflush(rl_outstream);
    }
}

void rs_editor_finish(const char *mark)
{
    if (e.state <= IDLE)
        return;
    show();
    rl_point = rl_end;
    if (e.tall) {
        int rows, columns;
        rl_get_screen_size(&rows, &columns);
        rs_tall_leave(rl_outstream, rl_prompt, rl_line_buffer, (size_t)columns);
    } else {
        redisplay();
    }
    fputs(mark, rl_outstream);
    rl_crlf();
    fflush(rl_outstream);
    leave_line();
}

bool rs_editor_interrupt(void)
{
    e.interrupted = e.state == HELD;
    if (e.state != TYPING)
        return e.interrupted;
    rl_callback_sigcleanup(); /* a search, half a key sequence */
    tell(RS_EDITOR_INTERRUPT);
    return true;
}

void rs_editor_remember(const char *text)
{
    add_history(text);
}

const char *rs_editor_setting(const char *name)
{
    return rl_variable_value(name);
}
