//! What macOS's kernel answers, taken apart: pure, so that its tests run everywhere.
//!
//! Each offset is that of a field in Apple's headers for 64-bit programs, the same on aarch64 and `x86_64`; a table of them is
//! compiled against the headers in `tests/platforms/layouts.c`. The functions return `None` for an answer that is too short.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::stat::{RunState, Stat};
use super::unix::file::FileId;

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(array_at(bytes, at)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(array_at(bytes, at)?))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(array_at(bytes, at)?))
}

fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_ne_bytes(array_at(bytes, at)?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(array_at(bytes, at)?))
}

/// The bytes from there to the first NUL.
fn text_at(bytes: &[u8], at: usize, most: usize) -> Option<&[u8]> {
    let field = bytes.get(at..at.checked_add(most)?)?;
    field.split(|&byte| byte == 0).next()
}

/// `struct timeval`, in microseconds: `tv_sec` (8 bytes), then `tv_usec` (4 bytes).
pub fn microseconds(bytes: &[u8]) -> Option<u64> {
    let seconds = u64::try_from(i64_at(bytes, 0)?).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(u64::try_from(i32_at(bytes, 8)?).ok()?)
}

/// `struct kinfo_proc` in `<sys/sysctl.h>`: `kp_proc` is `struct extern_proc` in `<sys/proc.h>`, `kp_eproc` is behind it.
pub const KINFO: usize = 648;
/// `kp_proc.p_starttime`, a `struct timeval`.
const STARTED: usize = 0;
/// `kp_proc.p_flag`.
const FLAGS: usize = 32;
/// `kp_proc.p_stat`, one byte.
const STATUS: usize = 36;
/// `kp_proc.p_pid`.
const PID: usize = 40;
/// `kp_proc.p_sigignore`: bit n - 1 for signal n.
const IGNORED: usize = 232;
/// `kp_proc.p_comm`: 16 bytes and a NUL.
const NAME: usize = 243;
const NAME_LENGTH: usize = 17;
/// `kp_eproc.e_pcred.p_ruid`, `.p_rgid`.
const REAL_USER: usize = 392;
const REAL_GROUP: usize = 400;
/// `kp_eproc.e_ucred.cr_ngroups` (2 bytes), `.cr_groups` (16 of 4 bytes).
const GROUP_COUNT: usize = 424;
const GROUPS: usize = 428;
const MOST_GROUPS: usize = 16;
/// `kp_eproc.e_ppid`, `.e_pgid`, `.e_tdev`.
const PARENT: usize = 560;
const GROUP: usize = 564;
const TERMINAL: usize = 572;
/// `P_TRACED` and `P_WEXIT` in `<sys/proc.h>`.
const P_TRACED: u32 = 0x800;
const P_WEXIT: u32 = 0x2000;
/// `SIDL`, `SSTOP`, `SZOMB` there. All else is `SRUN`, whether it runs or sleeps.
const SIDL: u8 = 1;
const SSTOP: u8 = 4;
const SZOMB: u8 = 5;
/// `NODEV`.
const NO_TERMINAL: i32 = -1;
/// SIGHUP is signal 1.
const SIGHUP: u32 = 1;

/// What the kernel tells everybody about a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelProcess {
    pub pid: i32,
    pub stat: Stat,
    /// Its real user.
    pub uid: u32,
    /// Its groups: the real one, the effective one, and the first 15 others.
    pub groups: Vec<u32>,
    pub ignores_hangup: bool,
    /// The name of the file that it runs, cut to 16 bytes.
    pub name: String,
}

