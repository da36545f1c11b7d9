//! Starting programs (`CreateProcessW`): as a child, or in our place.
//!
//! COMMAND gets only those handles that are passed, and the standard streams. It stays in our console and our group of
//! processes, so that a Ctrl-C reaches it once, and by itself. It is in our [`Job`] from its first moment on.

use std::ffi::{OsStr, OsString, c_void};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
    SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT,
    ExitProcess, GetCurrentProcess, INFINITE, InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST, PROCESS_INFORMATION, STARTF_USESTDHANDLES,
    STARTUPINFOEXW, UpdateProcThreadAttribute, WaitForSingleObject,
};
use windows_sys::core::BOOL;

use super::children;
use super::command_line::{join, join_for_batch};
use super::descriptor::Descriptor;
use super::gate::GatedChild;
use super::job::{self, Job, StartJob};
use super::native::{set_inheritable, succeeded, unsupported, wide};
use super::signals::Mask;

/// Whether a program can be started in our place: what [`Launch::exec`] does instead ends when solobot is killed.
pub const CAN_REPLACE: bool = false;

/// What to start: command line, environment, handles to inherit.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Program (looked up in PATH if it names no folder) and arguments.
    pub argv: &'a [OsString],
    /// Variables to set (or, with `None`, to unset) on top of our own environment.
    pub env: &'a [(&'a str, Option<OsString>)],
    /// There are none.
    pub mask: Mask,
    /// Handles that it inherits under the same numbers.
    pub inherit: &'a [Descriptor<'a>],
}

impl Launch<'_> {
    /// Starts it as a child and returns its PID.
    ///
    /// # Errors
    /// Those of `CreateProcessW`; `NotFound`; `InvalidInput` for what cannot be put into a command line.
    pub fn spawn(&self) -> io::Result<i32> {
        let (pid, process) = self.start(Some(Job::own()?))?;
        children::add(pid, process)?;
        Ok(pid)
    }

    /// Leases need that, and do not exist here yet.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn spawn_gated(&self) -> io::Result<GatedChild> {
        Err(unsupported("a program that waits at a gate"))
    }

    /// Becomes it, as far as Windows has that: starts it, waits for its end, and ends as it did. Returns only if it could not be
    /// started.
    pub fn exec(&self) -> io::Error {
        // Nothing that the console says is the end of us before it is the end of COMMAND, which hears it too.
        // SAFETY: the function is for this, and there for as long as the program.
        unsafe { SetConsoleCtrlHandler(Some(leave_it_to_command), 1) };
        match self.start(None) {
            Ok((_, process)) => {
                // SAFETY: the handle is open. Everything that was printed has been handed to the system.
                unsafe {
                    WaitForSingleObject(process.as_raw_handle(), INFINITE);
                    ExitProcess(children::exit_code(&process));
                }
            }
            Err(error) => {
                // SAFETY: it was set above.
                unsafe { SetConsoleCtrlHandler(Some(leave_it_to_command), 0) };
                error
            }
        }
    }

    fn start(&self, job: Option<&Job>) -> io::Result<(i32, OwnedHandle)> {
        let (first, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let program = find(first)?;
        let (application, mut line) = if is_batch(&program) {
            (system_folder()?.join("cmd.exe"), join_for_batch(program.as_os_str(), arguments)?)
        } else {
            (program, join(self.argv)?)
        };
        line.push(0);
        let application = wide(application.as_os_str())?;
        let environment = self.environment()?;
        let streams = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].map(Inheritable::stream);
        let of_job = job.map(Inheritable::job).transpose()?;
        let passed = self.inherit.iter().map(|fd| Inheritable::passed(fd.handle().as_raw_handle()));
        let passed: Vec<Inheritable> = passed.collect::<io::Result<_>>()?;
        let all = streams.iter().flatten().chain(&of_job).chain(&passed);
        let mut handles: Vec<HANDLE> = all.map(Inheritable::handle).collect();
        handles.sort_unstable();
        handles.dedup();
        let starting = StartJob::create()?;
        // The second is inside the first.
        let jobs = job.map(Job::handle).into_iter().chain([starting.handle()]);
        let jobs: Vec<HANDLE> = jobs.map(AsRawHandle::as_raw_handle).collect();

        let mut attributes = Attributes::new()?;
        attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &handles)?;
        attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
        let mut startup = STARTUPINFOEXW::default();
        startup.StartupInfo.cb = u32::try_from(size_of::<STARTUPINFOEXW>()).map_err(io::Error::other)?;
        startup.lpAttributeList = attributes.list();
        if streams.iter().any(Option::is_some) {
            let [input, output, errors] =
                streams.each_ref().map(|one| one.as_ref().map_or(ptr::null_mut(), Inheritable::handle));
            startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
            startup.StartupInfo.hStdInput = input;
            startup.StartupInfo.hStdOutput = output;
            startup.StartupInfo.hStdError = errors;
        }
        let flags = CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
        let mut made = PROCESS_INFORMATION::default();
        // SAFETY: every pointer is to something that lives until the call returns: two strings that end with NUL, of which
        // the line may be written to; the environment, which ends with two; the start information, whose size says that it is
        // the extended one; and room for the result.
        succeeded(unsafe {
            CreateProcessW(
                application.as_ptr(),
                line.as_mut_ptr(),
                ptr::null(),
                ptr::null(),
                BOOL::from(!handles.is_empty()),
                flags,
                environment.as_ptr().cast(),
                ptr::null(),
                (&raw const startup).cast(),
                &raw mut made,
            )
        })?;
        // SAFETY: both handles were just made for us.
        let (process, _thread) =
            unsafe { (OwnedHandle::from_raw_handle(made.hProcess), OwnedHandle::from_raw_handle(made.hThread)) };
        starting.has_started()?;
        Ok((i32::try_from(made.dwProcessId).map_err(io::Error::other)?, process))
    }

    /// The variables, in the order that Windows wants them in, each `NAME=VALUE` and ended by NUL.
    fn environment(&self) -> io::Result<Vec<u16>> {
        let is_ours = |name: &OsStr| self.env.iter().any(|(ours, _)| name.eq_ignore_ascii_case(ours));
        let kept = std::env::vars_os().filter(|(name, _)| !is_ours(name));
        let set = self.env.iter().filter_map(|(name, value)| Some((OsString::from(name), value.clone()?)));
        let mut all: Vec<(OsString, OsString)> = kept.chain(set).collect();
        all.sort_by_cached_key(|(name, _)| name.to_ascii_uppercase());
        let mut block = Vec::new();
        for (name, value) in all {
            let entry = [name.as_os_str(), OsStr::new("="), &value].map(OsStrExt::encode_wide).into_iter().flatten();
            block.extend(wide(&OsString::from_wide(&entry.collect::<Vec<u16>>()))?);
        }
        // Ended by one more; an empty one consists of two.
        block.extend(vec![0; if block.is_empty() { 2 } else { 1 }]);
        Ok(block)
    }
}

