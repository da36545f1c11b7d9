//! The job of a solobot: whatever its COMMAND starts is in it, also when the parents of that have ended.
//!
//! It has the name of the solobot, and every COMMAND inherits a handle on it, so that it can be found by that name as long as
//! COMMAND runs, also once solobot has been killed. It does not end with solobot: a bot outlives its solobot.
//!
//! While it is being started, COMMAND does not: `CreateProcessW` makes a process that is suspended, gives it its handles, and
//! lets it run. If solobot is killed in between, nobody ever lets it run, and it would hold the lock until somebody finds it. So
//! it is in a [`StartJob`] too until it runs.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, ERROR_MORE_DATA, GetLastError};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JOB_OBJECT_LIMIT, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, OpenJobObjectW, QueryInformationJobObject,
    SetInformationJobObject,
};

use super::identity::Identity;
use super::native::{owned, succeeded, wide};

/// `JOB_OBJECT_QUERY` and `JOB_OBJECT_TERMINATE` of `winnt.h`: what COMMAND may do with its job.
pub(super) const QUERY: u32 = 0x4;
pub(super) const TERMINATE: u32 = 0x8;

/// A job that is open.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    /// Our own, made at the first call.
    ///
    /// # Errors
    /// Those of `CreateJobObjectW`.
    pub(super) fn own() -> io::Result<&'static Self> {
        static OWN: OnceLock<Job> = OnceLock::new();
        if let Some(job) = OWN.get() {
            return Ok(job);
        }
        let job = Self::create(&wide(name(Identity::own()?).as_ref())?)?;
        Ok(OWN.get_or_init(|| job))
    }

    fn create(name: &[u16]) -> io::Result<Self> {
        // SAFETY: no attributes, and a name that ends with NUL; the result is checked.
        let job = owned(unsafe { CreateJobObjectW(ptr::null(), name.as_ptr()) })?;
        // SAFETY: it only reads the last error of this thread.
        if unsafe { GetLastError() } == ERROR_ALREADY_EXISTS {
            // Nobody else makes a job of that name by accident; so it gets none.
            // SAFETY: neither attributes nor a name; the result is checked.
            return owned(unsafe { CreateJobObjectW(ptr::null(), ptr::null()) }).map(Self);
        }
        Ok(Self(job))
    }

    /// That of a solobot, alive or dead; `None` if it has none, or nothing of it is left.
    pub(super) fn of(solobot: Identity) -> Option<Self> {
        let name = wide(name(solobot).as_ref()).ok()?;
        // SAFETY: the name ends with NUL; the result is checked.
        owned(unsafe { OpenJobObjectW(QUERY, 0, name.as_ptr()) }).ok().map(Self)
    }

    pub(super) fn handle(&self) -> &OwnedHandle {
        &self.0
    }

    /// The PIDs of what is in it and has not ended.
    ///
    /// # Errors
    /// Those of `QueryInformationJobObject`.
    pub(super) fn members(&self) -> io::Result<Vec<i32>> {
        // `JOBOBJECT_BASIC_PROCESS_ID_LIST`: two numbers of 32 bits, of which the second says how many PIDs follow, each as
        // wide as a pointer.
        let mut buffer: Vec<usize> = vec![0; 64];
        loop {
            let size = u32::try_from(buffer.len() * size_of::<usize>()).map_err(io::Error::other)?;
            let (job, into, mut used) = (self.0.as_raw_handle(), buffer.as_mut_ptr().cast(), 0);
            // SAFETY: the job is open, and the buffer has `size` bytes.
            let asked = succeeded(unsafe {
                QueryInformationJobObject(job, JobObjectBasicProcessIdList, into, size, &raw mut used)
            });
            match asked {
                Err(error) if error.raw_os_error() == Some(ERROR_MORE_DATA.cast_signed()) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let (known, listed) = (buffer[0] & 0xFFFF_FFFF, buffer[0] >> 32);
                    if known <= listed || known < buffer.len() {
                        let pids = buffer.get(1..=listed).unwrap_or_default();
                        return Ok(pids.iter().filter_map(|&pid| i32::try_from(pid).ok()).collect());
                    }
                }
            }
            buffer.resize(buffer.len() * 2, 0);
        }
    }
}

/// The job of one program that is being started, inside our own. What is in it ends with us, until it has
/// [started](Self::has_started).
#[derive(Debug)]
pub(super) struct StartJob(OwnedHandle);

impl StartJob {
    /// # Errors
    /// Those of `CreateJobObjectW` and `SetInformationJobObject`.
    pub(super) fn create() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name; the result is checked.
        let job = Self(owned(unsafe { CreateJobObjectW(ptr::null(), ptr::null()) })?);
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    /// The program runs, and outlives us.
    ///
    /// # Errors
    /// Those of `SetInformationJobObject`; then the program has been ended.
    pub(super) fn has_started(self) -> io::Result<()> {
        self.limit(0)
    }

    pub(super) fn handle(&self) -> &OwnedHandle {
        &self.0
    }

    fn limit(&self, flags: JOB_OBJECT_LIMIT) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        let size = u32::try_from(size_of_val(&limits)).map_err(io::Error::other)?;
        let (job, limits) = (self.0.as_raw_handle(), (&raw const limits).cast());
        // SAFETY: the job is open, and the limits have `size` bytes.
        succeeded(unsafe { SetInformationJobObject(job, JobObjectExtendedLimitInformation, limits, size) })
    }
}

fn name(solobot: Identity) -> String {
    format!("solobot-{}-{}", solobot.pid, solobot.start_ticks)
}
