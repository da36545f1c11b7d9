//! Links the program at a fixed address.
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
}
