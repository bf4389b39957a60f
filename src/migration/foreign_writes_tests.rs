use super::super::foreign_rows::ForeignState;
use super::super::foreign_sql::select;
use super::*;
use proptest::prelude::*;

#[path = "foreign_sim.rs"]
mod sim;

use sim::{Sim, text_of, values};

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn file(version: &Version) -> AppliedFile<'_> {
    AppliedFile {
        kind: FileKind::Versioned,
        version: Some(version),
        written_version: None,
        title: "create_users",
        filename: "1_create_users.up.sql",
        text: Some("SELECT 1;\n"),
        applied_at_us: 1_761_968_353_717_591,
        duration_ns: 12_345_678,
    }
}

fn steps(sim: &Sim, before: &[AppliedFile], after: &[AppliedFile]) -> Result<Vec<Write>> {
    let table = sim.read();
    writes(
        Mirror {
            table: &table,
            width: Width::Int4,
        },
        before,
        after,
    )
}

const MIRRORED: [Tool; 7] = [
    Tool::GolangMigrate,
    Tool::Dbmate,
    Tool::Refinery,
    Tool::Sqlx,
    Tool::Goose,
    Tool::Flyway,
    Tool::Diesel,
];

#[test]
fn each_tool_gets_the_row_that_it_writes_itself() {
    let seven = version("7");
    let mut one = file(&seven);
    (one.title, one.written_version) = ("demo", Some("0007"));
    let sha = "24454095d8d7876c";
    for (tool, expected) in [
        (Tool::GolangMigrate, vec!["7", "false"]),
        (Tool::Dbmate, vec!["0007"]),
        (
            Tool::Refinery,
            vec![
                "7",
                "demo",
                "2025-11-01T03:39:13.717591Z",
                "6558206920725659442",
            ],
        ),
        (Tool::Goose, vec!["7"]),
        (
            Tool::Flyway,
            vec![
                "0007",
                "demo",
                "SQL",
                "1_create_users.up.sql",
                "1284410706",
                "12",
            ],
        ),
        (Tool::Diesel, vec!["0007"]),
    ] {
        let all = steps(&Sim::new(tool), &[], &[one]).unwrap();
        assert_eq!(all.len(), 1, "{tool:?}");
        let mut found = values(&all[0]);
        if tool == Tool::Flyway {
            assert_eq!(found[4], foreign_hash::flyway("SELECT 1;").to_string());
            found[4] = "1284410706";
        }
        assert_eq!(found, expected, "{tool:?}");
        assert!(all[0].sql.starts_with("INSERT INTO {} ("), "{tool:?}");
    }
    one.title = "create_the_users";
    let all = steps(&Sim::new(Tool::Sqlx), &[], &[one]).unwrap();
    let found = values(&all[0]);
    assert_eq!(
        (found[0], found[1], found[3]),
        ("7", "create the users", "12345678")
    );
    assert!(found[2].starts_with(sha));
    assert_eq!(all[0].params[2].kind, ParamType::Hex);
}

#[test]
fn refinery_in_eight_bytes_has_another_checksum() {
    let seven = version("7");
    let mut one = file(&seven);
    one.title = "demo";
    let table = Sim::new(Tool::Refinery).read();
    let wide = Mirror {
        table: &table,
        width: Width::Int8,
    };
    let all = writes(wide, &[], &[one]).unwrap();
    assert_eq!(values(&all[0])[3], "13822439321498403648");
    let late = version("2147483648");
    assert!(writes(wide, &[], &[file(&late)]).is_ok());
    let error = steps(&Sim::new(Tool::Refinery), &[], &[file(&late)]).unwrap_err();
    assert_eq!(error.kind, Kind::NotSupported);
    assert_eq!(
        error.message,
        "version \"2147483648\" cannot stand in the table of \"refinery\""
    );
    assert_eq!(
        error.detail.unwrap(),
        "It holds whole numbers up to 2147483647."
    );
}

#[test]
fn versions_that_a_table_cannot_hold_are_refused() {
    let (dotted, huge, zero) = (version("1.2"), version("9223372036854775808"), version("0"));
    for tool in MIRRORED {
        let texts = matches!(tool, Tool::Dbmate | Tool::Flyway | Tool::Diesel);
        for version in [&dotted, &huge] {
            let all = steps(&Sim::new(tool), &[], &[file(version)]);
            assert_eq!(all.is_ok(), texts, "{tool:?} {version}");
        }
        // goose has a row of that number already
        let all = steps(&Sim::new(tool), &[], &[file(&zero)]);
        assert_eq!(all.is_ok(), tool != Tool::Goose, "{tool:?}");
    }
}

#[test]
fn tools_that_are_not_mirrored_are_refused() {
    for tool in Tool::ALL {
        let table = Imported::empty(tool, 0);
        let mirror = Mirror {
            table: &table,
            width: Width::Int8,
        };
        let all = writes(mirror, &[], &[]);
        assert_eq!(all.is_ok(), MIRRORED.contains(&tool), "{tool:?}");
    }
}

