//! The directory of blocks on the local disk: whoever dies while writing there, whatever lies there afterwards, and when
//! there is no room, answers are right, and nothing has to be cleared away by hand.

use crate::common::{Cluster, Stop, is_root, wait_until};
use crate::crash::count_crashes;
use crate::support::{ColdDb, Db, HASH, exec, one, s3, server, try_one};
use postgres::Client;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => files(&path),
        path => vec![path],
    });
    found.collect()
}

fn size(folder: &Path) -> u64 {
    files(folder)
        .iter()
        .filter_map(|f| f.metadata().ok())
        .map(|m| m.len())
        .sum()
}

/// January to March cold in the bucket, with rows wide enough for some dozens of blocks.
fn cold<'a>(cluster: &'a Cluster, name: &'a str, endpoint: &str) -> (Db<'a>, String) {
    let db = Db::new(cluster, name);
    db.metrics();
    db.run("UPDATE m SET note = repeat(md5(id::text), 40)");
    db.archive(endpoint, "");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-04-01");
    let hash = db.hash();
    (db, hash)
}

fn cached(db: &Db, folder: &Path, megabytes: u32) -> Client {
    let mut session = db.session();
    let set = format!(
        "SET strata.cold_disk_cache = '{}'; SET strata.cold_disk_cache_size = '{megabytes}MB'; SET strata.cold_read_ahead = '64kB'",
        folder.display()
    );
    exec(&mut session, &set);
    session
}

/// kill -9 of sessions that write there, and of the whole server, after ever more blocks.
#[test]
fn killed_writers_leave_a_directory_that_serves() {
    let mut cluster = Cluster::builder().set("max_worker_processes", "16").start();
    let folder = cluster.sandbox().folder("blocks", 0o700);
    let hash = cold(&cluster, "disk_killed", &s3().endpoint()).1;
    for (n, blocks) in [1, 2, 5, 9, 14, 20].into_iter().enumerate() {
        for path in files(&folder) {
            fs::remove_file(path).expect("a block");
        }
        {
            let db = Db {
                cluster: &cluster,
                name: "disk_killed",
            };
            let mut session = cached(&db, &folder, 64);
            let pid: u32 = one(&mut session, "SELECT pg_backend_pid()")
                .parse()
                .expect("a pid");
            let crashes = count_crashes(&cluster);
            std::thread::scope(|scope| {
                // again and again, so that it is always writing
                let endless = scope.spawn(move || {
                    while try_one(&mut session, HASH).is_ok() {
                        if try_one(&mut session, "SELECT strata.cold_cache_reset()").is_err() {
                            break;
                        }
                    }
                });
                wait_until("blocks are written", || files(&folder).len() >= blocks);
                match n % 3 {
                    2 => assert!(crate::common::signal(cluster.postmaster(), "KILL")),
                    _ => assert!(crate::common::signal(pid, "KILL")),
                }
                endless.join().expect("the session");
            });
            if n % 3 != 2 {
                wait_until("the server has noticed", || {
                    count_crashes(&cluster) > crashes
                });
                cluster.wait_for_recovery();
            }
        }
        if n % 3 == 2 {
            cluster.restart(Stop::Kill);
        }
        let db = Db {
            cluster: &cluster,
            name: "disk_killed",
        };
        // what the dead one was about to write
        let groups: Vec<PathBuf> = fs::read_dir(&folder)
            .expect("the folder")
            .flatten()
            .map(|g| g.path())
            .collect();
        for (k, group) in groups.iter().enumerate() {
            let part = group.join(format!("part-{}-{k}", std::process::id()));
            fs::write(&part, vec![7; 40_000]).expect("half a block");
            cluster.user().own(&part);
        }
        for _ in 0..2 {
            assert_eq!(
                one(&mut cached(&db, &folder, 64), HASH),
                hash,
                "after {blocks} blocks"
            );
        }
    }
}

