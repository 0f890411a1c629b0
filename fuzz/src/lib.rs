//! Fuzz targets: each turns bytes into a sequence of operations, applies them to a structure and
//! to a plain shadow of it, and compares the two after every step.
//!
//! # To add a target
//!
//! 1. Write `src/bin/NAME.rs`; `cargo xtask fuzz NAME` finds it by its file name:
//!
//!    ```
//!    #![cfg_attr(fuzzing, no_main)]
//!    use arbitrary::Arbitrary;
//!
//!    #[derive(Arbitrary, Debug)]
//!    enum Op {
//!        Push(u8),
//!        Pop,
//!    }
//!
//!    fn compare(ops: &[Op]) {
//!        let (mut ours, mut shadow) = (Vec::new(), std::collections::VecDeque::new());
//!        for op in ops {
//!            match op {
//!                Op::Push(value) => (ours.push(*value), shadow.push_back(*value)).1,
//!                Op::Pop => assert_eq!(ours.pop(), shadow.pop_back()),
//!            }
//!        }
//!    }
//!
//!    fuzz::target!(|ops: Vec<Op>| compare(&ops));
//!    ```
//!
//! 2. Let `Arbitrary` make values that matter: sizes of 0, 1, 63, 64, 65 and near the limits,
//!    alignments as powers of two; bound what one operation may allocate, not the sequence.
//! 3. Assert with the values in the message: a crash file is worth what its message says.
//! 4. Add the crate to `fuzz/Cargo.toml`, and run `cargo xtask fuzz NAME --smoke`.
//!
//! A fault is kept in `fuzz/artifacts/NAME/`. It needs no fuzzer to be seen again: on the pinned
//! compiler the same program replays files, `cargo run -p fuzz --bin NAME -- FILE…`, and prints
//! the operations first. Turn it into a named regression test of the crate.

#[cfg(fuzzing)]
#[doc(hidden)]
pub use libfuzzer_sys;

/// Makes the program a fuzz target: `target!(|input: Type| …)` with `Type: Arbitrary + Debug`.
///
/// Under `cfg(fuzzing)` libFuzzer calls the closure; otherwise the program replays the files
/// named on its command line.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! target {
    (|$input:ident: $type:ty| $body:expr) => {
        $crate::libfuzzer_sys::fuzz_target!(|$input: $type| $body);
    };
}

/// Makes the program a fuzz target: `target!(|input: Type| …)` with `Type: Arbitrary + Debug`.
///
/// Under `cfg(fuzzing)` libFuzzer calls the closure; otherwise the program replays the files
/// named on its command line.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! target {
    (|$input:ident: $type:ty| $body:expr) => {
        fn main() -> std::io::Result<()> {
            $crate::replay(|$input: $type| $body)
        }
    };
}

/// Reads each file named on the command line as the fuzzer would, and hands it to `run`.
///
/// # Errors
///
/// When a file cannot be read, or no file is named.
#[cfg(not(fuzzing))]
#[expect(clippy::print_stdout, reason = "shows the operations of a crash file to a person")]
pub fn replay<T>(run: impl Fn(T)) -> std::io::Result<()>
where
    T: for<'a> arbitrary::Arbitrary<'a> + core::fmt::Debug,
{
    let mut replayed = 0_u32;
    for path in std::env::args_os().skip(1) {
        let bytes = std::fs::read(&path)
            .map_err(|error| std::io::Error::other(format!("{}: {error}", path.display())))?;
        match T::arbitrary_take_rest(arbitrary::Unstructured::new(&bytes)) {
            Ok(input) => {
                println!("{}: {input:#?}", path.display());
                run(input);
            }
            Err(error) => println!("{}: no input: {error}", path.display()),
        }
        replayed += 1;
    }
    if replayed == 0 {
        return Err(std::io::Error::other(
            "name the files to replay; to fuzz, run `cargo xtask fuzz`",
        ));
    }
    println!("{replayed} files replayed");
    Ok(())
}
