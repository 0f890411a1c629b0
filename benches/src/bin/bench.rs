//! The runner, on the system's allocator.

use std::process::ExitCode;

fn main() -> ExitCode {
    benches::cli::main()
}
