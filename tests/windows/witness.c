// What a holder runs to prove that it is alone: `witness FOLDER [MILLISECONDS]`.
//
// It creates FOLDER\inside, which only one can, writes `turn PID SOLOBOT` to FOLDER\log (without a solobot: 0), and removes the
// file at its end. Whoever finds the file there has met a second holder: it writes `overlap PID SOLOBOT`, and ends with code 1.
// It knows nothing of locks, so it cannot share solobot's mistakes. Windows itself removes the file of a witness that is killed,
// as it closes its last handle.
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
    char path[MAX_PATH], line[60], *solobot = getenv("SOLOBOT_HOLDER_PID");
    if (!solobot) solobot = "0";
    if (count < 2) return 2;
    snprintf(path, sizeof path, "%s\\inside", words[1]);
    HANDLE inside = CreateFileA(path, GENERIC_WRITE | DELETE, 0, NULL, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE, NULL);
    int alone = inside != INVALID_HANDLE_VALUE;
    int length = snprintf(line, sizeof line, "%s %lu %s\n", alone ? "turn" : "overlap", GetCurrentProcessId(), solobot);
    snprintf(path, sizeof path, "%s\\log", words[1]);
    // To append is all that it may, so every line is written whole.
    HANDLE log = CreateFileA(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_ALWAYS, 0, NULL);
    DWORD written = 0;
    if (!WriteFile(log, line, length, &written, NULL) || written != (DWORD)length) return 3;
    CloseHandle(log);
    if (!alone) return 1;
    Sleep(count > 2 ? atoi(words[2]) : 0);
    CloseHandle(inside);
    return 0;
}
