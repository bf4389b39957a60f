//! The loader for clients: a script of the shell around psql.

use crate::common::Db;
use crate::support::{database, exec, one, rows, run, states};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of this test, and the script as the server gives it, beside it.
struct Loader<'a> {
    db: &'a Db<'a>,
    folder: PathBuf,
    script: PathBuf,
}

impl<'a> Loader<'a> {
    fn new(db: &'a Db<'a>) -> Loader<'a> {
        let base = db.cluster.sandbox().folder(db.name, 0o755);
        let script = base.join("strata-load");
        fs::write(&script, db.run("SELECT strata.migrate_loader()")).unwrap();
        let folder = base.join("it's -the \\ \"files\" $(id)");
        fs::create_dir(&folder).unwrap();
        Loader { db, folder, script }
    }

    fn write(&self, name: &str, body: impl AsRef<[u8]>) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }

    /// The script with these options, not yet started. Whatever the user's psqlrc says must not matter.
    fn command(&self, options: &[&str]) -> Command {
        let psql = self.db.cluster.tool("psql");
        let home = self.script.parent().unwrap();
        let rc = "\\set ON_ERROR_STOP off\n\\set AUTOCOMMIT off\n\\echo disturbed\nSELECT 1 / 0;\n";
        fs::write(home.join(".psqlrc"), rc).unwrap();
        let mut command = Command::new("sh");
        for (name, value) in psql.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("PSQL", psql.get_program()).env("HOME", home);
        command.env("PSQLRC", home.join(".psqlrc"));
        command.arg(&self.script).args(options);
        command
    }

    fn start(&self, options: &[&str]) -> Output {
        let mut command = self.command(options);
        command.arg(&self.folder).args(["-At", "-d", self.db.name]);
        command.output().unwrap()
    }

    /// The rows that it shows.
    #[track_caller]
    fn load(&self, options: &[&str]) -> String {
        let output = self.start(options);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("ERROR"), "{said}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// It must fail and say all of these words; nothing is registered.
    #[track_caller]
    fn refuses(&self, options: &[&str], words: &[&str]) {
        failed(&self.start(options), words);
        assert_eq!(self.db.one(FILES), "0");
    }
}

