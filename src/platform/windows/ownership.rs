//! Who owns a file, and who may read and write it: its security descriptor.

use std::fs::File;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, DACL_SECURITY_INFORMATION, GetAce, INHERIT_ONLY_ACE,
    OWNER_SECURITY_INFORMATION, PSID,
};

use super::user;
use crate::platform::grants::{self, AclGrant, OthersRights};

/// `ACCESS_ALLOWED_ACE_TYPE` of `winnt.h`, and the same with a condition: who meets it, is not asked.
const ALLOWED: [u8; 2] = [0, 9];
/// Those for objects of a directory service, which no file has: their layout is another one.
const ALLOWED_OTHERWISE: [u8; 3] = [4, 5, 11];

/// Who may do what with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRights {
    /// Its owner, as [`user`] counts users.
    pub owner: u32,
    pub others: OthersRights,
}

impl FileRights {
    /// What may not be asked belongs to a stranger, and others may write it.
    fn unknown() -> Self {
        Self { owner: u32::MAX, others: Self::open_to_all(false) }
    }

    fn open_to_all(is_readable_by_all: bool) -> OthersRights {
        OthersRights { writers: vec![user::everyone()], is_writable_by_all: true, is_readable_by_all }
    }

    /// That of an open file or folder.
    pub fn of(file: &File, is_folder: bool) -> Self {
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
            return Self::unknown();
        }
        // SAFETY: both lie in the descriptor, which is still there.
        let rights = unsafe { Self::read(owner, list, is_folder) };
        // SAFETY: it was allocated for us, and nothing points into it any more.
        unsafe { LocalFree(descriptor) };
        rights.unwrap_or_else(Self::unknown)
    }

    /// # Safety
    /// Both are of a security descriptor, or null.
    unsafe fn read(owner: PSID, list: *const ACL, is_folder: bool) -> Option<Self> {
        if owner.is_null() {
            return None;
        }
        // SAFETY: it is a SID, as the caller promises.
        let owner = unsafe { user::number_of(owner) };
        if list.is_null() {
            // No list at all: everybody may do everything.
            return Some(Self { owner, others: Self::open_to_all(true) });
        }
        // SAFETY: it is an ACL, as the caller promises.
        let grants = unsafe { grants_of(list) }?;
        Some(Self { owner, others: grants::others(&grants, owner, user::effective_uid(), is_folder) })
    }
}

/// The entries that give rights to the file itself; `None` if any cannot be read.
///
/// # Safety
/// It is an access list.
unsafe fn grants_of(list: *const ACL) -> Option<Vec<AclGrant>> {
    // SAFETY: it is one, as the caller promises.
    let count = unsafe { (*list).AceCount };
    let mut grants = Vec::new();
    for index in 0..u32::from(count) {
        let mut entry = ptr::null_mut();
        // SAFETY: the list is one, and the index is below its count.
        if unsafe { GetAce(list, index, &raw mut entry) } == 0 {
            return None;
        }
        // SAFETY: every entry begins with this.
        let header = unsafe { *entry.cast::<ACE_HEADER>() };
        if ALLOWED_OTHERWISE.contains(&header.AceType) {
            return None;
        }
        if !ALLOWED.contains(&header.AceType) || u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0 {
            continue;
        }
        let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
        // SAFETY: an entry of these types begins with this layout, with the SID where `SidStart` is.
        let (rights, to) = unsafe { ((*entry).Mask, user::grantee((&raw mut (*entry).SidStart).cast())) };
        grants.push(AclGrant { rights, to });
    }
    Some(grants)
}
