// Locks a file as Python programs do on Windows: `locker HOW FILE [unlink] [run PROGRAM ARGUMENT…]`.
//
//   msvcrt   msvcrt.locking(fd, LK_NBLCK, 1) at position 0, which is also what `filelock` does
//   byte     LockFileEx of byte 0
//   whole    LockFileEx of the whole file
//
// Prints `locked PID` and holds the lock until the program ends, or without one until its input ends; or prints `refused` and
// ends with code 75. With `unlink`, it deletes the file once the lock is given up, as `filelock` does, and prints how that ended.
#include <windows.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <string.h>
#include <sys/locking.h>
#include <sys/stat.h>

static int refused(void) {
    puts("refused");
    return 75;
}

// Runs the program, which inherits nothing, and waits for its end.
static void run(char **words) {
    char line[2000] = "";
    for (; *words; words++) {
        size_t used = strlen(line);
        snprintf(line + used, sizeof line - used, "\"%s\" ", *words);
    }
    STARTUPINFOA how = {.cb = sizeof how};
    PROCESS_INFORMATION child;
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &how, &child)) return;
    WaitForSingleObject(child.hProcess, INFINITE);
}

int main(int count, char **words) {
    if (count < 3) return 2;
    int unlinks = count > 3 && !strcmp(words[3], "unlink");
    char **program = count > 4 + unlinks && !strcmp(words[3 + unlinks], "run") ? words + 4 + unlinks : NULL;
    // Python's open shares reading and writing, never deleting, and so does this.
    int file = _open(words[2], _O_RDWR | _O_CREAT | _O_BINARY, _S_IREAD | _S_IWRITE);
    if (file < 0) return refused();
    HANDLE handle = (HANDLE)_get_osfhandle(file);
    OVERLAPPED start = {0};
    DWORD length = strcmp(words[1], "whole") ? 1 : MAXDWORD, high = length == 1 ? 0 : MAXDWORD;
    int locked = !strcmp(words[1], "msvcrt")
        ? _locking(file, _LK_NBLCK, 1) == 0
        : LockFileEx(handle, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, length, high, &start);
    if (!locked) return refused();
    printf("locked %lu\n", GetCurrentProcessId());
    fflush(stdout);
    if (program) run(program);
    else while (getchar() != EOF) {}
    if (!strcmp(words[1], "msvcrt")) {
        _lseek(file, 0, SEEK_SET);
        _locking(file, _LK_UNLCK, 1);
    } else {
        UnlockFileEx(handle, 0, length, high, &start);
    }
    _close(file);
    if (unlinks) puts(DeleteFileA(words[2]) ? "deleted" : "not deleted");
    return 0;
}
