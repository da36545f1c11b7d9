/* The yardstick of benches/run.sh: what the kernel alone takes.
 *
 *   bare                 reads every /proc/PID/cmdline once, by two threads that take 64 PIDs at a time
 *   bare peak COMMAND    runs COMMAND and prints its peak memory in KiB: measured by a small parent, because a process
 *                        that vforks hands its own peak on to what it executes
 *   bare wait LOCK COMMAND
 *                        waits for the flock on LOCK and becomes COMMAND
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 64, MOST = 1 << 16 };

static int proc;
static int pids[MOST];
static int count;
static atomic_int next;

static void *work(void *unused) {
    static _Thread_local char buffer[1 << 16];
    (void)unused;
    for (;;) {
        int start = atomic_fetch_add(&next, CHUNK);
        if (start >= count) return NULL;
        for (int at = start; at < count && at < start + CHUNK; at++) {
            char path[32];
            snprintf(path, sizeof path, "%d/cmdline", pids[at]);
            int file = openat(proc, path, O_RDONLY | O_CLOEXEC);
            if (file < 0) continue;
            if (read(file, buffer, sizeof buffer) < 0) buffer[0] = 0;
            close(file);
        }
    }
}

static int peak(char **command) {
    struct rusage usage;
    int status;
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) return 1;
    printf("%ld\n", usage.ru_maxrss);
    return 0;
}

static int become(char *lock, char **command) {
    int file = open(lock, O_RDWR | O_CREAT, 0666);
    if (file < 0 || flock(file, LOCK_EX)) return 1;
    execvp(command[0], command);
    return 127;
}

int main(int argc, char **argv) {
    if (argc > 3 && !strcmp(argv[1], "wait")) return become(argv[2], argv + 3);
    if (argc > 2 && !strcmp(argv[1], "peak")) return peak(argv + 2);
    proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = proc < 0 ? NULL : fdopendir(dup(proc));
    if (!listing) return 1;
    for (struct dirent *entry; count < MOST && (entry = readdir(listing));) {
        int pid = atoi(entry->d_name);
        if (pid > 0) pids[count++] = pid;
    }
    pthread_t second;
    if (pthread_create(&second, NULL, work, NULL)) return 1;
    work(NULL);
    pthread_join(second, NULL);
    return 0;
}
