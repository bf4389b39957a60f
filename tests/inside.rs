//! Runs the tests that live in a backend (`#[pg_test]`, folder pg_test/) through cargo-pgrx, also as root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/mod.rs"]
mod common;

use common::{PgConfig, Sandbox};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// What cargo-pgrx calls as `sudo` to start the server as another user. Where we are root already, sudo may
/// be missing.
const SUDO: &str = r#"#!/bin/sh
if [ "$1" = -u ]; then user=$2; shift 2; exec runuser -u "$user" -- env "$@"; else exec env "$@"; fi
"#;

fn main() {
    let sandbox = Sandbox::new();
    let major = PgConfig::get().major;
    let target = target_folder();
    // The tests and the installed library are built with different flags under one name; without the
    // file, cargo does not take the one for the other.
    for file in ["debug/libpg_strata.so", "debug/deps/libpg_strata.so"] {
        let _ = fs::remove_file(target.join(file));
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["pgrx", "test", &format!("pg{major}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUST_BACKTRACE");
    let filter: Vec<OsString> = std::env::args_os().skip(1).collect();
    if filter.is_empty() {
        command.arg("pg_test");
    }
    command.args(filter);
    if common::is_root() {
        command.args(["--runas", "postgres", "--pgdata"]);
        command.arg(sandbox.folder("inside", 0o755));
        command.env("PATH", path_with(&stand_in(&sandbox)));
    }
    let status = command.status().expect("cargo pgrx");
    drop(sandbox);
    exit(status.code().unwrap_or(1));
}

fn target_folder() -> PathBuf {
    let program = std::env::current_exe().expect("own path");
    let found = program
        .ancestors()
        .find(|path| path.join("CACHEDIR.TAG").exists());
    found.expect("cargo's target folder").to_path_buf()
}

fn stand_in(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.folder("bin", 0o755);
    let file = folder.join("sudo");
    fs::write(&file, SUDO).expect("the stand-in for sudo");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("permissions");
    folder
}

fn path_with(first: &Path) -> OsString {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&old));
    std::env::join_paths(all).expect("PATH")
}
