//! On Linux, links the program at a fixed address; on Windows, with a stack as large as Linux gives.
//!
//! Loaded anywhere (PIE), it has 14,000 addresses to be corrected at every start, which touches 42 pages more: 0.1 of the
//! time that `flock(1)` needs for its whole run. What is handed out is linked at a fixed address anyway (`packaging/static.sh`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // With the C library inside, the compiler decides by `-C relocation-model`.
    let is_static = target("FEATURE").split(',').any(|feature| feature == "crt-static");
    if target("OS") == "linux" && target("ENV") == "gnu" && !is_static {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
    if target("OS") == "windows" {
        // Reserved, and used only as far as it is needed. Without optimisation a command line takes over 1 MiB, which is all
        // that Microsoft's linker reserves.
        let option = if target("ENV") == "msvc" { "/STACK:" } else { "-Wl,--stack," };
        println!("cargo:rustc-link-arg-bins={option}{}", 8 * 1024 * 1024);
    }
}