#[track_caller]
fn failed(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

const FILES: &str = "SELECT count(*) FROM strata.migrate_file";

/// Names and texts that are hard to carry through a shell, psql and SQL.
const HARD: [(&str, &[u8]); 16] = [
    ("1_a.up.sql", b"CREATE TABLE a (x text);"),
    ("1_a.down.sql", b"DROP TABLE a;\n"),
    (
        "2_quote's.up.sql",
        b"INSERT INTO a VALUES ('''; DROP TABLE a; --');\n\n\n",
    ),
    (
        "3_back`tick`.up.sql",
        b"SELECT '`id` $(id) ${HOME} :''x'' :\"y\" %s \\n \\''; -- \\' `id`",
    ),
    (
        "4_$(id)$HOME.up.sql",
        b"INSERT INTO a VALUES (E'it\\'s \\\\ :x'), ('\\');\r\nSELECT 1;\r\n",
    ),
    ("5_two  blanks.up.sql", b"\xef\xbb\xbfSELECT 'BOM'"),
    ("6_grüße.up.sql", "SELECT 'grüße ✓ 漢字';\n".as_bytes()),
    (
        "7_-rf.up.sql",
        b"COPY a FROM STDIN;\n\\.x\n\\N\ta\\\\b\\tc\n\\.\n",
    ),
    ("8_\"double\".up.sql", b""),
    ("9_:'x':y.up.sql", b"\n"),
    (
        "10_*?[a].up.sql",
        b"SELECT $$a 'dollar' \\ text$$;\x0b\x0c\t",
    ),
    ("11_#;&|<>.up.sql", b"\\echo it's\nSELECT 2"),
    ("11_#;&|<>.down.sql", b"SELECT 3\n."),
    ("2024-01-02-030405_die sel's/up.sql", b"CREATE TABLE d ();"),
    ("2024-01-02-030405_die sel's/down.sql", b"DROP TABLE d;"),
    ("before_all.sql", b"SELECT 'hook';"),
];

#[test]
fn texts_arrive_as_they_are_and_as_the_server_reads_them() {
    let db = database("loader");
    let loader = Loader::new(&db);
    for (name, body) in HARD {
        loader.write(name, body);
    }
    loader.write("readme.sql", "not one of them");
    loader.write("1_x.up.txt", "nor this");
    loader.write("2024-01-02-030405_die sel's/deeper/99_x.up.sql", "too deep");
    let shown = loader.load(&[]);
    assert_eq!(shown.lines().count(), HARD.len(), "{shown}");
    let said = loader.start(&[]).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("\"readme.sql\" is not the name of a migration"),
        "{said}"
    );
    let mut s = db.session();
    let text = "SELECT convert_to(body, 'UTF8') FROM strata.migrate_body JOIN strata.migrate_file \
        ON sha256 = CASE WHEN up_filename = $1 THEN up_sha ELSE down_sha END WHERE $1 IN (up_filename, down_filename)";
    for (name, body) in HARD {
        // texts that differ in final line ends only are one
        if !body.trim_ascii().is_empty() {
            let got: Vec<u8> = s.query_one(text, &[&name]).unwrap().get(0);
            assert_eq!(got, body, "{name}");
        }
    }
    let folder = loader.folder.to_str().unwrap();
    s.execute(
        "SELECT strata.migrate_load_dir($1, namespace => 'of the server')",
        &[&folder],
    )
    .unwrap();
    let files = "SELECT kind, version, name, up_filename, up_sha, up_fp, down_filename, down_sha, down_fp, headers, facts, present, parse_error \
        FROM strata.migrate_file WHERE namespace = '%' ORDER BY 1, 2, 3";
    let here = rows(&mut s, &files.replace('%', "default"));
    assert_eq!(here, rows(&mut s, &files.replace('%', "of the server")));
    assert_eq!(here.lines().count(), 13);
    // and once more with every file by itself, as those that are too long for a set
    let script = fs::read_to_string(&loader.script).unwrap();
    let short = script.replace("longest_set=67108864", "longest_set=10");
    assert_ne!(short, script);
    fs::write(&loader.script, short).unwrap();
    let shown = loader.load(&["--namespace", "it's \\ alone", "--prune"]);
    assert_eq!(shown.lines().count(), HARD.len(), "{shown}");
    for _ in 0..2 {
        assert_eq!(here, rows(&mut s, &files.replace('%', "it''s \\ alone")));
        loader.load(&["--namespace", "it's \\ alone", "--prune"]);
    }
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM pg_class WHERE relname = 'a'"),
        "0"
    );
    let ran = run(&mut s, "migrate_up(target => '2')");
    assert_eq!(ran, "1 applied, 2 applied");
    assert_eq!(rows(&mut s, "TABLE a"), "'; DROP TABLE a; --");
}

#[test]
fn what_is_loaded_again_is_unchanged_and_prune_misses_the_others() {
    let db = database("loader_again");
    let loader = Loader::new(&db);
    loader.write("1_a.up.sql", "CREATE TABLE a ()");
    loader.write("2_b.up.sql", "CREATE TABLE b ()");
    assert_eq!(
        loader.load(&[]),
        "1|a|versioned|up|new|1||\n2|b|versioned|up|new|1||"
    );
    fs::remove_file(loader.folder.join("1_a.up.sql")).unwrap();
    assert_eq!(loader.load(&[]), "2|b|versioned|up|unchanged|1||");
    let mut s = db.session();
    assert_eq!(states(&mut s), "1 pending, 2 pending");
    assert_eq!(loader.load(&["--prune"]), "2|b|versioned|up|unchanged|1||");
    assert_eq!(states(&mut s), "2 pending");
    // what follows the directory is psql's, and runs when all is registered
    let mut command = loader.command(&["--namespace=default"]);
    command.arg(&loader.folder).args([
        "-d",
        db.name,
        "-At",
        "-c",
        "SELECT outcome FROM strata.migrate_up()",
    ]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).ends_with("\napplied\n"),
        "{output:?}"
    );
    // names are read as the namespace has it
    exec(
        &mut s,
        "SELECT strata.migrate_configure('fly', style => 'flyway')",
    );
    loader.write("V3__c.sql", "CREATE TABLE c ()");
    assert_eq!(
        loader.load(&["--namespace", "fly"]),
        "3|c|versioned|up|new|1||"
    );
}

