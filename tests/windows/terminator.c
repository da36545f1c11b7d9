// Ends processes by TerminateProcess: reads their PIDs, one a line, and answers each with `ended` or `gone`. Their exit code is 99.
#include <windows.h>
#include <stdio.h>

int main(void) {
    unsigned long pid;
    while (scanf("%lu", &pid) == 1) {
        HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, pid);
        puts(process && TerminateProcess(process, 99) ? "ended" : "gone");
        fflush(stdout);
        CloseHandle(process);
    }
    return 0;
}
