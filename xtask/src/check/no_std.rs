//! The `no_std` link proof: a program without the standard library that uses every crate which
//! claims to need none.
//!
//! The program has its own panic handler, so a dependency that brings `std` in, however deep,
//! defines the handler a second time and fails to compile (E0152). As a canary the same program
//! with a crate's feature `std` on must fail in just that way.

use crate::cargo::{Build, HOST, Package, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Outcome, Steps, not_run, passed};
use anyhow::{Context, Result, bail};
use core::fmt::Write as _;
use std::fs;

/// Runs the proof over the workspace.
pub(crate) fn check(steps: &mut Steps, workspace: &Workspace) {
    let mut claiming = Vec::new();
    let built =
        steps.step("no_std: a program without std links every crate that claims it", || {
            for package in workspace.crates() {
                let lib = package.dir().join("src/lib.rs");
                let text = fs::read_to_string(&lib).with_context(|| lib.display().to_string())?;
                if claims(&text)? {
                    claiming.push(package);
                }
            }
            if claiming.is_empty() {
                return not_run("no crate claims no_std yet");
            }
            let done = link(workspace, &claiming, None)?;
            if !done.ok() {
                bail!("the program does not link\n{}", done.stderr);
            }
            let names: Vec<_> = claiming.iter().map(|package| &*package.name).collect();
            passed(names.join(", "))
        });
    if built {
        steps.step("no_std: canary, the same program with std must fail", || {
            canary(workspace, &claiming)
        });
    }
}

fn canary(workspace: &Workspace, claiming: &[&Package]) -> Result<Outcome> {
    let Some(with_std) = claiming.iter().find(|package| package.features.contains_key("std"))
    else {
        return not_run("no crate has a feature `std` yet");
    };
    let done = link(workspace, claiming, Some(&with_std.name))?;
    if done.ok() || !done.stderr.contains("E0152") {
        bail!("{} with std: {}, expected error E0152\n{}", with_std.name, done.end(), done.stderr);
    }
    passed(format!("{} with its feature `std` fails with E0152", with_std.name))
}

/// Builds the program in `target/no-std`, in a workspace of its own.
fn link(workspace: &Workspace, packages: &[&Package], std: Option<&str>) -> Result<child::Done> {
    let home = workspace.target.join("no-std");
    fs::create_dir_all(home.join("src"))?;
    let mut manifest = MANIFEST.to_owned();
    let mut uses = String::new();
    for package in packages {
        let features = if std == Some(&package.name) { "\"std\"" } else { "" };
        writeln!(
            manifest,
            "{} = {{ path = {:?}, default-features = false, features = [{features}] }}",
            package.name,
            package.dir()
        )?;
        writeln!(uses, "extern crate {} as _;", package.name.replace('-', "_"))?;
    }
    fs::write(home.join("Cargo.toml"), manifest)?;
    fs::write(home.join("src/main.rs"), format!("{PROGRAM}{uses}"))?;
    // The same versions as everywhere else, and nothing to resolve anew.
    fs::copy(workspace.root.join("Cargo.lock"), home.join("Cargo.lock"))?;
    let build = Build { explicit_target: true, folder: Some("no-std/target"), ..Build::plain() };
    let mut command = build.flags(&["-Clink-arg=-nostartfiles"]).cargo(workspace, "build");
    command.current_dir(&home).arg("--quiet");
    println!("   $ {} (for {HOST})", child::show(&command));
    child::run(&mut command, Stderr::Captured, None)
}

const MANIFEST: &str = "\
[package]
name = \"no-std-proof\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]

[profile.dev]
panic = \"abort\"

[dependencies]
";

const PROGRAM: &str = "\
#![no_std]
#![no_main]
use core::alloc::{GlobalAlloc, Layout};

struct Nothing;

// SAFETY: it hands out no memory at all.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static NOTHING: Nothing = Nothing;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(no_mangle)]
extern \"C\" fn _start() -> ! {
    loop {}
}

// `alloc` as shipped was compiled to unwind and names this; nothing here unwinds.
#[unsafe(no_mangle)]
extern \"C\" fn rust_eh_personality() {}

";

/// Whether a crate root says that it needs no standard library, always or without a feature.
fn claims(text: &str) -> Result<bool> {
    let file = syn::parse_file(text)?;
    Ok(file.attrs.iter().any(|attr| match &attr.meta {
        syn::Meta::Path(path) => path.is_ident("no_std"),
        syn::Meta::List(list) if list.path.is_ident("cfg_attr") => {
            list.tokens.clone().into_iter().any(|token| token.to_string() == "no_std")
        }
        _ => false,
    }))
}

#[cfg(test)]
mod tests {
    use super::claims;

    #[test]
    fn the_claim_is_read_from_the_crate_root() {
        assert!(claims("#![no_std]\nfn f() {}").expect("parses"));
        assert!(claims("#![cfg_attr(not(feature = \"std\"), no_std)]").expect("parses"));
        assert!(!claims("//! no_std\n#![allow(dead_code)]").expect("parses"));
    }
}
