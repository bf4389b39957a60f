//! A PostgreSQL server of our own.

use super::sandbox::{Sandbox, ServerUser, is_alive, signal};
use super::wait::{DEADLINE, wait_until, wait_until_within};
use super::{PgConfig, require_fresh_install};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// How a server is stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// Like a crash: recovery follows at the next start.
    Immediate,
    /// The postmaster is killed with SIGKILL; its children notice and leave.
    Kill,
}

/// What a server is started with.
pub struct Builder {
    postgres: &'static PgConfig,
    preload: bool,
    locale: String,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl Builder {
    /// Another PostgreSQL than the one that is tested.
    pub fn of(mut self, postgres: &'static PgConfig) -> Self {
        self.postgres = postgres;
        self
    }

    /// `shared_preload_libraries = 'pg_strata'`; off unless asked for.
    pub fn preload(mut self, preload: bool) -> Self {
        self.preload = preload;
        self
    }

    /// A line of postgresql.conf.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_string(), value.to_string()));
        self
    }

    /// An environment variable of the server.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_string(), value.to_string()));
        self
    }

    /// The databases' locale, `C` unless given.
    pub fn locale(mut self, locale: &str) -> Self {
        self.locale = locale.to_string();
        self
    }

    /// Makes and starts the server.
    pub fn start(self) -> Cluster {
        let mut cluster = self.create();
        cluster.start();
        cluster
    }

    /// Makes the server and leaves it stopped.
    pub fn create(self) -> Cluster {
        require_fresh_install(self.postgres);
        Cluster::create(self)
    }
}

/// A running server in its own [`Sandbox`], reached by a Unix socket only: nobody else on the machine may
/// connect as its superuser. Its log is printed when a test fails.
pub struct Cluster {
    postgres: &'static PgConfig,
    server: Option<Child>,
    environment: Vec<(String, String)>,
    user: ServerUser,
    data: PathBuf,
    socket: PathBuf,
    sandbox: Sandbox,
}

impl Cluster {
    pub fn builder() -> Builder {
        Builder {
            postgres: PgConfig::get(),
            preload: false,
            locale: "C".to_string(),
            settings: Vec::new(),
            environment: Vec::new(),
        }
    }

    fn create(builder: Builder) -> Cluster {
        let cluster = Cluster::empty(builder.postgres, builder.environment);
        let mut initdb = cluster.program("initdb");
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-sync", "--data-checksums"])
            .arg(format!("--locale={}", builder.locale))
            .arg("--pgdata")
            .arg(&cluster.data);
        succeeds(&mut initdb);
        cluster.configure(&[
            ("listen_addresses", ""),
            ("unix_socket_directories", &cluster.socket.to_string_lossy()),
            ("max_connections", "40"),
            ("fsync", "off"),
            ("log_line_prefix", "%m [%p] %b %d "),
            ("timezone", "UTC"),
        ]);
        if builder.preload {
            cluster.configure(&[("shared_preload_libraries", "pg_strata")]);
        }
        for (name, value) in &builder.settings {
            cluster.configure(&[(name, value)]);
        }
        cluster
    }

    /// Folders for a server, without one in them.
    fn empty(postgres: &'static PgConfig, environment: Vec<(String, String)>) -> Cluster {
        let sandbox = Sandbox::new();
        Cluster {
            postgres,
            server: None,
            environment,
            user: ServerUser::current(),
            data: sandbox.folder("data", 0o700),
            socket: sandbox.folder("socket", 0o700),
            sandbox,
        }
    }

    /// A base backup of this server as a server of its own, not started.
    pub fn backup(&self, options: &[&str]) -> Cluster {
        let backup = Cluster::empty(self.postgres, self.environment.clone());
        let mut copy = self.program("pg_basebackup");
        copy.args(["--username=postgres", "--checkpoint=fast", "--no-sync"])
            .args(["--wal-method=stream", "--host"])
            .arg(&self.socket)
            .args(options)
            .arg("--pgdata")
            .arg(&backup.data);
        succeeds(&mut copy);
        backup.configure(&[("unix_socket_directories", &backup.socket.to_string_lossy())]);
        backup
    }

    /// A copy of this server's files, as a snapshot of its disk would give; neither runs.
    pub fn copy(&self) -> Cluster {
        assert!(self.server.is_none(), "stop the server first");
        let copy = Cluster::empty(self.postgres, self.environment.clone());
        let mut from = self.data.clone().into_os_string();
        from.push("/.");
        let mut cp = Command::new("cp");
        succeeds(cp.arg("-a").arg(from).arg(&copy.data));
        copy.configure(&[("unix_socket_directories", &copy.socket.to_string_lossy())]);
        copy
    }

    /// A hot standby that follows this server, running and in sync with what is written now.
    pub fn standby(&self) -> Cluster {
        let mut standby = self.backup(&["--write-recovery-conf"]);
        standby.start();
        standby.catch_up(self);
        standby
    }

    /// Waits until this standby has replayed everything that `primary` has written.
    pub fn catch_up(&self, primary: &Cluster) {
        let written = primary.psql("postgres", "SELECT pg_current_wal_insert_lsn()");
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        wait_until("the standby has caught up", || {
            // commits that did not wait for the disk are written in the background
            self.psql("postgres", &replayed) == "t"
        });
    }

