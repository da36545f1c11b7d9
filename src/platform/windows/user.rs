//! Users, whom Windows knows by SIDs: here each has a number, as on other platforms. 0 is whoever may do everything: the
//! system, the administrators, the installer of Windows.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    GetLengthSid, GetTokenInformation, LookupAccountNameW, LookupAccountSidW, PSID, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::SystemInformation::{ComputerNameDnsHostname, GetComputerNameExW};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::native::{owned, wide};
use crate::platform::grants::Grantee;

/// `S-1-5-18`, the system; `S-1-5-32-544`, the administrators; the service `TrustedInstaller`: [MS-DTYP] 2.4.2.4.
const ALMIGHTY: [&str; 3] =
    ["S-1-5-18", "S-1-5-32-544", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];
/// Everyone, anonymous, network, interactive, authenticated users, this organization, users, guests.
const EVERYBODY: [&str; 8] =
    ["S-1-1-0", "S-1-5-7", "S-1-5-2", "S-1-5-4", "S-1-5-11", "S-1-5-15", "S-1-5-32-545", "S-1-5-32-546"];
/// Everyone.
const EVERYONE: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
/// Whoever owns the file that has it in its list, or owned the folder when the file was made.
const OWNER: [&str; 2] = ["S-1-3-4", "S-1-3-0"];
/// The longest SID, in bytes: `SECURITY_MAX_SID_SIZE`.
const LONGEST_SID: usize = 68;

/// Who a process is to the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its user.
    pub uid: u32,
    /// No groups: they are not asked for.
    pub groups: Vec<u32>,
}

/// The SIDs behind the numbers that were given out.
static KNOWN: Mutex<Option<HashMap<u32, Vec<u8>>>> = Mutex::new(None);

/// The user whose rights we have.
pub fn effective_uid() -> u32 {
    static OWN: OnceLock<u32> = OnceLock::new();
    *OWN.get_or_init(|| {
        let mut token = ptr::null_mut();
        // SAFETY: the handle means the process itself and need not be closed; the token is ours.
        let opened = unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) };
        let token = if opened == 0 { None } else { owned(token).ok() };
        // No user at all owns what a stranger owns.
        token.and_then(|token| of_token(&token)).map_or(u32::MAX - 1, |own| own.uid)
    })
}

/// The same: no program takes on another user's rights without a new token.
pub fn real_uid() -> u32 {
    effective_uid()
}

/// The user of a process's access token.
pub(super) fn of_token(token: &OwnedHandle) -> Option<Credentials> {
    // Aligned as the structure wants it.
    let mut buffer = [0_u64; 32];
    let size = u32::try_from(size_of_val(&buffer)).ok()?;
    let mut used = 0;
    // SAFETY: the buffer is ours and of that size.
    let told = unsafe {
        GetTokenInformation(token.as_raw_handle(), TokenUser, buffer.as_mut_ptr().cast(), size, &raw mut used)
    };
    // SAFETY: the call has filled in the structure, and its SID lies in the same buffer.
    let uid = (told != 0).then(|| unsafe { number_of((*buffer.as_ptr().cast::<TOKEN_USER>()).User.Sid) })?;
    Some(Credentials { uid, groups: Vec::new() })
}

/// The number of a SID: the same on every run.
///
/// # Safety
/// It is a SID.
pub(super) unsafe fn number_of(sid: PSID) -> u32 {
    // SAFETY: the caller's promise.
    number(unsafe { bytes_of(sid) })
}

/// The number of everyone.
pub(super) fn everyone() -> u32 {
    number(EVERYONE.to_vec())
}

fn number(bytes: Vec<u8>) -> u32 {
    if ALMIGHTY.contains(&shown(&bytes).as_str()) {
        return 0;
    }
    // FNV-1a. Two users of one machine with the same number are one chance in four thousand million.
    let hash = bytes.iter().fold(0x811C_9DC5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let number = hash.clamp(1, u32::MAX - 2);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().entry(number).or_insert(bytes);
    number
}

/// Whom an entry of an access list means.
///
/// # Safety
/// It is a SID.
pub(super) unsafe fn grantee(sid: PSID) -> Grantee {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes_of(sid) };
    let text = shown(&bytes);
    if OWNER.contains(&text.as_str()) {
        return Grantee::Owner;
    }
    let is_everybody = EVERYBODY.contains(&text.as_str());
    match number(bytes) {
        0 => Grantee::Almighty,
        number if is_everybody => Grantee::Everybody(number),
        number => Grantee::One(number),
    }
}

