//! Which PostgreSQL is tested, and whether the library in it is the one of these sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

/// The server's folders, from `pg_config` (environment PG_CONFIG, else the one in PATH).
pub struct PgConfig {
    pub program: String,
    pub bin: PathBuf,
    pub pkglib: PathBuf,
    pub share: PathBuf,
    /// Where pg_regress and pg_isolation_regress lie.
    pub test: PathBuf,
    pub major: u32,
}

impl PgConfig {
    pub fn get() -> &'static PgConfig {
        static CONFIG: OnceLock<PgConfig> = OnceLock::new();
        CONFIG.get_or_init(|| {
            PgConfig::ask(std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_string()))
        })
    }

    /// An older PostgreSQL that has the extension as well, from environment PG_OLD_CONFIG.
    pub fn older() -> Option<&'static PgConfig> {
        static CONFIG: OnceLock<Option<PgConfig>> = OnceLock::new();
        let found = CONFIG.get_or_init(|| std::env::var("PG_OLD_CONFIG").ok().map(PgConfig::ask));
        if found.is_none() {
            println!("PG_OLD_CONFIG names no older server: what needs one is left out");
        }
        found.as_ref()
    }

    fn ask(program: String) -> PgConfig {
        let ask = |what: &str| {
            let output = Command::new(&program)
                .arg(what)
                .output()
                .unwrap_or_else(|error| panic!("{program}: {error}; run .ci/setup"));
            String::from_utf8(output.stdout)
                .expect("UTF-8")
                .trim()
                .to_string()
        };
        let version = ask("--version");
        let major = version
            .trim_start_matches("PostgreSQL ")
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>();
        let makefiles = PathBuf::from(ask("--pgxs"));
        PgConfig {
            bin: ask("--bindir").into(),
            pkglib: ask("--pkglibdir").into(),
            share: ask("--sharedir").into(),
            test: makefiles
                .parent()
                .and_then(Path::parent)
                .expect("folder of pgxs")
                .join("test"),
            major: major.parse().expect("major version"),
            program,
        }
    }

    /// The installed library of the extension.
    pub fn library(&self) -> PathBuf {
        let name = if cfg!(target_os = "macos") && self.major >= 16 {
            "pg_strata.dylib"
        } else {
            "pg_strata.so"
        };
        self.pkglib.join(name)
    }
}

/// Panics if the installed library is older than the sources: a test must not pass
/// or fail because of old code.
pub fn require_fresh_install(postgres: &'static PgConfig) {
    static CHECKED: Mutex<BTreeMap<PathBuf, Result<(), String>>> = Mutex::new(BTreeMap::new());
    let mut checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
    let found = checked
        .entry(postgres.library())
        .or_insert_with(|| check_install(postgres))
        .clone();
    drop(checked);
    if let Err(message) = found {
        panic!("{message}\nrun .ci/install (or cargo pgrx install) first");
    }
}

fn check_install(postgres: &PgConfig) -> Result<(), String> {
    let library = postgres.library();
    let installed = fs::metadata(&library)
        .and_then(|data| data.modified())
        .map_err(|error| format!("{}: {error}", library.display()))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in [
        "src",
        "sql",
        "Cargo.toml",
        "Cargo.lock",
        "pg_strata.control",
    ] {
        if let Some(file) = newer_than(&root.join(name), installed) {
            let file = file.strip_prefix(root).unwrap_or(&file).to_path_buf();
            return Err(format!(
                "{} is newer than the installed library {}",
                file.display(),
                library.display()
            ));
        }
    }
    check_stamp(postgres, &library)
}

/// .ci/install leaves `FOLDER_OF_LIBRARY HASH` beside the build: another clone may have installed since.
fn check_stamp(postgres: &PgConfig, library: &Path) -> Result<(), String> {
    let Some(stamp) = std::env::current_exe().ok().and_then(|program| {
        let target = program
            .ancestors()
            .find(|path| path.join("CACHEDIR.TAG").exists())?;
        let stamp = match postgres.major {
            15 => "install/installed".to_string(),
            major => format!("pg{major}/install/installed"),
        };
        fs::read_to_string(target.join(stamp)).ok()
    }) else {
        return Ok(());
    };
    let Some((folder, hash)) = stamp.trim().rsplit_once(' ') else {
        return Ok(());
    };
    if library.parent() != Some(Path::new(folder)) || hash == file_hash(library) {
        return Ok(());
    }
    Err(format!(
        "{} is not the library that was built last from this folder",
        library.display()
    ))
}

fn file_hash(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(fs::read(path).expect("the installed library"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn newer_than(path: &Path, time: SystemTime) -> Option<PathBuf> {
    let data = fs::metadata(path).ok()?;
    if data.is_dir() {
        return fs::read_dir(path)
            .ok()?
            .flatten()
            .find_map(|entry| newer_than(&entry.path(), time));
    }
    (data.modified().ok()? > time).then(|| path.to_path_buf())
}