    /// Appends to postgresql.conf; takes effect by [`Cluster::reload`] or [`Cluster::restart`].
    pub fn configure(&self, settings: &[(&str, &str)]) {
        let path = self.data.join("postgresql.conf");
        let mut text = fs::read_to_string(&path).expect("postgresql.conf");
        for (name, value) in settings {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        fs::write(&path, text).expect("postgresql.conf");
    }

    /// Starts the server and waits until it answers, through crash recovery if need be.
    pub fn start(&mut self) {
        assert!(self.server.is_none(), "the server runs already");
        // After a kill, children of the old postmaster may hold its shared memory for a moment.
        let start = Instant::now();
        while !self.try_start() {
            let tail = self.log_tail();
            let busy = tail.contains("pre-existing shared memory block");
            assert!(
                busy && start.elapsed() < DEADLINE,
                "the server does not start:\n{tail}"
            );
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }

    fn try_start(&mut self) -> bool {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("log file");
        let child = self
            .program("postgres")
            .arg("-D")
            .arg(&self.data)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log file"))
            .stderr(log)
            .spawn()
            .expect("postgres");
        self.server = Some(child);
        let mut died = false;
        wait_until("the server answers", || {
            died = self.exited();
            died || self.try_client("postgres").is_ok()
        });
        if died {
            self.server = None;
        }
        !died
    }

    fn exited(&mut self) -> bool {
        let server = self.server.as_mut().expect("a started server");
        server.try_wait().expect("wait").is_some()
    }

    /// Stops the server and waits until it is gone.
    pub fn stop(&mut self, how: Stop) {
        let mut server = self.server.take().expect("the server does not run");
        let name = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
            Stop::Kill => "KILL",
        };
        signal(server.id(), name);
        wait_until_within(DEADLINE, "the server has stopped", || {
            server.try_wait().expect("wait").is_some()
        });
    }

    pub fn restart(&mut self, how: Stop) {
        self.stop(how);
        self.start();
    }

    /// Makes the server read its configuration again. Sessions take it over at their next statement.
    pub fn reload(&self) {
        assert!(signal(self.postmaster(), "HUP"));
    }

    /// Kills one backend with SIGKILL. The server restarts all its processes; waits until it answers
    /// again. Existing sessions are lost.
    pub fn kill_backend(&self, pid: u32) {
        assert!(signal(pid, "KILL"), "no process {pid}");
        wait_until("the killed backend is gone", || !is_alive(pid));
        self.wait_for_recovery();
    }

    /// Waits until crash recovery that has just begun is over and the server answers. Before that, a
    /// connection may still succeed because the postmaster has not noticed yet.
    pub fn wait_for_recovery(&self) {
        let answers = || {
            self.try_client("postgres")
                .and_then(|mut client| client.simple_query("SELECT 1").map(drop))
                .is_ok()
        };
        // Twice with a pause: the postmaster needs a moment to end the other sessions.
        wait_until("the server has recovered", || {
            answers() && {
                std::thread::sleep(std::time::Duration::from_millis(100));
                answers()
            }
        });
    }

    pub fn postmaster(&self) -> u32 {
        self.server.as_ref().expect("the server does not run").id()
    }

    pub fn is_running(&self) -> bool {
        self.server.is_some()
    }

    /// A session of its own, as superuser. Closed when dropped.
    pub fn client(&self, database: &str) -> postgres::Client {
        self.client_as("postgres", database)
    }

    pub fn client_as(&self, user: &str, database: &str) -> postgres::Client {
        self.config(user, database)
            .connect(postgres::NoTls)
            .unwrap_or_else(|error| panic!("{error:?}\n{}", self.log_tail()))
    }

    pub fn try_client(&self, database: &str) -> Result<postgres::Client, postgres::Error> {
        self.config("postgres", database).connect(postgres::NoTls)
    }

    fn config(&self, user: &str, database: &str) -> postgres::Config {
        let mut config = postgres::Config::new();
        config.host_path(&self.socket).user(user).dbname(database);
        config
    }

    /// Makes a database without the extension.
    pub fn create_database(&self, name: &str) {
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\""));
    }

    /// The PostgreSQL that this is a server of.
    pub fn postgres(&self) -> &'static PgConfig {
        self.postgres
    }

    /// A program of this PostgreSQL, run as the server's user.
    pub fn program(&self, name: &str) -> Command {
        self.user.command(&self.postgres.bin.join(name))
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder of the server's socket: `-h` of psql and friends.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub fn user(&self) -> ServerUser {
        self.user
    }

    fn log_file(&self) -> PathBuf {
        self.sandbox.path().join("server.log")
    }

    /// Everything the server has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// Fails the test when the server has lost something or has crashed, though every statement came out right.
    /// SIGKILL is what tests do themselves.
    pub fn check_log(&self) {
        const TROUBLE: [&str; 11] = [
            "reference leak",
            "refcount leak",
            "file leak",
            "snapshot reference",
            "still active",
            "problem in alloc",
            "TRAP:",
            "terminated by signal 6",
            "terminated by signal 11",
            "PANIC:",
            "you don't own a lock",
        ];
        let log = self.log();
        let found = log
            .lines()
            .find(|line| TROUBLE.iter().any(|word| line.contains(word)));
        if let Some(line) = found {
            panic!("the server's log has:\n{line}\n{}", self.log_tail());
        }
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Leaves the server running and its folder in place.
    pub fn keep(mut self) {
        self.sandbox.keep();
        self.server = None;
    }
}

/// Runs a program; the test fails with what it says if it does not succeed.
#[track_caller]
pub fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("a program of the server");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}:\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "---- end of the server's log ----\n{}\n----",
                self.log_tail()
            );
        }
        if let Some(mut server) = self.server.take() {
            signal(server.id(), "QUIT");
            let _ = server.wait();
        }
        if !std::thread::panicking() {
            self.check_log();
        }
    }
}
