/* The line editor of a build without readline: there is none. */
#include "base/err.h"
#include "term/editor.h"

int rs_editor_open(rs_loop *l)
{
    (void)l;
    return RS_ENOSYS;
}

void rs_editor_close(void)
{
}

int rs_editor_start(const char *prompt, const char *text)
{
    (void)prompt, (void)text;
    return RS_EUSAGE;
}

int rs_editor_await(rs_wait *w)
{
    (void)w;
    return RS_EUSAGE;
}

rs_editor_event rs_editor_last(void)
{
    return RS_EDITOR_END;
}

const char *rs_editor_text(size_t *at)
{
    *at = 0;
    return NULL;
}

void rs_editor_replace(size_t from, size_t to, const char *text)
{
    (void)from, (void)to, (void)text;
}

void rs_editor_finish(const char *mark)
{
    (void)mark;
}

bool rs_editor_interrupt(void)
{
    return false;
}

void rs_editor_remember(const char *text)
{
    (void)text;
}

const char *rs_editor_setting(const char *name)
{
    (void)name;
    return NULL;
}