/// How long Windows lets a process run whose console is closed.
const AFTER_CLOSE: Duration = Duration::from_secs(5);

unsafe extern "system" fn leave_it_to_command(event: u32) -> BOOL {
    if !matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        thread::sleep(AFTER_CLOSE);
    }
    1
}

/// A handle that a child may inherit, for as long as this exists.
enum Inheritable {
    /// A copy.
    Copy(OwnedHandle),
    /// Whoever owns it lets it be inherited meanwhile.
    Lent(HANDLE),
}

impl Inheritable {
    /// A copy of a standard stream, if there is one.
    fn stream(which: STD_HANDLE) -> Option<Self> {
        // SAFETY: it only looks the handle up.
        let handle = unsafe { GetStdHandle(which) };
        let is_there = !handle.is_null() && handle != INVALID_HANDLE_VALUE;
        is_there.then(|| Self::copy(handle, None).ok()).flatten()
    }

    /// A handle on the job, with which COMMAND can find out who is in it, and end it.
    fn job(job: &Job) -> io::Result<Self> {
        Self::copy(job.handle().as_raw_handle(), Some(job::QUERY | job::TERMINATE))
    }

    fn copy(handle: HANDLE, rights: Option<u32>) -> io::Result<Self> {
        let mut copy = ptr::null_mut();
        let options = if rights.is_none() { DUPLICATE_SAME_ACCESS } else { 0 };
        // SAFETY: within this process, and there is room for the copy.
        unsafe {
            let own = GetCurrentProcess();
            succeeded(DuplicateHandle(own, handle, own, &raw mut copy, rights.unwrap_or(0), 1, options))?;
            Ok(Self::Copy(OwnedHandle::from_raw_handle(copy)))
        }
    }

    fn passed(handle: HANDLE) -> io::Result<Self> {
        set_inheritable(handle, true)?;
        Ok(Self::Lent(handle))
    }

