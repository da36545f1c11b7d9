//! What of this process is in memory while it does nothing but wait.

use std::ffi::c_int;
use std::ptr::{null_mut, without_provenance_mut};

use nix::libc;

/// Gives back what of the program's and the libraries' code and constants is mapped: most of it was needed once, at the
/// start. What is needed again comes from the page cache.
pub fn give_back_code() {
    // SAFETY: the function is of the type that is asked for, and uses the pointers only while it is called.
    unsafe { libc::dl_iterate_phdr(Some(of_object), null_mut()) };
}

/// One object: the program or a library.
unsafe extern "C" fn of_object(object: *mut libc::dl_phdr_info, _size: usize, _data: *mut libc::c_void) -> c_int {
    // SAFETY: dl_iterate_phdr(3) passes an object, and so many program headers of it.
    let (base, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr, std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
    };
    let page = rustix::param::page_size();
    // What can be written differs from the file. The vDSO, which is no file, is as small as can be.
    let constant = headers.iter().filter(|one| one.p_type == libc::PT_LOAD && one.p_flags & libc::PF_W == 0);
    for segment in constant {
        let start = usize::try_from(base.wrapping_add(segment.p_vaddr)).unwrap_or_default();
        let end = start.saturating_add(usize::try_from(segment.p_memsz).unwrap_or_default());
        let start = start - start % page;
        let place = without_provenance_mut(start);
        // SAFETY: a private mapping that nobody has written to: the next use reads the same from the file.
        unsafe { libc::madvise(place, end - start, libc::MADV_DONTNEED) };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In KiB.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn most_code_is_given_back_and_what_is_needed_comes_back() {
        let before = resident();
        give_back_code();
        let after = resident();
        assert!(after < before / 2, "{before} KiB before, {after} KiB after");
        assert_eq!(format!("{:.3}", 0.5_f64.sqrt()), "0.707");
    }
}
