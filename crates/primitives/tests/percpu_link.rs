//! The weak symbols and the sections' descriptors in every kind of link: dynamic and static, position-independent or
//! not, with the linker's garbage collection on (rustc's default) and off. Each program checks that a symbol that
//! nobody defines reads as null, and that the sections work where the C library registered.
#![cfg(all(
    target_os = "linux",
    target_arch = "x86_64",
    target_pointer_width = "64",
    not(any(loom, shuttle))
))]

use std::path::Path;
use std::process::{Command, Output};

mod percpu_common;

fn build(program: &Path, flags: &[&str]) -> Output {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/percpu_link/probe.rs");
    Command::new(rustc)
        .args(["--edition", "2024", "-O", "-o"])
        .arg(program)
        .args(flags)
        .arg(source)
        .output()
        .expect("rustc runs")
}

#[test]
fn every_kind_of_link() {
    const STATIC: &str = "target-feature=+crt-static";
    let kinds: [(&str, &[&str]); 6] = [
        ("dynamic-pie", &[]),
        ("dynamic", &["-C", "relocation-model=static"]),
        ("static-pie", &["-C", STATIC]),
        ("static", &["-C", STATIC, "-C", "relocation-model=static"]),
        ("dead-code", &["-C", "link-dead-code"]),
        ("debug", &["-C", "opt-level=0"]),
    ];
    for (name, flags) in kinds {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("percpu_link_{name}"));
        let built = build(&program, flags);
        let errors = String::from_utf8_lossy(&built.stderr);
        if !built.status.success() && flags.contains(&STATIC) && errors.contains("cannot find -lc")
        {
            eprintln!("{name}: not run: no static C library (Debian: apt-get install libc6-dev)");
            continue;
        }
        assert!(built.status.success(), "{name} does not link:\n{errors}");
        for off in [false, true] {
            let mut command = Command::new(&program);
            if off {
                command.env("GLIBC_TUNABLES", "glibc.pthread.rseq=0");
            }
            let ran = command.output().expect("the program runs");
            let text = String::from_utf8_lossy(&ran.stdout);
            assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
            let expected =
                if !off && percpu_common::sections_here() { "registered" } else { "unregistered" };
            assert!(text.starts_with(expected), "{name}, switched off: {off}: {text}");
        }
    }
}