impl KernelProcess {
    /// One of the structures. Its session is not in it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let flags = u32_at(bytes, FLAGS)?;
        let state = match *bytes.get(STATUS)? {
            SZOMB => RunState::Zombie,
            SSTOP if flags & P_TRACED != 0 => RunState::Traced,
            SSTOP => RunState::Stopped,
            _ => RunState::Active,
        };
        let pid = i32_at(bytes, PID)?;
        let count = usize::from(u16_at(bytes, GROUP_COUNT)?).min(MOST_GROUPS);
        let others = (0..count).map(|at| u32_at(bytes, GROUPS + 4 * at));
        let groups: Option<Vec<u32>> = [u32_at(bytes, REAL_GROUP)].into_iter().chain(others).collect();
        Some(Self {
            pid,
            stat: Stat {
                state,
                parent: i32_at(bytes, PARENT)?,
                group: Some(i32_at(bytes, GROUP)?),
                session: None,
                has_terminal: i32_at(bytes, TERMINAL)? != NO_TERMINAL,
                // PID 0 is the kernel itself.
                is_kernel_thread: pid == 0,
                is_exiting: flags & P_WEXIT != 0,
                children_faults: None,
                threads: None,
                start_ticks: microseconds(bytes.get(STARTED..)?)?,
            },
            uid: u32_at(bytes, REAL_USER)?,
            groups: groups?,
            ignores_hangup: u32_at(bytes, IGNORED)? & (1 << (SIGHUP - 1)) != 0,
            name: String::from_utf8_lossy(text_at(bytes, NAME, NAME_LENGTH)?).into_owned(),
        })
    }

    /// Many of them, one behind the other. Processes that are just being made are no processes yet.
    pub fn parse_all(bytes: &[u8]) -> Vec<Self> {
        let all = bytes.as_chunks::<KINFO>().0.iter();
        all.filter(|one| one[STATUS] != SIDL).filter_map(|one| Self::parse(one)).collect()
    }
}

/// What `KERN_PROCARGS2` answers: the number of arguments (4 bytes), the path of the executable as it was called, padding
/// with NUL, the arguments, and the environment, each ended by NUL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartWords {
    /// Each ended by NUL.
    pub arguments: Vec<u8>,
    /// `NAME=VALUE`, each ended by NUL. Empty for a program that Apple protects (`cs_restricted`).
    pub environment: Vec<u8>,
}

impl StartWords {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let count = usize::try_from(i32_at(bytes, 0)?).ok()?;
        let rest = bytes.get(4..)?;
        let path = rest.iter().position(|&byte| byte == 0)?;
        let padding = rest[path..].iter().position(|&byte| byte != 0).unwrap_or(rest.len() - path);
        let words = &rest[path + padding..];
        let end = ends(words).nth(count.checked_sub(1)?).unwrap_or(words.len());
        let behind = &words[end..];
        // Behind the environment are words of the kernel for the loader, after an empty one.
        let environment = behind.windows(2).position(|pair| pair == [0, 0]).map_or(behind, |at| &behind[..=at]);
        let environment = if environment.first() == Some(&0) { &[][..] } else { environment };
        Some(Self { arguments: ended(&words[..end]), environment: ended(environment) })
    }
}

/// Where each word ends, its NUL included.
fn ends(words: &[u8]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1)
}

fn ended(words: &[u8]) -> Vec<u8> {
    let mut words = words.to_vec();
    if words.last().is_some_and(|&last| last != 0) {
        words.push(0);
    }
    words
}

/// `struct proc_fdinfo` in `<sys/proc_info.h>`: the number (4 bytes), the kind (4 bytes).
pub const DESCRIPTOR: usize = 8;

/// What a descriptor is open on: `PROX_FDTYPE_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorKind {
    File,
    Socket,
    Pipe,
    Other,
}

/// Every descriptor of a process, as `PROC_PIDLISTFDS` lists them.
pub fn descriptors(bytes: &[u8]) -> Vec<(i32, DescriptorKind)> {
    let one = |bytes: &[u8; DESCRIPTOR]| {
        let kind = match u32_at(bytes, 4)? {
            1 => DescriptorKind::File,
            2 => DescriptorKind::Socket,
            6 => DescriptorKind::Pipe,
            _ => DescriptorKind::Other,
        };
        Some((i32_at(bytes, 0)?, kind))
    };
    bytes.as_chunks().0.iter().filter_map(one).collect()
}

/// `struct vnode_fdinfowithpath`: `pfi.fi_openflags`, then `pvip`, a `struct vnode_info_path` at 24.
pub const OPENED: usize = 1200;
const OPEN_FLAGS: usize = 0;
const OPENED_VNODE: usize = 24;
/// `FWRITE` and `FWASLOCKED` in `<sys/fcntl.h>`: the second is set by the first `flock(2)` that succeeds, and stays.
const FWRITE: u32 = 2;
const FWASLOCKED: u32 = 0x4000;

