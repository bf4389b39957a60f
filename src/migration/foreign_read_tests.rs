//! Rows as the tools write them; most are of dumps in public repositories.

use super::super::foreign_hash::Verdict;
use super::super::foreign_rows::Dirty;
use super::super::version::Version;
use super::*;

#[path = "foreign_names_tests.rs"]
mod names;

fn rows(text: &str) -> Vec<Row> {
    // \N is NULL, as in COPY
    text.lines()
        .map(|line| {
            line.trim_start()
                .split('|')
                .map(|cell| (cell != "\\N").then(|| cell.to_owned()))
                .collect()
        })
        .collect()
}

fn read(tool: Tool, text: &str) -> Imported {
    applied(tool, &rows(text)).unwrap()
}

fn refused(tool: Tool, text: &str) -> Error {
    applied(tool, &rows(text)).unwrap_err()
}

/// What counts, in order.
fn counts(read: &Imported) -> Vec<&str> {
    read.applied
        .iter()
        .filter(|row| row.state != ForeignState::Failed)
        .map(|row| {
            let version = row.version.as_deref();
            version.or(row.name.as_deref()).unwrap()
        })
        .collect()
}

#[test]
fn an_empty_table_says_that_nothing_is_applied() {
    for tool in Tool::ALL {
        match applied(tool, &[]) {
            Ok(read) => {
                assert!(read.applied.is_empty() && read.up_to.is_none(), "{tool:?}");
                assert!(read.head.is_none() && read.dirty.is_none(), "{tool:?}");
                assert_eq!((read.tool, read.rows), (tool, 0));
            }
            Err(error) => assert_eq!(error.kind, Kind::NotSupported, "{tool:?}"),
        }
    }
}

#[test]
fn tools_that_are_detected_only_say_so() {
    for tool in [Tool::Atlas, Tool::Liquibase, Tool::Pgroll] {
        let error = applied(tool, &rows("1")).unwrap_err();
        assert_eq!(error.kind, Kind::NotSupported);
        assert_eq!(
            error.message,
            format!(
                "the table of \"{}\" is recognised but not read",
                tool.as_str()
            )
        );
    }
}

#[test]
fn dbmate_and_rails_list_each_version() {
    // Rails writes them in no order
    let read = read(
        Tool::Dbmate,
        "20190527032547\n20170814010902\n20190530211407",
    );
    assert_eq!(
        counts(&read),
        ["20170814010902", "20190527032547", "20190530211407"]
    );
    assert_eq!(read.head.as_deref(), Some("20190530211407"));
    assert!(read.up_to.is_none() && read.dirty.is_none());
    // one below the head that is not listed is not applied
    let version = Version::parse("20180101000000");
    assert_eq!(read.find(version.as_ref(), "x", None), None);
}

#[test]
fn leading_zeros_stay_as_they_are_written() {
    let read = read(Tool::Dbmate, "010\n002\n1");
    assert_eq!(counts(&read), ["1", "002", "010"]);
    assert_eq!(read.head.as_deref(), Some("10"));
    let version = Version::parse("2");
    let (state, row) = read.find(version.as_ref(), "x", None).unwrap();
    assert_eq!(state, ForeignState::Applied);
    assert_eq!(row.unwrap().version.as_deref(), Some("002"));
}

#[test]
fn pop_and_ecto_as_well() {
    assert_eq!(
        counts(&read(Tool::Pop, "20181112153540")),
        ["20181112153540"]
    );
    let read = read(
        Tool::Ecto,
        "20200101000002|2020-01-03T10:00:00.000000Z\n20200101000003|2020-01-02T10:00:00.000000Z",
    );
    // in the order in which they were applied
    assert_eq!(counts(&read), ["20200101000003", "20200101000002"]);
    assert_eq!(read.head.as_deref(), Some("20200101000003"));
}

#[test]
fn refinery_rows() {
    let read = read(
        Tool::Refinery,
        "1|initial_schema|2025-11-01T03:39:13.717591Z|10646732297546135982
         2|add_model_pricing|2025-11-01T03:39:13.960724Z|11960717503426879976
         3|by_hand|2021-10-11T23:13:56.840335347-06:00|\\N",
    );
    assert_eq!(counts(&read), ["1", "2", "3"]);
    let first = &read.applied[0];
    assert_eq!(first.name.as_deref(), Some("initial_schema"));
    assert_eq!(
        first.checksum,
        Some(Checksum::Refinery(10_646_732_297_546_135_982))
    );
    assert_eq!(
        first.applied_at.as_deref(),
        Some("2025-11-01T03:39:13.717591Z")
    );
    assert_eq!(read.applied[2].checksum, None);
    assert_eq!(
        refused(Tool::Refinery, "1|a|b|-5").message,
        "row 1 of the table of \"refinery\" has \"-5\" for checksum"
    );
}

