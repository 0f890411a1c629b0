//! The runner's worker on mimalloc, for cases whose id ends in `on-mimalloc`.

use std::process::ExitCode;

use benches::engines::heap::Heap;
use benches::engines::mimalloc::Mimalloc;

#[global_allocator]
static ALLOCATOR: Heap<Mimalloc> = Heap::new();

fn main() -> ExitCode {
    benches::cli::main()
}
