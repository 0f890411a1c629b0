//! The runner's worker on an allocator that counts: for allocator calls and heap profiles.

use std::process::ExitCode;

use benches::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    benches::cli::main()
}