/// `struct vnode_info_path`: `vip_vi.vi_stat.vst_dev` (4 bytes), `.vst_nlink` (2 bytes), `.vst_ino` (8 bytes), `vip_path`.
pub const VNODE: usize = 1176;
const DEVICE: usize = 0;
const INODE: usize = 8;
const PATH: usize = 152;
const PATH_LENGTH: usize = 1024;

/// A file or folder that a process refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferredFile {
    /// `None` where the process refers to none.
    pub id: Option<FileId>,
    /// Empty for one that has been removed.
    pub path: Vec<u8>,
}

impl ReferredFile {
    /// Of a `struct vnode_info_path`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // As `stat(2)` says it and std hands it on: a signed number, made 64 bits wide.
        let device = i64::from(i32_at(bytes, DEVICE)?).cast_unsigned();
        let inode = u64_at(bytes, INODE)?;
        let id = (inode != 0).then_some(FileId { device, inode });
        Some(Self { id, path: text_at(bytes, PATH, PATH_LENGTH)?.to_vec() })
    }
}

/// A file that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedFile {
    pub file: ReferredFile,
    pub is_for_writing: bool,
    /// It has or has had a `flock(2)`, through this descriptor or another one that shares its position.
    pub was_locked: bool,
}

impl OpenedFile {
    /// What `PROC_PIDFDVNODEPATHINFO` answers.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let flags = u32_at(bytes, OPEN_FLAGS)?;
        Some(Self {
            file: ReferredFile::parse(bytes.get(OPENED_VNODE..)?)?,
            is_for_writing: flags & FWRITE != 0,
            was_locked: flags & FWASLOCKED != 0,
        })
    }
}

/// `struct proc_vnodepathinfo`: two `struct vnode_info_path`, for the working folder and for the root.
pub const FOLDERS: usize = 2 * VNODE;

/// The working folder of a process, and what is `/` to it where that is another folder than everybody's.
pub fn folders(bytes: &[u8]) -> Option<(ReferredFile, ReferredFile)> {
    Some((ReferredFile::parse(bytes)?, ReferredFile::parse(bytes.get(VNODE..)?)?))
}

/// `struct socket_fdinfo`: what is in its `psi`, a `struct socket_info` at 24, and in `psi.soi_proto.pri_tcp`.
pub const SOCKET: usize = 792;
const HANDLE: usize = 160;
const FAMILY: usize = 184;
const OPTIONS: usize = 188;
const KIND: usize = 256;
const FOREIGN_PORT: usize = 264;
const VERSION: usize = 288;
const FOREIGN_ADDRESS: usize = 296;
const TCP_STATE: usize = 344;
/// `SOCKINFO_TCP`, `SOCKINFO_UN`.
const OF_TCP: i32 = 2;
const OF_UNIX: i32 = 3;
/// `SO_ACCEPTCONN` in `<sys/socket.h>`.
const ACCEPTS: u16 = 2;
/// `TSI_S_LISTEN`, `TSI_S_ESTABLISHED`.
const LISTENS: i32 = 1;
const ESTABLISHED: i32 = 4;
/// `INI_IPV4`: the address is in the last 4 bytes of 16.
const IPV4: u8 = 1;

/// A socket of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSocket {
    /// The kernel's handle for it, which several descriptors and processes may share.
    pub handle: u64,
    /// It takes connections, by TCP or from this machine.
    pub listens: bool,
    /// The other end of an established TCP connection.
    pub to: Option<SocketAddr>,
}

impl KernelSocket {
    /// What `PROC_PIDFDSOCKETINFO` answers.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, options) = (i32_at(bytes, KIND)?, u16_at(bytes, OPTIONS)?);
        i32_at(bytes, FAMILY)?;
        let state = if kind == OF_TCP { i32_at(bytes, TCP_STATE)? } else { 0 };
        let listens = state == LISTENS || (kind == OF_UNIX && options & ACCEPTS != 0);
        let to = if state == ESTABLISHED { Some(foreign_end(bytes)?) } else { None };
        Some(Self { handle: u64_at(bytes, HANDLE)?, listens, to })
    }
}