#[test]
fn a_missing_text_is_a_fault_of_ours_where_it_is_needed() {
    let one = version("1");
    let bare = AppliedFile {
        text: None,
        ..file(&one)
    };
    for tool in MIRRORED {
        let needed = matches!(tool, Tool::Refinery | Tool::Sqlx | Tool::Flyway);
        let all = steps(&Sim::new(tool), &[], &[bare]);
        assert_eq!(all.is_err(), needed, "{tool:?}");
        if let Err(error) = all {
            assert_eq!(error.kind, Kind::Internal);
        }
        // not for what is there already
        assert!(steps(&Sim::new(tool), &[bare], &[bare]).is_ok());
    }
}

#[test]
fn a_row_goes_by_the_text_that_stands_in_it() {
    let one = version("1");
    for (tool, row) in [
        (Tool::Dbmate, vec![text_of("001")]),
        (Tool::Diesel, vec![text_of("001"), None]),
    ] {
        let mut sim = Sim::new(tool);
        sim.rows.push(row);
        let all = steps(&sim, &[file(&one)], &[]).unwrap();
        assert_eq!(values(&all[0]), ["001"]);
        sim.run(&all[0]);
        assert!(sim.rows.is_empty());
        // and no second row is written for a version that is there
        sim.rows.push(vec![text_of("01"), None]);
        sim.rows[0].truncate(select(tool).unwrap().columns.len());
        assert_eq!(steps(&sim, &[], &[file(&one)]).unwrap(), []);
    }
}

#[test]
fn rows_of_others_are_left_alone() {
    let (one, two) = (version("1"), version("2"));
    let mut sim = Sim::new(Tool::Dbmate);
    sim.rows = vec![vec![text_of("1")], vec![text_of("99")]];
    for write in steps(&sim, &[file(&one)], &[file(&two)]).unwrap() {
        sim.run(&write);
    }
    assert_eq!(sim.rows, [vec![text_of("99")], vec![text_of("2")]]);
    // what is gone already costs nothing
    assert_eq!(steps(&sim, &[file(&one)], &[]).unwrap(), []);
}

#[test]
fn downs_are_written_in_reverse_and_ups_in_order() {
    let numbers: Vec<Version> = (1..=4).map(|n| version(&n.to_string())).collect();
    let files: Vec<AppliedFile> = numbers.iter().map(file).collect();
    let mut sim = Sim::new(Tool::Goose);
    let order =
        |all: &[Write]| -> Vec<String> { all.iter().map(|w| values(w)[0].to_owned()).collect() };
    // 3 came late
    let late = [files[0], files[1], files[3], files[2]];
    let all = steps(&sim, &[], &late).unwrap();
    assert_eq!(order(&all), ["1", "2", "4", "3"]);
    all.iter().for_each(|write| sim.run(write));
    let all = steps(&sim, &late, &[files[0]]).unwrap();
    assert_eq!(order(&all), ["3", "4", "2"]);
}

#[test]
fn a_file_that_ran_once_more_gets_its_row_anew() {
    let one = version("1");
    let old = file(&one);
    let new = AppliedFile {
        applied_at_us: old.applied_at_us + 1,
        text: Some("SELECT 2;\n"),
        ..old
    };
    for (tool, verbs) in [
        (Tool::Dbmate, vec!["DELETE", "INSERT"]),
        (Tool::Sqlx, vec!["DELETE", "INSERT"]),
        (Tool::Flyway, vec!["INSERT", "INSERT"]),
        (Tool::GolangMigrate, vec![]),
    ] {
        let mut sim = Sim::new(tool);
        for write in steps(&sim, &[], &[old]).unwrap() {
            sim.run(&write);
        }
        let all = steps(&sim, &[old], &[new]).unwrap();
        let found: Vec<&str> = all
            .iter()
            .map(|w| w.sql.split(' ').next().unwrap())
            .collect();
        assert_eq!(found, verbs, "{tool:?}");
        all.iter().for_each(|write| sim.run(write));
        let read = sim.read();
        let (_, row) = read.find(Some(&one), "create_users", None).unwrap();
        if let Some(sum) = row.and_then(|row| row.checksum.clone()) {
            let verdict = sum.verify(Some(&one), "create_users", "SELECT 2;\n");
            assert_eq!(verdict, foreign_hash::Verdict::Ok, "{tool:?}");
        }
    }
}

