//! `keyward`: see the library.

fn main() -> std::process::ExitCode {
    keyward::cli::run(std::env::args_os().collect())
}
