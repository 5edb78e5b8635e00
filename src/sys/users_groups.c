#include "sys/users_groups.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sys/host_getent.h"
#include "sys/users_db.h"

typedef struct collected {
    const char *name;
    gid_t *out;
    int n, max;
} collected;

static void add(collected *c, gid_t gid)
{
    for (int i = 0; i < c->n; i++)
        if (c->out[i] == gid)
            return;
    if (c->n < c->max)
        c->out[c->n++] = gid;
}

static int add_line(void *user, const rs_users_line *line)
{
    collected *c = user;
    const char *name;
    size_t len, pos = 0, want = strlen(c->name);
    while (rs_users_line_member(line, &pos, &name, &len))
        if (len == want && memcmp(name, c->name, len) == 0)
            add(c, (gid_t)line->id);
    return 0;
}

/* "name 27 100 1000", as getent initgroups prints it. */
static void add_answer(collected *c, const char *text, size_t len)
{
    const char *end = text + len, *p = memchr(text, ' ', len);
    while (p && p < end) {
        while (p < end && !isdigit((unsigned char)*p))
            p++;
        gid_t gid = 0;
        bool any = false;
        for (; p < end && isdigit((unsigned char)*p); p++, any = true)
            gid = gid * 10 + (gid_t)(*p - '0');
        if (any)
            add(c, gid);
    }
}

int rs_users_groups(const char *name, gid_t first, gid_t *out, int max)
{
    collected c = {.name = name, .max = max};
    c.out = out;
    add(&c, first);
    rs_groups_each(add_line, &c);
    if (rs_host_getent_useful("initgroups") || rs_host_getent_useful("group")) {
        rs_buf answer;
        rs_buf_init(&answer, 65536);
        if (rs_host_getent("initgroups", name, &answer) == 0)
            add_answer(&c, rs_buf_data(&answer), rs_buf_len(&answer));
        rs_buf_fini(&answer);
    }
    return c.n;
}
