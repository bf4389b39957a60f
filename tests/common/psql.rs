//! psql, pg_dump and restore.

use super::Cluster;
use std::io::Write;
use std::process::{Command, Output, Stdio};

impl Cluster {
    /// Runs a script as superuser in one psql session and returns its output: unaligned, tuples only.
    /// Fails the test at the first error of the script.
    #[track_caller]
    pub fn psql(&self, database: &str, script: &str) -> String {
        match self.try_psql(database, script) {
            Ok(text) => text,
            Err(text) => panic!("psql failed:\n{text}\nin: {script}"),
        }
    }

    /// Like [`Cluster::psql`]; an error of the script is `Err` with everything psql wrote on standard error.
    pub fn try_psql(&self, database: &str, script: &str) -> Result<String, String> {
        let output = self.psql_with(database, &["-At", "-v", "ON_ERROR_STOP=1"], script);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// psql with options of your own; `-X -q` are given.
    pub fn psql_with(&self, database: &str, options: &[&str], script: &str) -> Output {
        let mut command = self.tool("psql");
        command.args(["-X", "-q", "-d", database, "-f", "-"]);
        feed(command.args(options), script.as_bytes())
    }

    /// A plain-text dump of one database.
    #[track_caller]
    pub fn dump(&self, database: &str) -> String {
        let output = self
            .tool("pg_dump")
            .arg(database)
            .output()
            .expect("pg_dump");
        assert!(
            output.status.success(),
            "pg_dump: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// `pg_dump | psql`: into a new database of another server, or of this one. Any error fails the test.
    #[track_caller]
    pub fn dump_into(&self, database: &str, other: &Cluster, new_database: &str) {
        other.create_database(new_database);
        other.psql(new_database, &self.dump(database));
    }

    /// A client program of the server's own version, with the connection given by the environment.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.postgres().bin.join(name));
        command
            .env("PGHOST", self.socket())
            .env("PGUSER", "postgres")
            .env("PGOPTIONS", "")
            .env_remove("PGPORT")
            .env_remove("PGDATABASE")
            .env_remove("PGSERVICE");
        command
    }
}

/// Runs a command with `input` on its standard input.
fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a client program");
    let mut stdin = child.stdin.take().expect("standard input");
    // A thread of its own: the child may fill its output pipe before it has read everything.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("a client program")
    })
}