#[test]
fn a_set_is_taken_whole_or_not_at_all() {
    let db = database("loader_whole");
    let loader = Loader::new(&db);
    loader.write("1_first.up.sql", "CREATE TABLE a ()");
    for (name, body, words) in [
        (
            "01_second.up.sql",
            &b"SELECT 1"[..],
            &["1_first.up.sql", "01_second.up.sql", "version 1"][..],
        ),
        (
            "2_zero.up.sql",
            b"SELECT '\0'",
            &["zero byte", "2_zero.up.sql"],
        ),
        (
            "2_two\nlines.up.sql",
            b"SELECT 1",
            &["line end in a file name"],
        ),
        (
            "2_two\rlines.up.sql",
            b"SELECT 1",
            &["line end in a file name"],
        ),
        ("2_latin.up.sql", b"SELECT '\xe9'", &["2_latin.up.sql"]),
        (
            "2_template.up.sql",
            b"SELECT {{ .x }}",
            &["2_template.up.sql", "line 1"],
        ),
    ] {
        loader.write(name, body);
        loader.refuses(&[], words);
        fs::remove_file(loader.folder.join(name)).unwrap();
    }
    loader.refuses(&["--encoding", "none"], &["none"]);
    loader.refuses(&["--prun"], &["--prun"]);
    let mut command = loader.command(&["--namespace"]);
    failed(&command.output().unwrap(), &["needs a value"]);
    let mut command = loader.command(&["/nowhere/at/all"]);
    failed(&command.output().unwrap(), &["/nowhere/at/all"]);
    let mut command = loader.command(&[]);
    let empty = loader.script.parent().unwrap().join("empty");
    fs::create_dir(&empty).unwrap();
    command.arg(empty);
    failed(&command.output().unwrap(), &["no files *.sql"]);
    let mut command = loader.command(&[]);
    command.arg(&loader.folder).args(["-d", "no such database"]);
    failed(&command.output().unwrap(), &["no such database"]);
    // a file that cannot be read to its end
    let half = loader.script.parent().unwrap().join("half");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("cat"), "#!/bin/sh\nprintf 'CREATE '\nexit 1\n").unwrap();
    executable(&half.join("cat"));
    let mut command = loader.command(&[]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", half.display()));
    command.arg(&loader.folder).args(["-d", db.name]);
    failed(&command.output().unwrap(), &["1_first.up.sql"]);
    assert_eq!(db.one(FILES), "0");
    // whoever may not register
    db.run("CREATE ROLE loads_nothing LOGIN");
    let mut command = loader.command(&[]);
    command
        .arg(&loader.folder)
        .args(["-d", db.name, "-U", "loads_nothing"]);
    failed(&command.output().unwrap(), &["permission denied"]);
    assert_eq!(db.one(FILES), "0");
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn files_are_in_the_encoding_of_the_database_or_in_the_one_that_is_told() {
    let db = database("loader_encodings");
    let loader = Loader::new(&db);
    loader.write("1_a.up.sql", "SELECT 'é'");
    // what the client of the user speaks is of no account
    let mut command = loader.command(&[]);
    command.env("PGCLIENTENCODING", "SJIS");
    command.arg(&loader.folder).args(["-d", db.name]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(db.one("SELECT strata.migrate_source('1')"), "SELECT 'é'");
    loader.write("2_b.up.sql", b"SELECT '\xe9'");
    failed(&loader.start(&[]), &["2_b.up.sql"]);
    loader.write("1_a.up.sql", "SELECT 'e'");
    loader.load(&["--encoding", "LATIN1"]);
    assert_eq!(db.one("SELECT strata.migrate_source('2')"), "SELECT 'é'");
}
