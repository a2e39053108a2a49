//! Links development builds without PIE.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    // The tests start thousands of processes, and the dynamic linker would spend a tenth of the time of each
    // on 200,000 relocations.
    let is_linux = variable("CARGO_CFG_TARGET_OS") == "linux";
    // A static binary for musl has start code of its own.
    if variable("PROFILE") == "debug" && is_linux && variable("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
