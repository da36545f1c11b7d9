//! What an access list of Windows lets others do with a file. Pure.

/// Who an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantee {
    /// The system, the administrators, the installer of Windows: whoever may do everything anyway.
    Almighty,
    /// A group to which every user of the machine belongs, or anybody who can reach it. By its number.
    Everybody(u32),
    /// Whoever owns the file.
    Owner,
    /// Any other user or group, by its number.
    One(u32),
}

/// An entry that gives rights, and not only to what will be made in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclGrant {
    pub rights: u32,
    pub to: Grantee,
}

/// `FILE_READ_DATA`, `GENERIC_READ`, `GENERIC_ALL`.
const READ: u32 = 0x0000_0001 | 0x8000_0000 | 0x1000_0000;
/// `FILE_APPEND_DATA`; of a folder, it only makes folders in it.
const APPEND: u32 = 0x0000_0004;
/// What changes a file, or puts something in its place: `FILE_WRITE_DATA` (of a folder: makes files in it), `FILE_DELETE_CHILD`,
/// `DELETE`, `WRITE_DAC`, `WRITE_OWNER`, `GENERIC_WRITE`, `GENERIC_ALL`.
const CHANGE: u32 = 0x0000_0002 | 0x0000_0040 | 0x0001_0000 | 0x0004_0000 | 0x0008_0000 | 0x4000_0000 | 0x1000_0000;

/// What others may do with a file, whoever they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OthersRights {
    /// Who may change it besides its owner, us and the almighty: their numbers.
    pub writers: Vec<u32>,
    /// Everybody is among them.
    pub is_writable_by_all: bool,
    pub is_readable_by_all: bool,
}

/// What these entries let others do. What an entry denies is not counted: it may deny it to somebody else.
pub fn others(grants: &[AclGrant], owner: u32, own: u32, is_folder: bool) -> OthersRights {
    let change = if is_folder { CHANGE } else { CHANGE | APPEND };
    let mut seen = OthersRights::default();
    for AclGrant { rights, to } in grants {
        let (Grantee::Everybody(who) | Grantee::One(who)) = *to else { continue };
        let is_everybody = matches!(to, Grantee::Everybody(_));
        seen.is_readable_by_all |= is_everybody && rights & READ != 0;
        if rights & change != 0 && who != owner && who != own {
            seen.is_writable_by_all |= is_everybody;
            seen.writers.push(who);
        }
    }
    seen.writers.sort_unstable();
    seen.writers.dedup();
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: u32 = 10;
    const OWN: u32 = 11;
    const USERS: u32 = 12;
    const STRANGER: u32 = 13;
    /// As `icacls` writes them.
    const FULL: u32 = 0x001F_01FF;
    const MODIFY: u32 = 0x0013_01BF;
    const READ_EXECUTE: u32 = 0x0012_00A9;

    fn writers(grants: &[(u32, Grantee)], is_folder: bool) -> (Vec<u32>, bool) {
        let grants: Vec<AclGrant> = grants.iter().map(|&(rights, to)| AclGrant { rights, to }).collect();
        let seen = others(&grants, OWNER, OWN, is_folder);
        (seen.writers, seen.is_writable_by_all)
    }

    #[test]
    fn what_a_users_own_folder_has_is_nobody_elses() {
        let own = [
            (FULL, Grantee::Almighty),
            (FULL, Grantee::Owner),
            (FULL, Grantee::One(OWNER)),
            (FULL, Grantee::One(OWN)),
            (READ_EXECUTE, Grantee::Everybody(USERS)),
            (READ_EXECUTE, Grantee::One(STRANGER)),
        ];
        for is_folder in [false, true] {
            assert_eq!(writers(&own, is_folder), (vec![], false));
            assert_eq!(writers(&[], is_folder), (vec![], false), "an empty list lets nobody do anything");
        }
    }

    #[test]
    fn each_right_that_changes_a_file_counts() {
        for (right, name) in [
            (0x2, "FILE_WRITE_DATA"),
            (0x40, "FILE_DELETE_CHILD"),
            (0x1_0000, "DELETE"),
            (0x4_0000, "WRITE_DAC"),
            (0x8_0000, "WRITE_OWNER"),
            (0x4000_0000, "GENERIC_WRITE"),
            (0x1000_0000, "GENERIC_ALL"),
            (MODIFY, "icacls M"),
            (FULL, "icacls F"),
        ] {
            for is_folder in [false, true] {
                assert_eq!(writers(&[(right, Grantee::One(STRANGER))], is_folder), (vec![STRANGER], false), "{name}");
                assert_eq!(writers(&[(right, Grantee::Everybody(USERS))], is_folder), (vec![USERS], true), "{name}");
            }
        }
        // Read, execute, attributes, synchronize.
        assert_eq!(writers(&[(0x0012_01B9, Grantee::Everybody(USERS))], false), (vec![], false));
    }

    #[test]
    fn who_may_make_folders_only_plants_no_file() {
        // What a drive's root has for all users.
        let root = [(0x4, Grantee::Everybody(USERS)), (READ_EXECUTE, Grantee::Everybody(USERS))];
        assert_eq!(writers(&root, true), (vec![], false));
        assert_eq!(writers(&root, false), (vec![USERS], true), "of a file it is the right to append");
    }

    #[test]
    fn who_may_read_it() {
        let read = |rights, to| others(&[AclGrant { rights, to }], OWNER, OWN, false).is_readable_by_all;
        assert!(read(READ_EXECUTE, Grantee::Everybody(USERS)) && read(0x8000_0000, Grantee::Everybody(USERS)));
        assert!(!read(READ_EXECUTE, Grantee::One(STRANGER)) && !read(MODIFY & !1, Grantee::Everybody(USERS)));
    }
}
