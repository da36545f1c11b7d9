//! Starting programs: as a child (`posix_spawn(3)`, which does not copy our address space), as a child that waits at a gate, or
//! in our place (`execve(2)`).
//!
//! COMMAND gets the signal mask and dispositions that solobot was started with, and only those descriptors that are passed.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn, posix_spawnp};
use nix::sys::signal::SigSet;

use super::descriptor::Descriptor;
use super::gate::{self, GatedChild, Prepared};
use super::signals::Mask;
use super::startup;

/// Whether a program can be started in our place.
pub const CAN_REPLACE: bool = true;

/// What to start: command line, environment, descriptors to inherit.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Program (looked up in PATH if it has no slash) and arguments.
    pub argv: &'a [OsString],
    /// Variables to set (or, with `None`, to unset) on top of our own environment.
    pub env: &'a [(&'a str, Option<OsString>)],
    /// The signal mask it starts with.
    pub mask: Mask,
    /// Descriptors that it inherits under the same numbers.
    pub inherit: &'a [Descriptor<'a>],
}

impl Launch<'_> {
    /// Starts it as a child and returns its PID.
    ///
    /// # Errors
    /// Those of `execve(2)`: ENOENT, EACCES, ENOEXEC …; EINVAL for a NUL in an argument.
    pub fn spawn(&self) -> io::Result<i32> {
        let (argv, envp) = (self.argv()?, self.envp()?);
        let mut attr = PosixSpawnAttr::init()?;
        attr.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
        attr.set_sigmask(self.mask.signals())?;
        attr.set_sigdefault(&startup::to_default())?;
        let actions = passing(self.inherit)?;
        Ok(posix_spawnp(&argv[0], &actions, &attr, &argv, &envp)?.as_raw())
    }

    /// Forks it as a child that waits at a gate. It dies of SIGTERM when the calling thread ends.
    ///
    /// # Errors
    /// No more processes or descriptors; EINVAL for a NUL in an argument. That the program cannot be executed shows once the
    /// gate is open.
    pub fn spawn_gated(&self) -> io::Result<GatedChild> {
        let (argv, envp) = (self.argv()?, self.envp()?);
        let envp: Vec<&CStr> = envp.iter().map(AsRef::as_ref).collect();
        let inherit: Vec<i32> = self.inherit.iter().map(|fd| fd.number()).collect();
        gate::fork_gated(&Prepared {
            paths: &places(argv[0].as_bytes())?,
            argv: &argv,
            envp: &envp,
            mask: self.mask.signals(),
            to_default: &startup::to_default(),
            inherit: &inherit,
        })
    }

    /// Becomes it. Returns only if that failed.
    pub fn exec(&self) -> io::Error {
        match self.try_exec() {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn try_exec(&self) -> io::Result<std::convert::Infallible> {
        let (argv, envp) = (self.argv()?, self.envp()?);
        for fd in self.inherit {
            fcntl(fd.fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        startup::restore(self.mask)?;
        replace(&argv, &envp)
    }

    fn argv(&self) -> io::Result<Vec<CString>> {
        if self.argv.is_empty() {
            return Err(Errno::EINVAL.into());
        }
        self.argv.iter().map(|arg| c_string(arg.as_bytes().to_vec())).collect()
    }

    fn envp(&self) -> io::Result<Vec<Cow<'static, CStr>>> {
        let is_ours = |entry: &CStr| self.env.iter().any(|(name, _)| names(entry.to_bytes(), name));
        let kept = environment().filter(|entry| !is_ours(entry)).map(|entry| Ok(Cow::Borrowed(entry)));
        let set = self.env.iter().filter_map(|(name, value)| Some(pair(name, value.as_ref()?)));
        kept.chain(set.map(|bytes| c_string(bytes).map(Cow::Owned))).collect()
    }
}

/// Starts the program that this process runs once more, as a child, even if its file has been replaced or removed meanwhile:
/// with an empty environment, every signal blocked, and these descriptors under the same numbers. The first argument is the
/// name that `ps` shows.
///
/// # Errors
/// Those of `execve(2)`; EINVAL for a NUL in an argument.
pub fn spawn_ourselves(argv: &[OsString], inherit: &[Descriptor<'_>]) -> io::Result<i32> {
    let argv: Vec<CString> = argv.iter().map(|arg| c_string(arg.as_bytes().to_vec())).collect::<io::Result<_>>()?;
    let mut attr = PosixSpawnAttr::init()?;
    attr.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
    attr.set_sigmask(&SigSet::all())?;
    let actions = passing(inherit)?;
    Ok(posix_spawn(&*own_program()?, &actions, &attr, &argv, &[] as &[CString])?.as_raw())
}

/// Where the program lies that this process runs.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as where it can fail")]
fn own_program() -> io::Result<PathBuf> {
    Ok("/proc/self/exe".into())
}

/// The same, by its path: if the file there has been replaced, it is another program.
#[cfg(not(target_os = "linux"))]
fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// What a new program inherits under the same numbers.
fn passing(inherit: &[Descriptor<'_>]) -> io::Result<PosixSpawnFileActions> {
    let mut actions = PosixSpawnFileActions::init()?;
    for fd in inherit {
        // A dup2 onto itself clears FD_CLOEXEC (POSIX.1-2024; glibc 2.29).
        #[cfg(target_os = "linux")]
        actions.add_dup2(fd.number(), fd.number())?;
        #[cfg(not(target_os = "linux"))]
        inherits(&mut actions, fd.number())?;
    }
    Ok(actions)
}

/// On macOS it does not, and this does.
#[cfg(not(target_os = "linux"))]
fn inherits(actions: &mut PosixSpawnFileActions, number: i32) -> io::Result<()> {
    unsafe extern "C" {
        /// Declared in `<spawn.h>`.
        fn posix_spawn_file_actions_addinherit_np(
            actions: *mut nix::libc::posix_spawn_file_actions_t,
            number: std::ffi::c_int,
        ) -> std::ffi::c_int;
    }
    // SAFETY: the wrapper is transparent around the structure that the C library has initialised and will destroy.
    let error = unsafe { posix_spawn_file_actions_addinherit_np(std::ptr::from_mut(actions).cast(), number) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

#[cfg(target_os = "linux")]
fn replace(argv: &[CString], envp: &[Cow<'static, CStr>]) -> io::Result<std::convert::Infallible> {
    Ok(nix::unistd::execvpe(&argv[0], argv, envp)?)
}

/// Of the calls of macOS that look in PATH, none takes an environment: it becomes ours first.
#[cfg(not(target_os = "linux"))]
fn replace(argv: &[CString], envp: &[Cow<'static, CStr>]) -> io::Result<std::convert::Infallible> {
    let ends_with_null = |all: &mut dyn Iterator<Item = *const c_char>| -> Vec<*const c_char> {
        all.chain([std::ptr::null()]).collect()
    };
    let words = ends_with_null(&mut argv.iter().map(|word| word.as_ptr()));
    let mut environment = ends_with_null(&mut envp.iter().map(|entry| entry.as_ptr()));
    // SAFETY: both lists end with NULL and live on; whoever reads the environment after a failure finds these strings, which are
    // not freed.
    unsafe {
        let ours = nix::libc::_NSGetEnviron();
        let before = *ours;
        *ours = environment.as_mut_ptr().cast();
        nix::libc::execvp(words[0], words.as_ptr());
        let error = io::Error::last_os_error();
        *ours = before;
        Err(error)
    }
}

/// Where `execvp(3)` would look for a program: in each folder of PATH, unless its name has a slash.
fn places(name: &[u8]) -> io::Result<Vec<CString>> {
    if name.is_empty() || name.contains(&b'/') {
        return Ok(vec![c_string(name.to_vec())?]);
    }
    let path = environment().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    let folders = path.unwrap_or(b"/bin:/usr/bin").split(|&byte| byte == b':');
    let within = |folder: &[u8]| match folder {
        // An empty one is the current folder.
        [] => c_string(name.to_vec()),
        folder => c_string([folder, b"/", name].concat()),
    };
    folders.map(within).collect()
}

/// Our own environment, unchanged: `NAME=VALUE` entries, and anything else that was put there.
fn environment() -> impl Iterator<Item = &'static CStr> {
    #[cfg(target_os = "linux")]
    unsafe extern "C" {
        /// Declared in `<unistd.h>`.
        static environ: *const *const c_char;
    }
    // SAFETY: the C library keeps a list of strings there that ends with NULL, or NULL in its place, and nothing in solobot
    // ever changes the environment.
    let entry = |index| unsafe {
        #[cfg(target_os = "linux")]
        let list = environ;
        #[cfg(not(target_os = "linux"))]
        let list: *const *const c_char = (*nix::libc::_NSGetEnviron()).cast();
        let entry = if list.is_null() { list.cast() } else { *list.add(index) };
        (!entry.is_null()).then(|| CStr::from_ptr(entry))
    };
    (0..).map_while(entry)
}

fn names(entry: &[u8], name: &str) -> bool {
    entry.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

fn pair(name: &str, value: &OsStr) -> Vec<u8> {
    [name.as_bytes(), b"=", value.as_bytes()].concat()
}

fn c_string(bytes: Vec<u8>) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it contains a NUL byte"))
}