#[test]
fn repeatables_are_for_flyway_and_checks_and_hooks_for_nobody() {
    let one = version("1");
    let view = AppliedFile {
        kind: FileKind::Repeatable,
        version: None,
        title: "all_views",
        ..file(&one)
    };
    let again = AppliedFile {
        applied_at_us: 9,
        text: Some("SELECT 3;\n"),
        ..view
    };
    let check = AppliedFile {
        kind: FileKind::Verify,
        ..file(&one)
    };
    for tool in MIRRORED {
        let all = steps(&Sim::new(tool), &[], &[view, check]).unwrap();
        assert_eq!(all.len(), usize::from(tool == Tool::Flyway), "{tool:?}");
    }
    let mut sim = Sim::new(Tool::Flyway);
    for (before, after) in [(vec![], vec![view]), (vec![view], vec![again])] {
        for write in steps(&sim, &before, &after).unwrap() {
            sim.run(&write);
        }
    }
    // two runs, two rows, the last one counts
    assert_eq!(sim.rows.len(), 2);
    assert_eq!(sim.read().applied.len(), 1);
    assert!(sim.read().find(None, "all_views", None).is_some());
    for write in steps(&sim, &[again], &[]).unwrap() {
        sim.run(&write);
    }
    assert!(sim.read().applied.is_empty());
}

#[test]
fn a_baseline_file_of_ours_raises_golang_migrates_number() {
    let (one, nine) = (version("1"), version("9"));
    let baseline = AppliedFile {
        kind: FileKind::Baseline,
        ..file(&nine)
    };
    let all = steps(&Sim::new(Tool::GolangMigrate), &[], &[baseline, file(&one)]).unwrap();
    assert_eq!(values(&all[0]), ["9", "false"]);
}

#[test]
fn a_baseline_and_a_version_of_one_number_are_one_row() {
    let nine = version("9");
    let baseline = AppliedFile {
        kind: FileKind::Baseline,
        applied_at_us: 1,
        ..file(&nine)
    };
    for tool in MIRRORED {
        let mut sim = Sim::new(tool);
        let both = [baseline, file(&nine)];
        let all = steps(&sim, &[], &both).unwrap();
        assert_eq!(all.len(), 1, "{tool:?}");
        sim.run(&all[0]);
        assert_eq!(steps(&sim, &both, &both).unwrap(), []);
        assert_eq!(steps(&sim, &both, &[]).unwrap().len(), 1, "{tool:?}");
    }
}

#[test]
fn every_statement_names_its_relation_and_casts_its_parameters() {
    let one = version("1");
    let view = AppliedFile {
        kind: FileKind::Repeatable,
        version: None,
        ..file(&one)
    };
    for tool in MIRRORED {
        let mut sim = Sim::new(tool);
        let mut all = steps(&sim, &[], &[file(&one), view]).unwrap();
        all.iter().for_each(|write| sim.run(write));
        all.extend(steps(&sim, &[file(&one), view], &[]).unwrap());
        for write in all {
            assert!(write.sql.contains("{}"), "{}", write.sql);
            assert!(!write.sql.contains("TRUNCATE"));
            for at in 1..=write.params.len() {
                assert!(
                    write.sql.contains(&format!("${at}::pg_catalog.")),
                    "{}",
                    write.sql
                );
            }
            let next = format!("${}", write.params.len() + 1);
            assert!(!write.sql.contains(&next), "{}", write.sql);
        }
    }
}

proptest! {
    /// Whatever is applied and reverted: afterwards the table, read as the tool reads it, says the same as we do.
    #[test]
    fn the_table_always_says_what_is_applied(
        tool in proptest::sample::select(MIRRORED.to_vec()),
        zeros in 0usize..3,
        sets in proptest::collection::vec(proptest::collection::btree_map(1u64..9, 0i64..3, 0..8), 1..6),
    ) {
        let numbers: Vec<Version> = (0..9u64).map(Version::from).collect();
        let spelled: Vec<String> = numbers.iter().map(|n| format!("{}{n}", "0".repeat(zeros))).collect();
        let mut sim = Sim::new(tool);
        let mut before: Vec<AppliedFile> = Vec::new();
        for set in &sets {
            let after: Vec<AppliedFile> = set
                .iter()
                .map(|(number, moment)| AppliedFile {
                    written_version: Some(&spelled[*number as usize]),
                    applied_at_us: *moment,
                    ..file(&numbers[*number as usize])
                })
                .collect();
            for write in steps(&sim, &before, &after).unwrap() {
                sim.run(&write);
            }
            let read = sim.read();
            prop_assert_eq!(&read.dirty, &None);
            let head = after.last().and_then(|file| file.version);
            prop_assert_eq!(read.head.as_deref(), head.map(Version::as_str));
            for number in &numbers[1..] {
                let found = read.find(Some(number), "create_users", None).map(|found| found.0);
                let expected = match tool {
                    Tool::GolangMigrate => head.is_some_and(|head| number <= head),
                    _ => after.iter().any(|file| file.version == Some(number)),
                };
                prop_assert_eq!(found == Some(ForeignState::Applied), expected, "{:?} {}", tool, number);
            }
            // and nothing is left to write
            prop_assert_eq!(steps(&sim, &after, &after).unwrap(), vec![]);
            before = after;
        }
    }
}
