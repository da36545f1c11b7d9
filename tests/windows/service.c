/* A service as NSSM makes them: its process starts a program, and starts it again whenever that ends, until it is stopped.
 *
 *   service install NAME DISPLAY FOLDER COMMAND…   makes it and starts it; it runs at boot, and the system restarts it
 *   service remove NAME                            stops it and removes it, with what it has started
 *
 * The service's own line is `service run NAME FOLDER COMMAND…`. */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

static SERVICE_STATUS_HANDLE status_handle;
static HANDLE stop_asked;
static wchar_t *name, *folder, command[4096];

static void report(DWORD state) {
    SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, state, 0, 0, 0, 0, 0};
    status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP : 0;
    SetServiceStatus(status_handle, &status);
}

static void WINAPI on_control(DWORD control) {
    if (control == SERVICE_CONTROL_STOP) {
        report(SERVICE_STOP_PENDING);
        SetEvent(stop_asked);
    }
}

static void WINAPI run(DWORD count, wchar_t **words) {
    (void)count, (void)words;
    stop_asked = CreateEventW(NULL, TRUE, FALSE, NULL);
    status_handle = RegisterServiceCtrlHandlerW(name, on_control);
    report(SERVICE_RUNNING);
    SetEnvironmentVariableW(L"NODE_SKIP_PLATFORM_CHECK", L"1"); /* for wine */
    for (;;) {
        STARTUPINFOW startup = {.cb = sizeof startup};
        PROCESS_INFORMATION started;
        wchar_t line[4096];
        wcscpy(line, command + 1);
        if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, CREATE_NO_WINDOW, NULL, folder, &startup, &started)) break;
        HANDLE both[] = {stop_asked, started.hProcess};
        DWORD first = WaitForMultipleObjects(2, both, FALSE, INFINITE);
        if (first == WAIT_OBJECT_0) {
            TerminateProcess(started.hProcess, 1);
            break;
        }
    }
    report(SERVICE_STOPPED);
}

static void append(wchar_t *line, const wchar_t *word) {
    wcscat(wcscat(wcscat(line, L" \""), word), L"\"");
}

static int install(int count, wchar_t **words) {
    wchar_t line[4096] = L"\"";
    GetModuleFileNameW(NULL, line + 1, MAX_PATH);
    wcscat(line, L"\" run");
    append(line, words[2]);
    for (int i = 4; i < count; i++) append(line, words[i]);
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    SC_HANDLE service = CreateServiceW(manager, words[2], words[3], SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
                                       SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, line, NULL, NULL, NULL, NULL, NULL);
    return service && StartServiceW(service, 0, NULL) ? 0 : (int)GetLastError();
}

static int remove_it(const wchar_t *which) {
    SERVICE_STATUS status;
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    SC_HANDLE service = OpenServiceW(manager, which, SERVICE_ALL_ACCESS);
    if (!service) return (int)GetLastError();
    ControlService(service, SERVICE_CONTROL_STOP, &status);
    while (QueryServiceStatus(service, &status) && status.dwCurrentState != SERVICE_STOPPED) Sleep(20); /* how often it looks */
    return DeleteService(service) ? 0 : (int)GetLastError();
}

int main(void) {
    int count;
    wchar_t **words = CommandLineToArgvW(GetCommandLineW(), &count);
    if (count > 5 && !wcscmp(words[1], L"install")) return install(count, words);
    if (count == 3 && !wcscmp(words[1], L"remove")) return remove_it(words[2]);
    if (count < 5 || wcscmp(words[1], L"run")) return 2;
    name = words[2], folder = words[3];
    for (int i = 4; i < count; i++) append(command, words[i]);
    SERVICE_TABLE_ENTRYW table[] = {{name, run}, {NULL, NULL}};
    return StartServiceCtrlDispatcherW(table) ? 0 : (int)GetLastError();
}
