#include "sys/fs_names.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where things are in a record of getdents64; not every C library declares it. */
enum { RECORD_LEN = 16, RECORD_TYPE = 18, RECORD_NAME = 19 };

/* The memory moves while it grows: until rs_fs_names_done an item's name is its offset. */
int rs_fs_names_add(rs_fs_names *names, const char *name, unsigned char type)
{
    size_t n = strlen(name) + 1;
    if (names->size - names->len < n) {
        size_t size = names->size ? names->size * 2 : 1024;
        while (size - names->len < n)
            size *= 2;
        char *mem = realloc(names->mem, size);
        if (!mem)
            return -ENOMEM;
        names->mem = mem;
        names->size = size;
    }
    if (names->n == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 32;
        rs_fs_name *items = realloc(names->items, cap * sizeof *items);
        if (!items)
            return -ENOMEM;
        names->items = items;
        names->cap = cap;
    }
    names->items[names->n++] = (rs_fs_name){(const char *)(uintptr_t)names->len, type};
    memcpy(names->mem + names->len, name, n);
    names->len += n;
    return 0;
}

static int by_byte(const void *a, const void *b)
{
    return strcmp(((const rs_fs_name *)a)->name, ((const rs_fs_name *)b)->name);
}

void rs_fs_names_done(rs_fs_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        names->items[i].name = names->mem + (uintptr_t)names->items[i].name;
    if (names->n < 2)
        return;
    qsort(names->items, names->n, sizeof *names->items, by_byte);
    size_t kept = 1;
    for (size_t i = 1; i < names->n; i++)
        if (strcmp(names->items[i].name, names->items[kept - 1].name) != 0)
            names->items[kept++] = names->items[i];
    names->n = kept;
}

static int add_records(rs_fs_names *names, const char *mem, size_t n)
{
    unsigned short len;
    for (size_t i = 0; i < n; i += len) {
        const char *name = mem + i + RECORD_NAME;
        memcpy(&len, mem + i + RECORD_LEN, sizeof len);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        int err = rs_fs_names_add(names, name, (unsigned char)mem[i + RECORD_TYPE]);
        if (err)
            return err;
    }
    return 0;
}

int rs_fs_names_read(rs_fs_names *names, int fd)
{
    char mem[32 * 1024];
    *names = (rs_fs_names){0};
    int err = lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
    while (!err) {
        long n = syscall(SYS_getdents64, fd, mem, sizeof mem);
        if (n == 0)
            break;
        err = n < 0 ? -errno : add_records(names, mem, (size_t)n);
    }
    if (err)
        rs_fs_names_fini(names);
    else
        rs_fs_names_done(names);
    return err;
}

bool rs_fs_names_has(const rs_fs_names *names, const char *name)
{
    rs_fs_name key = {name, DT_UNKNOWN};
    return names->n > 0 && bsearch(&key, names->items, names->n, sizeof key, by_byte);
}

void rs_fs_names_fini(rs_fs_names *names)
{
    free(names->items);
    free(names->mem);
    *names = (rs_fs_names){0};
}
