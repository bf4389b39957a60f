//! A private folder with a watcher that clears it away.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs until the harness closes its standard input, by Drop or by dying in whatever way. Then stops the
/// server whose data folder lies in the sandbox and removes the sandbox. A server killed so early that it
/// has no pid file yet ends by itself: PostgreSQL leaves when its pid file disappears.
const WATCHER: &str = r#"
trap '' INT TERM HUP QUIT
cat >/dev/null
for file in "$1"/*/postmaster.pid "$1"/*/*/postmaster.pid; do
    [ -f "$file" ] || continue
    pid=$(head -n 1 "$file")
    segment=$(sed -n 7p "$file" | tr -s ' ' | cut -d ' ' -f 2)
    case $(ps -o args= -p "$pid" 2>/dev/null) in *"$1"*) ;; *) pid= ;; esac
    if [ -n "$pid" ]; then
        kill -QUIT "$pid" 2>/dev/null
        tries=0
        while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null
    fi
    [ -f "$file" ] && [ -n "$segment" ] && ipcrm -m "$segment" 2>/dev/null
done
tries=0
while ! rm -rf "$1" 2>/dev/null && [ "$tries" -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
"#;

/// A folder below /tmp, for one server or one store.
pub struct Sandbox {
    path: PathBuf,
    watcher: Child,
    keep: bool,
}

impl Sandbox {
    pub fn new() -> Sandbox {
        // Not TMPDIR: it may be private, and a socket's path has room for about 100 characters.
        let path = tempfile::Builder::new()
            .prefix("pg_strata.")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .expect("a temporary folder")
            .keep();
        let watcher = Command::new("sh")
            .args(["-c", WATCHER, "pg_strata-watcher"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the sandbox's watcher");
        Sandbox {
            path,
            watcher,
            keep: false,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder that belongs to the user who runs the servers.
    pub fn folder(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).expect("a folder in the sandbox");
        ServerUser::current().own(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
        path
    }

    /// Leaves folder and server alone when the sandbox is dropped.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.keep {
            let _ = self.watcher.kill();
        }
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// The unprivileged user who runs the servers: ourselves, or `postgres` where we are root, because initdb
/// refuses root.
#[derive(Clone, Copy)]
pub struct ServerUser {
    ids: Option<(u32, u32)>,
}

impl ServerUser {
    pub fn current() -> ServerUser {
        let ids = is_root().then(|| {
            let uid = id(&["-u", "postgres"]).expect("user postgres, made by .ci/setup");
            let gid = id(&["-g", "postgres"]).expect("group of user postgres");
            (uid, gid)
        });
        ServerUser { ids }
    }

    /// A command that runs as this user with a clean environment: the server must not inherit
    /// RUST_BACKTRACE, which puts a backtrace into the DETAIL of every error, nor PG* settings.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir("/");
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives a file or folder to this user.
    pub fn own(&self, path: &Path) {
        if let Some((uid, gid)) = self.ids {
            chown(path, Some(uid), Some(gid)).expect("chown");
        }
    }
}

pub fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Sends a signal by name (`KILL`, `INT`, ...) to one process. False if there is no such process.
pub fn signal(pid: u32, name: &str) -> bool {
    let script = format!("kill -{name} {pid}");
    let status = Command::new("sh")
        .args(["-c", &script])
        .stderr(Stdio::null())
        .status();
    status.expect("sh").success()
}

/// Whether a process exists (a zombie counts as gone).
pub fn is_alive(pid: u32) -> bool {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .expect("ps");
    let state = String::from_utf8_lossy(&output.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}
