//! What the binary brings along, rather than have the loader map a library for it at every start.
//!
//! `libgcc_s` (the unwinder) and libm (one function) are needed only by who panics or draws a progress bar, and yet mapping
//! and relocating them takes about a tenth of the time that `flock(1)` needs for its whole run. A static build has both inside anyway.

// The unwinder. It comes with every gcc; named here, it is found before the shared one that the standard library asks for.
#[cfg(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
#[link(name = "gcc_eh", kind = "static")]
unsafe extern "C" {}

/// C's `pow`, for indicatif's estimate of a speed: the only function of libm that anything here calls.
#[unsafe(no_mangle)]
extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

/// Where the program lies, for `$ORIGIN` in what a static binary would load at run time: it loads nothing, and to find out
/// costs every start a look into `/proc`. -1 stands for "unknown" (`elf/dl-support.c` in glibc).
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
#[unsafe(no_mangle)]
extern "C" fn _dl_get_origin() -> *const std::ffi::c_char {
    std::ptr::without_provenance(usize::MAX)
}
