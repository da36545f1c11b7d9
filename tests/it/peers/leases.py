"""Takes a kernel file lease (F_SETLEASE) on a file, as Samba and NFS servers do for their clients.

    leases.py LEASE FILE READY [MILLISECONDS]      LEASE: F_RDLCK or F_WRLCK

Writes its PID into READY once it has it. Whoever opens the file then is kept waiting: asked for the lease, it gives it back
after MILLISECONDS, or never (the kernel takes it after fs.lease-break-time, 45 s). SIGUSR1 makes it give it back in any case.
"""

import fcntl
import os
import signal
import sys
import time

lease, path, ready, *after = sys.argv[1:]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO, signal.SIGUSR1])
file = os.open(path, os.O_RDONLY if lease == "F_RDLCK" else os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, getattr(fcntl, lease))
with open(ready + ".part", "w") as part:
    part.write(str(os.getpid()))
os.rename(ready + ".part", ready)
while True:
    asked = signal.sigwait([signal.SIGIO, signal.SIGUSR1])
    if asked == signal.SIGUSR1 or after:
        time.sleep(float(after[0]) / 1000 if after else 0)  # how long it holds on: the caller names the time
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
