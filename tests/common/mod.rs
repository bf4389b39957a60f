//! What the tests from outside, the demo and the benchmarks share: real servers in private folders.
//!
//! Everything lives in a [`Sandbox`]: a folder below /tmp that disappears, with every server in it, when
//! its owner is dropped, panics, is interrupted or killed.
#![allow(dead_code, unused_imports)] // every program uses another part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing harness is a failing test

mod cluster;
mod db;
mod http;
mod install;
mod local;
mod proxy;
mod psql;
mod random;
mod s3;
mod sandbox;
mod scripted;
mod stores;
mod suite;
mod tls;
mod wait;

pub use cluster::{Builder, Cluster, Stop, succeeds};
pub use db::{
    Armed, Db, arm, exec, fails, force_parallel, has_icu, has_xml, one, rows, sqlstate, try_one,
};
pub use http::Message;
pub use install::{PgConfig, require_fresh_install};
pub use proxy::{Counts, Fault, FaultProxy};
pub use random::{Random, number};
pub use s3::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};
pub use sandbox::{Sandbox, ServerUser, is_alive, is_root, signal};
pub use scripted::Scripted;
pub use stores::{STORE_BUCKET, Store};
pub use suite::Suite;
pub use tls::{CA, OTHER_CA, TlsFront};
pub use wait::{DEADLINE, wait_until, wait_until_within};
