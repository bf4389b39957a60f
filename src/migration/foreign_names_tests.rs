//! Tools that go by names, or by chains of hashes.

use super::*;

#[test]
fn prisma_rows() {
    let read = read(
        Tool::Prisma,
        "20241030000000_init|49e432e78531f871e5b3e73f586e4c8c1dfa5672d951526e8c937e1c5e4a57da|2025-10-30T01:49:36.952776Z|\\N
         20251031032427_add_client_fields|aa|\\N|2025-10-31T03:24:00.000000Z
         20251031032427_add_client_fields|f8f922e3393a4bac4d35e01b2234e83745520b2658539ca5689af4af9bde9667|2025-10-31T03:24:33.937196Z|\\N
         20251101000000_rolled_back|bb|2025-11-01T00:00:00.000000Z|2025-11-01T00:00:01.000000Z
         baseline|cc|2025-11-02T00:00:00.000000Z|\\N",
    );
    assert_eq!(
        counts(&read),
        ["20241030000000", "20251031032427", "baseline"]
    );
    assert_eq!(read.dirty, None);
    assert_eq!(read.head.as_deref(), Some("20251031032427"));
    assert_eq!(read.applied[1].name.as_deref(), Some("add_client_fields"));
    let Some(Checksum::Prisma(sum)) = &read.applied[1].checksum else {
        panic!("no checksum");
    };
    assert!(sum.starts_with("f8f922e3"));
    let unfinished = applied(Tool::Prisma, &rows("20251101000000_x|bb|\\N|\\N")).unwrap();
    assert_eq!(unfinished.head, None);
    assert_eq!(
        unfinished.dirty,
        Some(Dirty {
            version: Some("20251101000000".to_owned())
        })
    );
}

#[test]
fn graphile_rows_are_a_chain() {
    let text = "sha1:098815c5614167785ee8893db3da508584fa2991|\\N|000001.sql|2021-04-25T11:04:09.373213Z
         sha1:1ffd055dbf157316f64dc0c9dcc645f702f78a3a|sha1:098815c5614167785ee8893db3da508584fa2991|000002.sql|2021-04-25T11:06:48.606608Z";
    let whole = read(Tool::GraphileMigrate, text);
    assert_eq!(counts(&whole), ["000001", "000002"]);
    assert_eq!(whole.head.as_deref(), Some("2"));
    assert_eq!(whole.note, None);
    assert_eq!(
        whole.applied[1].checksum,
        Some(Checksum::Graphile {
            hash: "sha1:1ffd055dbf157316f64dc0c9dcc645f702f78a3a".to_owned(),
            previous: Some("sha1:098815c5614167785ee8893db3da508584fa2991".to_owned()),
        })
    );
    let broken = read(
        Tool::GraphileMigrate,
        "sha1:a|\\N|000001.sql|x\nsha1:c|sha1:b|000002.sql|x\nsha1:e|sha1:d|000003.sql|x",
    );
    assert_eq!(counts(&broken), ["000001", "000002", "000003"]);
    assert_eq!(
        broken.note.as_deref(),
        Some("The chain of hashes is broken at 000002.sql.")
    );
    let lost = read(Tool::GraphileMigrate, "sha1:b|sha1:a|000002.sql|x");
    assert_eq!(
        lost.note.as_deref(),
        Some("The chain of hashes is broken at 000002.sql.")
    );
}

#[test]
fn sqitch_goes_by_names_in_projects() {
    let one = "2a1d4c93c2f27b05502138d9f32d75c0e9b354e5|a3ca206e036b832ea2b564aa3010056004afcb8d|0001-words|words|2018-02-05T22:09:48.806478Z
         1f0c2834f271ea03fe7118506db4f4660cdd61f0|1cd367b2de5cdef3b0bcee7fa7a0f612e3ba2fcb|0002-users|words|2018-07-16T07:42:46.295081Z";
    let words = read(Tool::Sqitch, one);
    assert_eq!(counts(&words), ["0001-words", "0002-users"]);
    assert_eq!(words.head.as_deref(), Some("0002-users"));
    assert_eq!(words.note, None);
    assert_eq!(words.applied[0].group.as_deref(), Some("words"));
    assert_eq!(
        words.applied[0].checksum,
        Some(Checksum::Sqitch(
            "a3ca206e036b832ea2b564aa3010056004afcb8d".to_owned()
        ))
    );
    let two = read(
        Tool::Sqitch,
        &format!("{one}\nid|id|init|other|2018-07-16T07:42:46.295081Z"),
    );
    assert_eq!(two.head, None);
    assert_eq!(two.note.as_deref(), Some("Changes of 2 projects."));
    // the id in place of a hash: an upgraded registry
    assert_eq!(two.applied[2].checksum, None);
}

#[test]
fn alembic_keeps_heads() {
    let one = read(Tool::Alembic, "ae1027a6acf");
    assert_eq!(one.head.as_deref(), Some("ae1027a6acf"));
    assert!(one.note.unwrap().contains("heads only"));
    let two = read(Tool::Alembic, "ae1027a6acf\n27c6a30d7c24");
    assert_eq!((two.head, two.applied.len()), (None, 2));
}

#[test]
fn django_names_belong_to_apps() {
    let read = read(
        Tool::Django,
        "contenttypes|0001_initial|2022-07-20T13:16:22.962019Z
         admin|0001_initial|2022-07-20T13:16:51.327386Z
         admin|0002_logentry_remove_auto_add|2022-07-20T13:16:51.334630Z",
    );
    assert_eq!(read.applied.len(), 3);
    assert_eq!(read.head, None);
    assert_eq!(read.applied[1].group.as_deref(), Some("admin"));
    let one = Version::parse("1");
    // two apps have it
    assert_eq!(read.find(one.as_ref(), "initial", None), None);
    let (state, row) = read.find(one.as_ref(), "initial", Some("admin")).unwrap();
    assert_eq!(state, ForeignState::Applied);
    assert_eq!(row.unwrap().group.as_deref(), Some("admin"));
    assert!(
        read.find(
            Version::parse("2").as_ref(),
            "logentry remove auto add",
            None
        )
        .is_some()
    );
    assert_eq!(
        read.find(Version::parse("3").as_ref(), "initial", Some("admin")),
        None
    );
}
