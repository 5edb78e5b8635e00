/* How fast C starts `true` and waits for it: prints seconds a process. usage: spawn N */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 500;
    char name[] = "true", *args[] = {name, NULL};
    double before = now();
    for (int i = 0; i < n; i++) {
        pid_t pid;
        if (posix_spawnp(&pid, "true", NULL, NULL, args, environ) || waitpid(pid, NULL, 0) != pid)
            return 1;
    }
    printf("%.9f\n", (now() - before) / n);
    return 0;
}