/// The SID of a number that was given out, as `S-1-5-…`.
pub(super) fn sid(number: u32) -> Option<String> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref()?.get(&number).map(|sid| shown(sid))
}

/// # Safety
/// It is a SID.
unsafe fn bytes_of(sid: PSID) -> Vec<u8> {
    // SAFETY: the caller's promise; the length is that of the SID.
    unsafe { std::slice::from_raw_parts(sid.cast::<u8>(), GetLengthSid(sid) as usize) }.to_vec()
}

/// As `S-1-5-…`.
fn shown(sid: &[u8]) -> String {
    let mut text = ptr::null_mut();
    // SAFETY: the bytes are those of a SID; the text is freed below.
    if unsafe { ConvertSidToStringSidW(sid.as_ptr().cast_mut().cast(), &raw mut text) } == 0 {
        return String::new();
    }
    let length = (0..).take_while(|&at| {
        // SAFETY: the text ends with NUL, and nothing behind that is read.
        unsafe { *text.add(at) != 0 }
    });
    let length = length.count();
    // SAFETY: so long is the text, as just counted.
    let words = String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) });
    // SAFETY: it was allocated for us.
    unsafe { LocalFree(text.cast()) };
    words
}

/// The name of a user, or the SID or the number where there is no name.
pub fn name(uid: u32) -> String {
    if uid == 0 {
        return "Administrators".into();
    }
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(sid) = known.as_ref().and_then(|known| known.get(&uid)).cloned() else { return uid.to_string() };
    drop(known);
    let (mut name, mut domain, mut kind) = ([0_u16; 257], [0_u16; 257], 0);
    let (mut name_length, mut domain_length) = (257, 257);
    // SAFETY: the bytes are those of a SID; both buffers are ours and of that length.
    let found = unsafe {
        LookupAccountSidW(
            ptr::null(),
            sid.as_ptr().cast_mut().cast(),
            name.as_mut_ptr(),
            &raw mut name_length,
            domain.as_mut_ptr(),
            &raw mut domain_length,
            &raw mut kind,
        )
    };
    if found == 0 { shown(&sid) } else { String::from_utf16_lossy(&name[..name_length as usize]) }
}

/// The home folder of a user: ours.
pub fn home(uid: u32) -> Option<PathBuf> {
    (uid == effective_uid()).then(|| env::var_os("USERPROFILE").map(PathBuf::from)).flatten()
}

/// The number of a user.
pub fn by_name(name: &str) -> Option<u32> {
    let account = wide(OsStr::new(name)).ok()?;
    let (mut sid, mut domain, mut kind) = ([0_u32; LONGEST_SID / 4], [0_u16; 257], 0);
    let (mut size, mut length) = (u32::try_from(LONGEST_SID).ok()?, 257);
    // SAFETY: the name ends with NUL; both buffers are ours and of that length.
    let found = unsafe {
        LookupAccountNameW(
            ptr::null(),
            account.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut size,
            domain.as_mut_ptr(),
            &raw mut length,
            &raw mut kind,
        )
    };
    // SAFETY: the call has written a SID.
    (found != 0).then(|| unsafe { number_of(sid.as_mut_ptr().cast()) })
}

/// This host's name.
pub fn host_name() -> String {
    let (mut name, mut length) = ([0_u16; 256], 256);
    // SAFETY: the buffer is ours and of that length.
    let told = unsafe { GetComputerNameExW(ComputerNameDnsHostname, name.as_mut_ptr(), &raw mut length) };
    let name = if told == 0 { OsString::new() } else { OsString::from_wide(&name[..length as usize]) };
    name.to_string_lossy().into_owned()
}