#[test]
fn sqlx_rows() {
    let sum = "2db038486d8d0e152dfc789e204d1c4f8c60e5041f7f424cdcf8c432402d15a3e94d3f9759ff055284f6aec738cea194";
    let clean = read(
        Tool::Sqlx,
        &format!(
            "20260627141551|migration|2026-07-02T18:43:31.605002Z|true|{sum}
             20260628120000|branches|2026-07-02T18:43:31.622582Z|true|{sum}"
        ),
    );
    assert_eq!(counts(&clean), ["20260627141551", "20260628120000"]);
    assert_eq!(clean.dirty, None);
    assert_eq!(
        clean.applied[0].checksum,
        Some(Checksum::Sqlx(unhex(sum).unwrap()))
    );
    let dirty = read(
        Tool::Sqlx,
        &format!(
            "1|a|2026-07-02T18:43:31.605002Z|true|{sum}\n2|b|2026-07-02T18:43:32.000000Z|false|{sum}"
        ),
    );
    assert_eq!(counts(&dirty), ["1"]);
    assert_eq!(dirty.head.as_deref(), Some("1"));
    assert_eq!(
        dirty.dirty,
        Some(Dirty {
            version: Some("2".to_owned())
        })
    );
    assert_eq!(
        dirty
            .find(Version::parse("2").as_ref(), "b", None)
            .unwrap()
            .0,
        ForeignState::Failed
    );
    assert!(
        refused(Tool::Sqlx, "1|a|b|maybe|00")
            .message
            .contains("\"maybe\"")
    );
    assert!(
        refused(Tool::Sqlx, "1|a|b|true|0")
            .message
            .contains("checksum")
    );
}

#[test]
fn goose_counts_the_last_row_of_each_version() {
    // today's goose deletes on the way down: the ids between are gone
    let now = read(
        Tool::Goose,
        "0|true|2023-03-06T00:52:32.444390Z
         1|true|2023-05-28T20:50:40.714345Z
         2|true|2023-05-28T20:55:39.297667Z",
    );
    assert_eq!(counts(&now), ["1", "2"]);
    assert_eq!(now.head.as_deref(), Some("2"));
    assert_eq!(
        now.applied[0].applied_at.as_deref(),
        Some("2023-05-28T20:50:40.714345Z")
    );
    // goose of before 2018 wrote a row on the way down too
    let log = read(
        Tool::Goose,
        "0|true|a\n1|true|a\n2|true|a\n2|false|a\n3|true|a\n1|false|a\n1|true|b",
    );
    assert_eq!(counts(&log), ["3", "1"]);
    assert_eq!(log.applied[1].applied_at.as_deref(), Some("b"));
    assert_eq!(read(Tool::Goose, "0|true|a").head, None);
}

#[test]
fn diesel_versions_are_text() {
    let chirpstack = read(
        Tool::Diesel,
        "00000000000000|2022-08-16T10:38:58.645529Z
         20220426153628|2022-08-16T10:38:59.154987Z
         20220428071028|2022-08-16T10:38:59.165055Z",
    );
    assert_eq!(counts(&chirpstack)[0], "00000000000000");
    assert_eq!(chirpstack.head.as_deref(), Some("20220428071028"));
    assert!(
        chirpstack
            .find(Version::parse("0").as_ref(), "diesel_initial_setup", None)
            .is_some()
    );
    let letters = read(
        Tool::Diesel,
        "20210705T1000|2026-01-06T02:58:01.026932Z\n20210710T1000|2026-01-06T02:58:01.040882Z",
    );
    assert_eq!(counts(&letters), ["20210705T1000", "20210710T1000"]);
    assert_eq!(letters.head.as_deref(), Some("20210710T1000"));
}

#[test]
fn tern_keeps_its_head_alone() {
    let read = read(Tool::Tern, "12");
    assert_eq!(read.head.as_deref(), Some("12"));
    assert!(read.applied.is_empty());
    let find = |version: &str| read.find(Version::parse(version).as_ref(), "x", None);
    assert_eq!(find("12"), Some((ForeignState::Applied, None)));
    assert_eq!(find("7"), Some((ForeignState::Applied, None)));
    assert_eq!(find("13"), None);
    assert_eq!(super::applied(Tool::Tern, &rows("0")).unwrap().up_to, None);
    assert_eq!(
        refused(Tool::Tern, "1\n2").message,
        "the table of \"tern\" holds 2 rows, it should hold one"
    );
}

#[test]
fn a_row_without_what_it_needs_is_refused_by_its_number() {
    for (tool, text, what) in [
        (
            Tool::Dbmate,
            "1\n\\N",
            "row 2 of the table of \"dbmate\" has no version",
        ),
        (
            Tool::Goose,
            "x|true|a",
            "row 1 of the table of \"goose\" has \"x\" for version",
        ),
        (
            Tool::Goose,
            "1|\\N|a",
            "row 1 of the table of \"goose\" has no applied",
        ),
        (
            Tool::Tern,
            "-1",
            "row 1 of the table of \"tern\" has \"-1\" for version",
        ),
        (
            Tool::Prisma,
            "\\N|a|b|\\N",
            "row 1 of the table of \"prisma\" has no name",
        ),
    ] {
        let error = refused(tool, text);
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::NotInState, what)
        );
    }
    // a row that is too short is one without its last columns
    assert!(
        refused(Tool::Sqlx, "1")
            .message
            .ends_with("has no checksum")
    );
}

#[test]
fn a_checksum_that_was_read_can_be_verified() {
    let read = read(
        Tool::Refinery,
        "7|demo|2025-11-01T03:39:13Z|13822439321498403648",
    );
    let seven = Version::parse("7");
    let (_, row) = read.find(seven.as_ref(), "demo", None).unwrap();
    let sum = row.unwrap().checksum.as_ref().unwrap();
    assert_eq!(
        sum.verify(seven.as_ref(), "demo", "SELECT 1;\r\n"),
        Verdict::Ok
    );
    assert_eq!(
        sum.verify(seven.as_ref(), "demo", "SELECT 2;\n"),
        Verdict::Differs
    );
}
