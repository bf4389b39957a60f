//! PostgreSQL's regression drivers on a server of ours.

use super::{Cluster, PgConfig};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A folder of scripts with their expected output.
pub struct Suite {
    /// The driver, below the server's test programs.
    pub program: &'static str,
    pub folder: &'static str,
    /// Folder of the scripts and their file name extension.
    pub sources: (&'static str, &'static str),
}

impl Suite {
    /// Runs all scripts, each in a database of its own that has the extension. The driver runs as the
    /// server's user, on a copy that this user may read and write.
    pub fn run(&self, preload: bool) {
        // A publication in a script would warn about the default.
        let cluster = Cluster::builder()
            .preload(preload)
            .set("wal_level", "logical")
            // each script's database keeps a worker, and scripts start more
            .set("max_worker_processes", "64")
            .start();
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder);
        let copy = cluster.sandbox().folder("suite", 0o755);
        let names = self.copy(&home, &copy);
        assert!(!names.is_empty(), "no scripts in {}", home.display());
        cluster.user().own(&copy.join("expected"));
        let accept = std::env::var_os("UPDATE_EXPECTED").is_some();
        let mut differences = String::new();
        for name in &names {
            let output = self.drive(&cluster, &copy, name);
            if accept {
                let file = format!("{name}.out");
                fs::create_dir_all(home.join("expected")).expect("a folder");
                fs::copy(
                    copy.join("results").join(&file),
                    home.join("expected").join(&file),
                )
                .expect("a result");
            } else if !output.status.success() {
                let found = fs::read_to_string(copy.join("regression.diffs"));
                // Without differences the driver itself has failed.
                let driver = || String::from_utf8_lossy(&output.stderr).into_owned();
                differences.push_str(&found.unwrap_or_else(|_| driver()));
            }
        }
        assert!(
            differences.is_empty(),
            "{differences}\nto accept: UPDATE_EXPECTED=1"
        );
    }

    /// Runs one script.
    fn drive(&self, cluster: &Cluster, copy: &Path, name: &str) -> Output {
        let output = cluster
            .user()
            .command(&PgConfig::get().test.join(self.program))
            .arg("--bindir")
            .arg(&PgConfig::get().bin)
            .arg("--host")
            .arg(cluster.socket())
            .args(["--user=postgres", "--load-extension=pg_strata"])
            .arg(format!("--dbname={name}"))
            .arg("--inputdir")
            .arg(copy)
            .arg("--outputdir")
            .arg(copy)
            .arg(name)
            .output()
            .expect("the driver of the suite");
        let text = String::from_utf8_lossy(&output.stdout);
        for line in text.lines().filter(|line| line.starts_with("test ")) {
            println!("{line}");
        }
        output
    }

    /// Copies scripts and expected output; returns the scripts' names in order.
    fn copy(&self, home: &Path, copy: &Path) -> Vec<String> {
        let (folder, extension) = self.sources;
        let mut names = Vec::new();
        for file in files(&home.join(folder)) {
            if file.extension().is_some_and(|found| found == extension) {
                let name = file.file_stem().expect("a name").to_string_lossy();
                names.push(name.into_owned());
            }
        }
        for part in [folder, "expected"] {
            fs::create_dir_all(copy.join(part)).expect("a folder");
            for file in files(&home.join(part)) {
                let target = copy.join(part).join(file.file_name().expect("a name"));
                fs::copy(&file, target).expect("a copy");
            }
        }
        for name in &names {
            // The driver gives up at a missing file instead of reporting a difference.
            let expected = copy.join("expected").join(format!("{name}.out"));
            if !expected.exists() {
                fs::write(expected, "").expect("an empty file");
            }
        }
        names.sort();
        names
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("a folder entry").path());
    paths.filter(|path| path.is_file()).collect()
}
