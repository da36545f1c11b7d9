//! `/proc` as a whole.

/// Whether `/proc` hides other users' processes from us (`hidepid=`), so that what is listed may not be all there is.
pub fn hides_others() -> bool {
    if rustix::process::getuid().is_root() {
        return false;
    }
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/proc")).any(|line| {
        line.split([' ', ',']).any(|option| {
            option.strip_prefix("hidepid=").is_some_and(|value| !matches!(value, "0" | "off" | "1" | "noaccess"))
        })
    })
}
