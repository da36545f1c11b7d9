// bcryptprimitives.dll, which wine 8 lacks and Rust's standard library takes its random numbers from.
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
    for (; length > 0x10000; data += 0x10000, length -= 0x10000)
        if (!SystemFunction036(data, 0x10000)) return FALSE;
    return SystemFunction036(data, (ULONG)length);
}
