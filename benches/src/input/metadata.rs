//! What `cargo metadata` says of this workspace: a JSON document of some hundred kilobytes.
//!
//! The answer is kept under `target/bench/input`, named after the manifests it depends on, so
//! that measured processes need not start cargo (under callgrind they have no environment).

use super::{cache, fingerprint, workspace, write_whole};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{env, fs, path::PathBuf, process::Command, sync::OnceLock};
use walkdir::WalkDir;

/// The command whose answer this is; `--all-features` makes it cover `Cargo.lock`.
const ARGUMENTS: [&str; 6] =
    ["metadata", "--format-version", "1", "--locked", "--offline", "--all-features"];

/// The document as cargo printed it, paths of this machine included.
///
/// # Errors
/// Where cargo cannot be run or fails; its own words are part of the message.
pub fn raw() -> Result<&'static str> {
    static RAW: OnceLock<Result<String, String>> = OnceLock::new();
    let raw = RAW.get_or_init(|| read().map_err(|error| format!("{error:#}")));
    raw.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// The document with the paths of this machine replaced by fixed ones, so that its bytes depend
/// on the manifests alone.
///
/// # Panics
/// Where [`raw`] fails, with its message.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let raw = raw().unwrap_or_else(|error| panic!("cargo metadata: {error:#}"));
        let root = workspace();
        let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|h| h + "/.cargo"));
        let text = raw.replace(&*root.to_string_lossy(), "/workspace");
        home.map_or(text.clone(), |home| text.replace(&home, "/cargo"))
    })
}

/// The folders of all packages from registries, with name and version, in the order of these.
///
/// # Errors
/// Where [`raw`] fails, or the packages are not the ones in `Cargo.lock`.
pub fn packages() -> Result<Vec<(String, PathBuf)>> {
    let document: Value = serde_json::from_str(raw()?)?;
    let list = document["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut packages = Vec::new();
    for package in list.iter().filter(|package| !package["source"].is_null()) {
        let field = |name: &str| {
            package[name]
                .as_str()
                .with_context(|| format!("a package of cargo metadata has no {name}"))
        };
        let manifest = PathBuf::from(field("manifest_path")?);
        let folder = manifest.parent().context("a manifest without a folder")?;
        packages.push((format!("{}-{}", field("name")?, field("version")?), folder.to_owned()));
    }
    packages.sort();
    let locked = locked()?;
    let found: Vec<_> = packages.iter().map(|(name, _)| name.clone()).collect();
    if let Some(missing) = locked.iter().find(|name| !found.contains(name)) {
        bail!("Cargo.lock names {missing}, cargo metadata does not: run `cargo fetch --locked`");
    }
    ensure!(
        found.len() == locked.len(),
        "Cargo.lock names {} packages of registries, cargo metadata {}",
        locked.len(),
        found.len()
    );
    Ok(packages)
}

/// The packages in `Cargo.lock` that come from registries.
fn locked() -> Result<Vec<String>> {
    let path = workspace().join("Cargo.lock");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lock: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let mut names: Vec<_> = packages
        .into_iter()
        .flatten()
        .filter(|package| package.get("source").is_some())
        .map(|package| {
            let field = |name| package.get(name).and_then(toml::Value::as_str).unwrap_or_default();
            format!("{}-{}", field("name"), field("version"))
        })
        .collect();
    names.sort();
    Ok(names)
}

fn read() -> Result<String> {
    let path = cache("input").join(format!("metadata-{:016x}.json", key()?));
    if let Ok(text) = fs::read_to_string(&path) {
        return Ok(text);
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(ARGUMENTS).current_dir(workspace());
    let output = command.output().with_context(|| format!("{command:?} could not be run"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed; run `cargo fetch --locked` first. It said: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout).context("cargo metadata is not UTF-8")?;
    // A cache that cannot be written costs the next process the call, no more.
    drop(write_whole(&path, text.as_bytes()));
    Ok(text)
}

/// Changes whenever the answer can: with the lock file, any manifest, or the workspace's place.
fn key() -> Result<u64> {
    let root = workspace();
    let mut paths = vec![root.join("Cargo.lock"), root.join("Cargo.toml")];
    for folder in ["crates", "benches", "xtask", "fuzz"] {
        let walk = WalkDir::new(root.join(folder)).max_depth(2).sort_by_file_name();
        let files = walk.into_iter().filter_map(Result::ok).map(walkdir::DirEntry::into_path);
        paths.extend(files.filter(|path| path.ends_with("Cargo.toml")));
    }
    let mut parts = vec![root.to_string_lossy().into_owned().into_bytes()];
    for path in paths {
        parts.push(fs::read(&path).with_context(|| path.display().to_string())?);
    }
    let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
    Ok(fingerprint(&parts))
}