    fn handle(&self) -> HANDLE {
        match self {
            Self::Copy(copy) => copy.as_raw_handle(),
            Self::Lent(handle) => *handle,
        }
    }
}

impl Drop for Inheritable {
    fn drop(&mut self) {
        if let Self::Lent(handle) = self {
            let _ = set_inheritable(*handle, false);
        }
    }
}

/// What `CreateProcessW` is told besides: at most two lists of handles.
struct Attributes {
    /// Of numbers, so that it is aligned.
    memory: Vec<usize>,
}

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut size = 0;
        // SAFETY: asked for the size alone, which it writes; that it fails is how it answers.
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), 2, 0, &raw mut size) };
        let mut memory = vec![0_usize; size.div_ceil(size_of::<usize>())];
        // SAFETY: there are `size` bytes.
        succeeded(unsafe { InitializeProcThreadAttributeList(memory.as_mut_ptr().cast(), 2, 0, &raw mut size) })?;
        Ok(Self { memory })
    }

    fn list(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.memory.as_mut_ptr().cast()
    }

    /// Sets one; an empty list must not be set. The handles must outlive the list.
    fn set(&mut self, what: u32, handles: &[HANDLE]) -> io::Result<()> {
        if handles.is_empty() {
            return Ok(());
        }
        let (list, values): (_, *const c_void) = (self.list(), handles.as_ptr().cast());
        // SAFETY: the list was initialised for two, and the caller keeps the handles until it has been used.
        succeeded(unsafe {
            let none = ptr::null_mut();
            UpdateProcThreadAttribute(list, 0, what as usize, values, size_of_val(handles), none, ptr::null())
        })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: it was initialised.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}

/// Starts the program that this process runs once more: leases need that, and do not exist here yet.
///
/// # Errors
/// Always `Unsupported`.
pub fn spawn_ourselves(_argv: &[OsString], _inherit: &[Descriptor<'_>]) -> io::Result<i32> {
    Err(unsupported("a guardian"))
}

fn system_folder() -> io::Result<PathBuf> {
    let mut buffer = vec![0_u16; 512];
    let size = u32::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: the buffer has room for `size` characters.
    let length = unsafe { GetSystemDirectoryW(buffer.as_mut_ptr(), size) } as usize;
    match buffer.get(..length) {
        Some(path) if length > 0 => Ok(OsString::from_wide(path).into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What is tried behind a program's name where PATHEXT is not set: what cmd.exe takes then, as far as Windows can start it
/// itself.
const EXTENSIONS: &str = ".COM;.EXE;.BAT;.CMD";

fn is_batch(program: &Path) -> bool {
    has_extension(program, &["bat", "cmd"])
}

fn has_extension(program: &Path, these: &[&str]) -> bool {
    program.extension().is_some_and(|extension| these.iter().any(|one| extension.eq_ignore_ascii_case(one)))
}

/// The file of a program: as cmd.exe would find it by PATH and PATHEXT, but not in the current folder, where somebody else may
/// have put it: `.\NAME` means that one, as in PowerShell.
fn find(word: &OsStr) -> io::Result<PathBuf> {
    let names_folder = word.as_encoded_bytes().iter().any(|byte| matches!(byte, b'\\' | b'/' | b':'));
    let folders: Vec<PathBuf> = if names_folder {
        vec![std::env::current_dir()?]
    } else {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .filter(|folder| folder.is_absolute())
            .collect()
    };
    let extensions = std::env::var("PATHEXT").unwrap_or_else(|_| EXTENSIONS.into());
    let extensions: Vec<&str> = extensions.split(';').filter(|extension| !extension.is_empty()).collect();
    let mut refused = None;
    for folder in folders {
        let place = folder.join(word);
        // A name that has an extension is that file; but a program may be called `python3.11`.
        let with = extensions.iter().map(|extension| {
            let mut name = place.clone().into_os_string();
            name.push(extension);
            PathBuf::from(name)
        });
        let has_one = place.extension().is_some();
        for file in has_one.then(|| place.clone()).into_iter().chain(with) {
            if !file.is_file() {
                continue;
            }
            if has_extension(&file, &["exe", "com", "bat", "cmd"]) || (file == place && names_folder) {
                return Ok(file);
            }
            refused.get_or_insert(file);
        }
    }
    Err(match refused {
        Some(file) => {
            let what = format!("Windows starts `{}` only by the program that opens such files", file.display());
            io::Error::new(io::ErrorKind::PermissionDenied, what)
        }
        None => io::ErrorKind::NotFound.into(),
    })
}
