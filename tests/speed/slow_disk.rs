//! A disk that takes longer to say that a commit is safe: most servers' disks do, the one of this machine may not.

use crate::common::Sandbox;
use std::path::PathBuf;
use std::process::Command;

/// What every wait for the log takes longer.
pub const DELAY_MS: u32 = 3;

/// Sleeps in `fdatasync`, which PostgreSQL calls once for each flush of its log on Linux, and for nothing else.
const SOURCE: &str = r"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int fdatasync(int file) {
    static int (*real)(int);
    struct timespec left = {0, DELAY_MS * 1000000L};
    if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, 'fdatasync');
    while (nanosleep(&left, &left)) ;
    return real(file);
}
";

/// A library that servers load before all others; it lives as long as the folder.
pub struct SlowDisk {
    _folder: Sandbox,
    pub library: PathBuf,
}

impl SlowDisk {
    /// Compiles it; says why not.
    pub fn build() -> Result<SlowDisk, String> {
        if !cfg!(target_os = "linux") {
            return Err("only on Linux".to_owned());
        }
        let sandbox = Sandbox::new();
        let folder = sandbox.folder("disk", 0o755);
        let (source, library) = (folder.join("slow.c"), folder.join("slow.so"));
        let text = SOURCE
            .replace("DELAY_MS", &DELAY_MS.to_string())
            .replace('\'', "\"");
        std::fs::write(&source, text).map_err(|e| e.to_string())?;
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .map_err(|e| format!("cc: {e}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(SlowDisk {
            _folder: sandbox,
            library,
        })
    }
}
