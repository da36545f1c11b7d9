// Locks a file as Python programs do on Windows: `locker HOW FILE [unlink] [run PROGRAM ARGUMENT…]`.
//
//   msvcrt   msvcrt.locking(fd, LK_NBLCK, 1) at position 0, which is also what `filelock` does
//   byte     LockFileEx of byte 0
//   whole    LockFileEx of the whole file
//
// Prints `locked PID` and holds the lock until its input ends, or prints `refused` and ends with code 75. With a program, it tries
// again every 50 ms, as `filelock` does, and holds the lock until the program ends. With `unlink`, it deletes the file once the
// lock is given up, as `filelock` does too, and prints how that ended.
#include <windows.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <string.h>
#include <sys/locking.h>
#include <sys/stat.h>

static int file;
static OVERLAPPED start;
static DWORD length = 1, high = 0;

static int lock(char **words) {
    // Python's open shares reading and writing, never deleting, and so does this.
    file = _open(words[2], _O_RDWR | _O_CREAT | _O_BINARY, _S_IREAD | _S_IWRITE);
    if (file < 0) return 0;
    DWORD how = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    if (!strcmp(words[1], "msvcrt") ? _locking(file, _LK_NBLCK, 1) == 0
                                    : LockFileEx((HANDLE)_get_osfhandle(file), how, 0, length, high, &start))
        return 1;
    _close(file);
    return 0;
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
    if (!strcmp(words[1], "whole")) length = high = MAXDWORD;
    while (!lock(words)) {
        if (!program) {
            puts("refused");
            return 75;
        }
        Sleep(50);
    }
    printf("locked %lu\n", GetCurrentProcessId());
    fflush(stdout);
    if (program) run(program);
    else while (getchar() != EOF) {}
    if (!strcmp(words[1], "msvcrt")) {
        _lseek(file, 0, SEEK_SET);
        _locking(file, _LK_UNLCK, 1);
    } else {
        UnlockFileEx((HANDLE)_get_osfhandle(file), 0, length, high, &start);
    }
    _close(file);
    if (unlinks) puts(DeleteFileA(words[2]) ? "deleted" : "not deleted");
    return 0;
}
