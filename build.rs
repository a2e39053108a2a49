//! Links development builds without PIE.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    // The tests start thousands of processes, and the dynamic linker would spend a tenth of the time of each
    // on 200,000 relocations.
    if variable("PROFILE") == "debug" && variable("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
