#include "sys/fs_mode.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

enum {
    WHO_U = 04700,
    WHO_G = 02070,
    WHO_O = 01007,
    WHO_ALL = 07777,
};

void rs_mode_bits(rs_mode *m, unsigned bits)
{
    m->n = 1;
    m->ops[0] = (rs_mode_op){.who = WHO_ALL, .op = '=', .perm = bits & 07777, .exact = true};
}

static int parse_octal(rs_mode *m, const char *s, const char *end)
{
    unsigned bits = 0;
    if (end - s > 5)
        return RS_EPARSE;
    for (; s < end; s++) {
        if (*s < '0' || *s > '7')
            return RS_EPARSE;
        bits = bits * 8 + (unsigned)(*s - '0');
    }
    if (bits > 07777)
        return RS_EPARSE;
    rs_mode_bits(m, bits);
    return 0;
}

static unsigned parse_who(const char **s, const char *end)
{
    unsigned who = 0;
    for (; *s < end; (*s)++) {
        if (**s == 'u')
            who |= WHO_U;
        else if (**s == 'g')
            who |= WHO_G;
        else if (**s == 'o')
            who |= WHO_O;
        else if (**s == 'a')
            who |= WHO_ALL;
        else
            break;
    }
    return who;
}

static unsigned perm_bits(char c)
{
    switch (c) {
    case 'r': return 0444;
    case 'w': return 0222;
    case 'x': return 0111;
    case 's': return 06000;
    case 't': return 01000;
    default: return 0;
    }
}

static void parse_perms(rs_mode_op *op, const char **s, const char *end)
{
    if (*s < end && strchr("ugo", **s)) {
        op->copy = *(*s)++;
        return;
    }
    for (; *s < end; (*s)++) {
        unsigned bits = perm_bits(**s);
        if (**s == 'X')
            op->x_if = true;
        else if (bits)
            op->perm |= bits;
        else
            break;
    }
}

/* who, then one or more of: + - or =, and permissions. */
static int parse_clause(rs_mode *m, const char **s, const char *end, int umask)
{
    unsigned who = parse_who(s, end);
    unsigned masked = who || umask < 0 ? 0 : (unsigned)umask;
    if (*s == end || !strchr("+-=", **s))
        return RS_EPARSE;
    while (*s < end && strchr("+-=", **s)) {
        if (m->n == RS_MODE_OPS)
            return RS_EPARSE;
        rs_mode_op *op = &m->ops[m->n++];
        *op = (rs_mode_op){.who = who ? who : WHO_ALL, .masked = masked, .op = *(*s)++};
        parse_perms(op, s, end);
    }
    return 0;
}

int rs_mode_parse(rs_mode *m, const char *text, size_t n, int umask)
{
    const char *s = text, *end = text + n;
    m->n = 0;
    if (n == 0 || memchr(text, 0, n))
        return RS_EPARSE;
    if (*s >= '0' && *s <= '9')
        return parse_octal(m, s, end);
    for (;;) {
        int err = parse_clause(m, &s, end, umask);
        if (err)
            return err;
        if (s == end)
            return 0;
        if (*s++ != ',')
            return RS_EPARSE;
    }
}

/* What the copied class has, for everybody. */
static unsigned copied(char from, unsigned mode)
{
    unsigned three = mode >> (from == 'u' ? 6 : from == 'g' ? 3 : 0) & 7;
    return three * 0111;
}

static unsigned apply_one(const rs_mode_op *op, unsigned mode, bool folder)
{
    unsigned perm = op->copy ? copied(op->copy, mode) : op->perm;
    if (op->x_if && (folder || mode & 0111))
        perm |= 0111;
    perm &= op->who & ~op->masked;
    if (op->op == '+')
        return mode | perm;
    if (op->op == '-')
        return mode & ~perm;
    /* A folder's set-id bits are lost only where they are named. */
    unsigned kept = folder && !op->exact ? 06000 : 0;
    return (mode & (~op->who | kept)) | perm;
}

unsigned rs_mode_apply(const rs_mode *m, unsigned old, bool folder)
{
    unsigned mode = old & 07777;
    for (int i = 0; i < m->n; i++)
        mode = apply_one(&m->ops[i], mode, folder);
    return mode;
}

int rs_mode_umask(void)
{
    char mem[512];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, mem, sizeof mem - 1);
    close(fd);
    if (n <= 0)
        return -1;
    mem[n] = 0;
    const char *at = strstr(mem, "\nUmask:");
    return at ? (int)strtol(at + 7, NULL, 8) & 0777 : -1;
}