/// Every kind of damage to every block: cut off at any place, bits turned, zeros, the bytes of another block.
#[test]
fn torn_blocks_are_never_shown() {
    let proxy = s3().proxy();
    let (db, hash) = cold(server(), "disk_torn", &proxy.endpoint());
    let folder = db.cluster.sandbox().folder("disk_torn", 0o700);
    assert_eq!(one(&mut cached(&db, &folder, 64), HASH), hash);
    let blocks = files(&folder);
    assert!(blocks.len() > 10, "{}", blocks.len());
    for damage in 0..8 {
        let other = fs::read(&blocks[0]).expect("a block");
        for (n, path) in blocks.iter().enumerate() {
            let Ok(mut bytes) = fs::read(path) else {
                continue;
            };
            let len = bytes.len();
            match damage {
                0 => bytes.truncate(0),
                1 => bytes.truncate(4),
                2 => bytes.truncate(len - 1),
                3 => bytes.truncate(n * len / blocks.len()),
                4 => bytes[n * 37 % len] ^= 1 << (n % 8),
                5 => bytes[len - 1] ^= 0x80,
                6 => bytes.fill(0),
                _ => bytes = other.clone(),
            }
            fs::write(path, bytes).expect("a block");
        }
        proxy.reset();
        assert_eq!(
            one(&mut cached(&db, &folder, 64), HASH),
            hash,
            "damage {damage}"
        );
        assert!(proxy.counts().gets > 0, "damage {damage} was noticed");
        // and mended by that
        proxy.reset();
        assert_eq!(
            one(&mut cached(&db, &folder, 64), HASH),
            hash,
            "after damage {damage}"
        );
        assert_eq!(
            proxy.counts().gets,
            0,
            "damage {damage}: {:?}",
            proxy.requests()
        );
    }
}

/// Many sessions that miss the same blocks at the same moment, in a directory that is too small for them.
#[test]
fn sessions_that_write_the_same_blocks_stay_within_the_bound() {
    let (db, hash) = cold(server(), "disk_same", &s3().endpoint());
    let folder = db.cluster.sandbox().folder("disk_same", 0o700);
    let whole = {
        assert_eq!(one(&mut cached(&db, &folder, 64), HASH), hash);
        size(&folder)
    };
    let limit = 1 << 20;
    assert!(whole > limit * 2, "{whole}");
    for path in files(&folder) {
        fs::remove_file(path).expect("a block");
    }
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut session = cached(&db, &folder, 1);
                for _ in 0..4 {
                    assert_eq!(one(&mut session, HASH), hash);
                    exec(&mut session, "SELECT strata.cold_cache_reset()");
                }
            });
        }
    });
    // each may be about to look after it when it has written a sixteenth
    let bound = limit + 6 * (limit / 16 + 70_000);
    assert!(size(&folder) <= bound, "{} of {bound}", size(&folder));
    assert!(
        files(&folder)
            .iter()
            .all(|f| !f.to_string_lossy().contains("part-")),
        "nobody died"
    );
}

/// A disk of its own without room for the bound that was asked for.
#[test]
fn a_full_disk_costs_requests_and_nothing_else() {
    let proxy = s3().proxy();
    let (db, hash) = cold(server(), "disk_full", &proxy.endpoint());
    let folder = db.cluster.sandbox().folder("disk_full", 0o700);
    let Some(_mounted) = Mounted::new(&folder, "300k") else {
        println!("no file system can be mounted here: the full disk is left out");
        return;
    };
    db.cluster.user().own(&folder);
    for _ in 0..3 {
        assert_eq!(one(&mut cached(&db, &folder, 64), HASH), hash);
    }
    let found = files(&folder);
    assert!(!found.is_empty(), "what has room is kept");
    assert!(
        found.iter().all(|f| !f.to_string_lossy().contains("part-")),
        "{found:?}"
    );
    proxy.reset();
    assert_eq!(one(&mut cached(&db, &folder, 64), HASH), hash);
    let gets = proxy.counts().gets;
    assert!(gets > 0);
    // full of what others have left there
    for path in files(&folder) {
        fs::remove_file(path).expect("a block");
    }
    let _ = fs::write(folder.join("others"), vec![1; 1 << 20]);
    assert_eq!(one(&mut cached(&db, &folder, 64), HASH), hash);
    assert!(folder.join("others").exists());
}

/// A file system in memory, taken away when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(folder: &Path, size: &str) -> Option<Mounted> {
        let mut mount = Command::new("mount");
        mount
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=700"),
                "tmpfs",
            ])
            .arg(folder);
        let done = is_root() && mount.status().is_ok_and(|s| s.success());
        done.then(|| Mounted(folder.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
