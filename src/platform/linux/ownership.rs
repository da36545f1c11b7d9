//! Who may write a file besides its owner.

use std::fs;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

use super::nss;

/// Whether the group of a file or folder is its owner's own and has nobody else in it, as Debian makes one for every
/// user. An access list hides its entries behind the group's mode bits, so with one the group proves nothing.
pub fn has_private_group(path: &Path, owner: u32, group: u32) -> bool {
    nss::use_what_is_linked_in();
    let owner = User::from_uid(Uid::from_raw(owner)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
    let (Some(owner), Some(group)) = (owner, group) else { return false };
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    owner.gid == group.gid && is_private(&owner.name, &group, &passwd) && !has_access_list(path)
}

/// Whether a user's primary group is called as the user is, and neither group(5) nor passwd(5) puts another one in it.
fn is_private(owner: &str, group: &Group, passwd: &str) -> bool {
    let is_primary_of_another = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        name != owner && fields.nth(2).is_some_and(|gid| gid.parse() == Ok(group.gid.as_raw()))
    };
    group.name == owner && group.mem.iter().all(|member| member == owner) && !passwd.lines().any(is_primary_of_another)
}

fn has_access_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_private_if_it_has_one_user() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbot:x:1000:1000::/home/bot:/bin/sh\n";
        let shared = format!("{passwd}eve:x:1001:1000::/home/eve:/bin/sh\n");
        let cases: [(&str, &[&str], &str, bool); 6] = [
            ("bot", &[], passwd, true),
            ("bot", &["bot"], passwd, true),
            ("bot", &[], "", true),
            ("bot", &["eve"], passwd, false),
            ("users", &[], passwd, false),
            ("bot", &[], &shared, false),
        ];
        for (name, members, passwd, private) in cases {
            let mem = members.iter().map(|member| (*member).to_owned()).collect();
            let group = Group { name: name.to_owned(), passwd: c"x".to_owned(), gid: Gid::from_raw(1000), mem };
            assert_eq!(is_private("bot", &group, passwd), private, "{name} {members:?}");
        }
    }
}
