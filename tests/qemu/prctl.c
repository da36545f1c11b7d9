// Linked into solobot for qemu-user, which refuses PR_SET_CHILD_SUBREAPER. The test has set it on qemu itself, and a program keeps
// it; so this reports success. Everything else goes to the kernel.
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...) {
    va_list rest;
    va_start(rest, option);
    unsigned long a = va_arg(rest, unsigned long), b = va_arg(rest, unsigned long);
    unsigned long c = va_arg(rest, unsigned long), d = va_arg(rest, unsigned long);
    va_end(rest);
    if (option == PR_SET_CHILD_SUBREAPER) return 0;
    return syscall(SYS_prctl, option, a, b, c, d);
}
