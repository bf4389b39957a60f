//! Databases of their own on a shared server, and short ways to ask them.

use super::{Cluster, PgConfig};
use postgres::error::DbError;
use postgres::{Client, SimpleQueryMessage};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A server whose stop points are armed by one test at a time.
pub struct Armed(Mutex<Cluster>);

impl Armed {
    pub fn new() -> Armed {
        let builder = Cluster::builder().set("max_worker_processes", "24");
        Armed(Mutex::new(builder.start()))
    }

    /// The server, alone.
    pub fn take(&self) -> MutexGuard<'_, Cluster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Arms stop points (empty: none) for everything that starts or reloads from now on.
pub fn arm(cluster: &Cluster, points: &str) {
    cluster.configure(&[("strata.inject", points)]);
    cluster.reload();
}

/// A database with the extension.
pub struct Db<'a> {
    pub cluster: &'a Cluster,
    pub name: &'a str,
}

impl<'a> Db<'a> {
    pub fn new(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
        let db = Db::empty(cluster, name);
        db.run("CREATE EXTENSION pg_strata");
        db
    }

    pub fn empty(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
        cluster.create_database(name);
        Db { cluster, name }
    }

    /// A script in a psql of its own.
    #[track_caller]
    pub fn run(&self, sql: &str) -> String {
        self.cluster.psql(self.name, sql)
    }

    pub fn session(&self) -> Client {
        self.cluster.client(self.name)
    }

    pub fn session_as(&self, user: &str) -> Client {
        self.cluster.client_as(user, self.name)
    }

    /// One row and column, asked in a new session.
    #[track_caller]
    pub fn one(&self, sql: &str) -> String {
        one(&mut self.session(), sql)
    }
}

/// True when the server knows ICU's collations.
pub fn has_icu(session: &mut Client) -> bool {
    let sql = "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'";
    tell(one(session, sql) != "0", "ICU")
}

/// True when the server can read XML.
pub fn has_xml(session: &mut Client) -> bool {
    tell(try_one(session, "SELECT xml '<a/>'").is_ok(), "libxml")
}

fn tell(has: bool, library: &str) -> bool {
    if !has {
        println!("this server was built without {library}: what needs it is left out");
    }
    has
}

/// What makes the server use parallel plans wherever they are allowed.
pub fn force_parallel() -> &'static str {
    match PgConfig::get().major {
        15 => "SET force_parallel_mode = on",
        _ => "SET debug_parallel_query = on",
    }
}

/// First column of the first row; empty when it is NULL or there is no row.
#[track_caller]
pub fn one(session: &mut Client, sql: &str) -> String {
    match try_one(session, sql) {
        Ok(text) => text,
        Err(error) => panic!("{error:?}\nin: {sql}"),
    }
}

/// Like [`one`]. Goes without parameters and prepared statements, as psql does.
pub fn try_one(session: &mut Client, sql: &str) -> Result<String, postgres::Error> {
    let messages = session.simple_query(sql)?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    Ok(row.unwrap_or_default())
}

/// All rows, columns separated by `|`, rows by line ends; NULL is empty.
#[track_caller]
pub fn rows(session: &mut Client, sql: &str) -> String {
    let messages = session.simple_query(sql);
    let messages = messages.unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
    let lines = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len())
                .map(|i| row.get(i).unwrap_or_default())
                .collect::<Vec<_>>()
                .join("|"),
        ),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
pub fn exec(session: &mut Client, sql: &str) {
    session
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
}

/// Empty for an error of the connection.
pub fn sqlstate(error: &postgres::Error) -> String {
    error
        .code()
        .map(|c| c.code().to_owned())
        .unwrap_or_default()
}

/// The statement must fail with this SQLSTATE, and its message must hold all of these words.
#[track_caller]
pub fn fails(session: &mut Client, sql: &str, code: &str, words: &[&str]) -> DbError {
    let Err(error) = session.batch_execute(sql) else {
        panic!("no error, expected {code} from: {sql}");
    };
    let error = error
        .as_db_error()
        .unwrap_or_else(|| panic!("the connection broke: {error:?}\nin: {sql}"))
        .clone();
    assert_eq!(error.code().code(), code, "{error:?}\nin: {sql}");
    for word in words {
        assert!(error.message().contains(word), "no {word:?} in {error:?}");
    }
    error
}