/// The port is in the byte order of the network, in the first half of an `int`.
fn foreign_end(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(array_at(bytes, FOREIGN_PORT)?);
    let address: [u8; 16] = array_at(bytes, FOREIGN_ADDRESS)?;
    let ip = if bytes.get(VERSION)? & IPV4 != 0 {
        IpAddr::V4(Ipv4Addr::new(address[12], address[13], address[14], address[15]))
    } else {
        IpAddr::V6(Ipv6Addr::from(address)).to_canonical()
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
        bytes[at..at + what.len()].copy_from_slice(what);
    }

    fn kinfo() -> Vec<u8> {
        let mut bytes = vec![0; KINFO];
        put(&mut bytes, STARTED, &1_700_000_000_i64.to_ne_bytes());
        put(&mut bytes, STARTED + 8, &42_i32.to_ne_bytes());
        bytes[STATUS] = 2;
        put(&mut bytes, PID, &77_i32.to_ne_bytes());
        put(&mut bytes, IGNORED, &1_u32.to_ne_bytes());
        put(&mut bytes, NAME, b"python3.13\0rest");
        put(&mut bytes, REAL_USER, &501_u32.to_ne_bytes());
        put(&mut bytes, REAL_GROUP, &20_u32.to_ne_bytes());
        put(&mut bytes, GROUP_COUNT, &2_u16.to_ne_bytes());
        put(&mut bytes, GROUPS, &20_u32.to_ne_bytes());
        put(&mut bytes, GROUPS + 4, &80_u32.to_ne_bytes());
        put(&mut bytes, PARENT, &1_i32.to_ne_bytes());
        put(&mut bytes, GROUP, &77_i32.to_ne_bytes());
        put(&mut bytes, TERMINAL, &(-1_i32).to_ne_bytes());
        bytes
    }

    #[test]
    fn what_is_known_of_a_process() {
        let mut bytes = kinfo();
        let one = KernelProcess::parse(&bytes).unwrap();
        assert_eq!(
            (one.pid, one.uid, one.groups.as_slice(), one.name.as_str()),
            (77, 501, &[20, 20, 80][..], "python3.13")
        );
        assert_eq!((one.stat.parent, one.stat.group, one.stat.start_ticks), (1, Some(77), 1_700_000_000_000_042));
        assert!(one.ignores_hangup && !one.stat.has_terminal && one.stat.is_alive() && !one.stat.is_exiting);
        bytes[STATUS] = SZOMB;
        assert!(!KernelProcess::parse(&bytes).unwrap().stat.is_alive());
        bytes[STATUS] = SSTOP;
        assert_eq!(KernelProcess::parse(&bytes).unwrap().stat.state, RunState::Stopped);
        put(&mut bytes, FLAGS, &(P_TRACED | P_WEXIT).to_ne_bytes());
        put(&mut bytes, TERMINAL, &0x0400_0001_i32.to_ne_bytes());
        let traced = KernelProcess::parse(&bytes).unwrap().stat;
        assert!(traced.state == RunState::Traced && traced.is_exiting && traced.has_terminal);
    }

    #[test]
    fn several_processes_and_a_piece_of_one() {
        let mut bytes = [kinfo(), kinfo(), kinfo()].concat();
        bytes[KINFO + STATUS] = SIDL;
        bytes.truncate(3 * KINFO - 1);
        assert_eq!(KernelProcess::parse_all(&bytes).len(), 1);
        assert_eq!(KernelProcess::parse(&bytes[..500]), None);
    }

    #[test]
    fn the_words_that_a_process_was_started_with() {
        let words = |text: &[u8], count: i32| StartWords::parse(&[&count.to_ne_bytes()[..], text].concat());
        let of = |arguments: &[u8], environment: &[u8]| {
            Some(StartWords { arguments: arguments.to_vec(), environment: environment.to_vec() })
        };
        let whole = b"/usr/bin/python3\0\0\0\0python3\0main.py\0A=1\0B=2\0\0executable_path=/x\0stack_guard=0\0";
        assert_eq!(words(whole, 2), of(b"python3\0main.py\0", b"A=1\0B=2\0"));
        // An empty argument is one too, and no environment is none.
        assert_eq!(words(b"/x\0\0x\0\0y\0\0ptr_munge=\0", 3), of(b"x\0\0y\0", b""));
        assert_eq!(words(b"/x\0x\0A=1\0", 1), of(b"x\0", b"A=1\0"));
        // Cut off.
        assert_eq!(words(b"/x\0x\0y", 3), of(b"x\0y\0", b""));
        assert_eq!(words(b"/x\0x\0", 0), None);
        assert_eq!(words(b"/x", 1), None);
        assert_eq!(words(b"/x\0\0", 1), of(b"", b""));
        assert_eq!(words(b"/x\0x\0", -1), None);
        assert_eq!(StartWords::parse(b"\x01"), None);
    }

    #[test]
    fn what_is_open() {
        let mut list = Vec::new();
        for (number, kind) in [(0_i32, 1_u32), (3, 2), (4, 6), (5, 5)] {
            list.extend([number.to_ne_bytes(), kind.to_ne_bytes()].concat());
        }
        list.push(7);
        let kinds = [DescriptorKind::File, DescriptorKind::Socket, DescriptorKind::Pipe, DescriptorKind::Other];
        assert_eq!(descriptors(&list), [0, 3, 4, 5].into_iter().zip(kinds).collect::<Vec<_>>());

        let mut bytes = vec![0; OPENED];
        put(&mut bytes, OPEN_FLAGS, &(FWRITE | FWASLOCKED).to_ne_bytes());
        put(&mut bytes, OPENED_VNODE + DEVICE, &0x0100_0004_i32.to_ne_bytes());
        put(&mut bytes, OPENED_VNODE + INODE, &99_u64.to_ne_bytes());
        put(&mut bytes, OPENED_VNODE + PATH, b"/tmp/l\0");
        let open = OpenedFile::parse(&bytes).unwrap();
        assert_eq!(open.file.id, Some(FileId { device: 0x0100_0004, inode: 99 }));
        assert!(open.file.path == b"/tmp/l" && open.was_locked && open.is_for_writing);
        assert_eq!(OpenedFile::parse(&bytes[..OPENED - 1]), None);
    }

    #[test]
    fn a_process_without_a_root_of_its_own() {
        let mut bytes = vec![0; FOLDERS];
        put(&mut bytes, INODE, &2_u64.to_ne_bytes());
        put(&mut bytes, PATH, b"/srv\0");
        let (cwd, root) = folders(&bytes).unwrap();
        assert_eq!((cwd.path.as_slice(), root.id), (&b"/srv"[..], None));
        assert!(folders(&bytes[..VNODE]).is_none());
    }

    #[test]
    fn connections_of_both_families_and_listeners() {
        let mut bytes = vec![0; SOCKET];
        put(&mut bytes, HANDLE, &0xABCD_u64.to_ne_bytes());
        put(&mut bytes, KIND, &OF_TCP.to_ne_bytes());
        put(&mut bytes, TCP_STATE, &ESTABLISHED.to_ne_bytes());
        put(&mut bytes, FOREIGN_PORT, &443_u16.to_be_bytes());
        put(&mut bytes, FOREIGN_ADDRESS + 12, &[149, 154, 167, 220]);
        bytes[VERSION] = IPV4;
        let to = |bytes: &[u8]| KernelSocket::parse(bytes).unwrap().to;
        assert_eq!(to(&bytes), Some("149.154.167.220:443".parse().unwrap()));
        bytes[VERSION] = 2;
        put(&mut bytes, FOREIGN_ADDRESS, &Ipv6Addr::LOCALHOST.octets());
        assert_eq!(to(&bytes), Some("[::1]:443".parse().unwrap()));
        put(&mut bytes, TCP_STATE, &LISTENS.to_ne_bytes());
        assert_eq!(KernelSocket::parse(&bytes).unwrap(), KernelSocket { handle: 0xABCD, listens: true, to: None });
        put(&mut bytes, KIND, &OF_UNIX.to_ne_bytes());
        assert!(!KernelSocket::parse(&bytes).unwrap().listens);
        put(&mut bytes, OPTIONS, &ACCEPTS.to_ne_bytes());
        assert!(KernelSocket::parse(&bytes).unwrap().listens);
        assert_eq!(KernelSocket::parse(&bytes[..SOCKET / 4]), None);
    }
}
