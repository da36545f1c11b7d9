//! Who owns a file, and who may read and write it: its security descriptor.

use std::fs::File;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Foundation::{GENERIC_ALL, GENERIC_READ, GENERIC_WRITE, LocalFree};
use windows_sys::Win32::Security::Authorization::{GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, DACL_SECURITY_INFORMATION, GetAce, INHERIT_ONLY_ACE,
    OWNER_SECURITY_INFORMATION, PSID,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_APPEND_DATA, FILE_DELETE_CHILD, FILE_READ_DATA, FILE_WRITE_DATA, WRITE_DAC, WRITE_OWNER,
};

use super::user;

/// `ACCESS_ALLOWED_ACE_TYPE` of `winnt.h`.
const ALLOWED: u8 = 0;
/// Rights that let somebody change a file, or put something in its place.
const CHANGE: u32 = FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | FILE_DELETE_CHILD
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
    | GENERIC_WRITE
    | GENERIC_ALL;
const READ: u32 = FILE_READ_DATA | GENERIC_READ | GENERIC_ALL;

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRights {
    /// Its owner, as [`user`] counts users.
    pub owner: u32,
    /// A group to which every user of the machine belongs may change it.
    pub is_writable_by_all: bool,
    /// Anybody besides its owner, us and the administrators may.
    pub is_writable_by_others: bool,
    pub is_readable_by_all: bool,
}

impl FileRights {
    /// What may not be asked belongs to a stranger, and others may write it.
    const UNKNOWN: Self =
        Self { owner: u32::MAX, is_writable_by_all: true, is_writable_by_others: true, is_readable_by_all: false };

    /// That of an open file.
    pub fn of(file: &File) -> Self {
        let (mut owner, mut list): (PSID, *mut ACL) = (ptr::null_mut(), ptr::null_mut());
        let mut descriptor = ptr::null_mut();
        // SAFETY: the handle is open; what the pointers get lies in the descriptor, which is freed below.
        let failed = unsafe {
            GetSecurityInfo(
                file.as_raw_handle(),
                SE_FILE_OBJECT,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                &raw mut owner,
                ptr::null_mut(),
                &raw mut list,
                ptr::null_mut(),
                &raw mut descriptor,
            )
        };
        if failed != 0 {
            return Self::UNKNOWN;
        }
        // SAFETY: both lie in the descriptor, which is still there.
        let access = unsafe { Self::read(owner, list) };
        // SAFETY: it was allocated for us, and nothing points into it any more.
        unsafe { LocalFree(descriptor) };
        access
    }

    /// # Safety
    /// Both are of a security descriptor, or null.
    unsafe fn read(owner: PSID, list: *const ACL) -> Self {
        if owner.is_null() {
            return Self::UNKNOWN;
        }
        // SAFETY: it is a SID, as the caller promises.
        let owner = unsafe { user::number_of(owner) };
        let mut access =
            Self { owner, is_writable_by_all: false, is_writable_by_others: false, is_readable_by_all: false };
        if list.is_null() {
            // No list at all: everybody may do everything.
            return Self { is_writable_by_all: true, is_writable_by_others: true, is_readable_by_all: true, ..access };
        }
        // SAFETY: it is an ACL, as the caller promises.
        let count = unsafe { (*list).AceCount };
        for index in 0..u32::from(count) {
            let mut entry = ptr::null_mut();
            // SAFETY: the list is one, and the index is below its count.
            if unsafe { GetAce(list, index, &raw mut entry) } == 0 {
                return Self::UNKNOWN;
            }
            // SAFETY: every entry begins with this.
            let header = unsafe { *entry.cast::<ACE_HEADER>() };
            if header.AceType != ALLOWED || u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0 {
                continue;
            }
            let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
            // SAFETY: an entry of this type has this layout, with the SID where `SidStart` is.
            let (rights, sid) = unsafe { ((*entry).Mask, (&raw mut (*entry).SidStart).cast()) };
            // SAFETY: as just said.
            let (who, is_everybody) = unsafe { (user::number_of(sid), user::is_everybody(sid)) };
            let is_trusted = [0, owner, user::effective_uid()].contains(&who);
            if rights & CHANGE != 0 && !is_trusted {
                access.is_writable_by_others = true;
                access.is_writable_by_all |= is_everybody;
            }
            access.is_readable_by_all |= is_everybody && rights & READ != 0;
        }
        access
    }
}
