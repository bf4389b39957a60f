use super::*;
use proptest::prelude::*;

pub(crate) const NUMBERING: [Style; 6] = [
    Style::GolangMigrate,
    Style::Sqlx,
    Style::Goose,
    Style::Dbmate,
    Style::Tern,
    Style::SqlMigrate,
];

pub(crate) fn read(filename: &str, style: Style) -> Name {
    parse(filename, style).unwrap_or_else(|| panic!("{filename} in style {style}"))
}

/// Kind, version, title, direction, style in one line.
pub(crate) fn line(filename: &str, style: Style) -> String {
    let n = read(filename, style);
    let version = n.version.map_or("-".to_owned(), |v| v.to_string());
    format!(
        "{} {version} [{}] {} {}",
        n.kind, n.title, n.direction, n.style
    )
}

pub(crate) fn auto(filename: &str) -> String {
    line(filename, Style::Auto)
}

#[test]
fn pairs_are_golang_migrates() {
    for (filename, wanted) in [
        ("1_foobar.up.sql", "1 [foobar] up"),
        ("1_foobar.down.sql", "1 [foobar] down"),
        ("1_f-o_ob+ar.up.sql", "1 [f-o_ob+ar] up"),
        ("20170412214116_x.up.sql", "20170412214116 [x] up"),
        ("000123_title.down.sql", "123 [title] down"),
        ("1485385885_foobar.up.sql", "1485385885 [foobar] up"),
        (
            "18446744073709551615_x.up.sql",
            "18446744073709551615 [x] up",
        ),
        ("0_x.up.sql", "0 [x] up"),
        ("1_.up.sql", "1 [] up"),
        ("1_a.up.down.sql", "1 [a.up] down"),
        ("1_a b'\"%$ü.up.sql", "1 [a b'\"%$ü] up"),
        ("2024_01_02_x.up.sql", "2024 [01_02_x] up"),
        ("999999_client_data.up.sql", "999999 [client_data] up"),
    ] {
        let wanted = format!("versioned {wanted} golang-migrate");
        assert_eq!(auto(filename), wanted);
        assert_eq!(line(filename, Style::GolangMigrate), wanted);
    }
    assert_eq!(
        line("1_x.down.sql", Style::Sqlx),
        "versioned 1 [x] down sqlx"
    );
}

#[test]
fn the_rejected_names_are_rejected_in_every_style() {
    for style in Style::ALL {
        for bad in [
            "-1_x.up.sql",
            "x.up.sql",
            "foobar.up.sql",
            "1.up.sql",
            "1_x.up",
            "1_foobar.up",
            "1_foobar.down",
            "",
            ".sql",
            "_x.sql",
            "1.sql",
            "1_x",
            "1_x.sql.bak",
            "+1_x.sql",
            " 1_x.sql",
            "1 _x.sql",
            "1.2_x.sql",
            "V__t.sql",
            "V1_t.sql.gz",
            "V-1__t.sql",
            "v1__t.sql",
            "B__t.sql",
            "R1__t.sql",
            "R__.sql",
            "R_t.sql",
            "X1__t.sql",
            "V.Name.up.sql",
            "V1.2.up.sql",
            "up.sql",
            "name/up.sql",
            "-1_x/up.sql",
            "README.md",
            "seed.sql",
            "before_some.sql",
            "beforeClean.sql",
            "versioned.sql",
            "1_a\nb.up.sql",
            "\u{661}_x.up.sql",
        ] {
            assert_eq!(parse(bad, style), None, "{bad} in style {style}");
        }
    }
}

#[test]
fn plain_files_may_hold_sections() {
    assert_eq!(auto("0007_add.sql"), "versioned 7 [add] both auto");
    for style in [Style::Goose, Style::Dbmate, Style::Tern, Style::SqlMigrate] {
        let wanted = format!("versioned 7 [add] both {style}");
        assert_eq!(line("0007_add.sql", style), wanted);
        // as the tools see it
        let wanted = format!("versioned 7 [add.down] both {style}");
        assert_eq!(line("7_add.down.sql", style), wanted);
    }
    assert_eq!(line("7_add.sql", Style::Sqlx), "versioned 7 [add] up sqlx");
    for style in [
        Style::GolangMigrate,
        Style::Flyway,
        Style::Refinery,
        Style::Diesel,
    ] {
        assert_eq!(parse("7_add.sql", style), None, "{style}");
    }
}

#[test]
fn an_empty_title_is_as_good_as_in_the_tool() {
    assert_eq!(auto("1_.sql"), "versioned 1 [] both auto");
    for style in [Style::Sqlx, Style::Goose, Style::Dbmate, Style::SqlMigrate] {
        assert!(parse("1_.sql", style).is_some(), "{style}");
    }
    assert_eq!(parse("1_.sql", Style::Tern), None);
    assert_eq!(parse("1_.sql", Style::GolangMigrate), None);
}

#[test]
fn what_golang_migrate_takes_for_a_down_never_runs_as_an_up() {
    for filename in ["1_x.down.old.sql", "1_x.up.old.sql", "1_x.down.verify.sql"] {
        assert_eq!(parse(filename, Style::Auto), None, "{filename}");
        assert_eq!(parse(filename, Style::GolangMigrate), None, "{filename}");
    }
    assert_eq!(auto("1_down.old.sql"), "versioned 1 [down.old] both auto");
}

#[test]
fn numbers_keep_to_what_the_tool_can_hold() {
    let fits = |style, digits: &str| {
        let suffix = if style == Style::GolangMigrate {
            ".up.sql"
        } else {
            ".sql"
        };
        parse(&format!("{digits}_x{suffix}"), style).is_some()
    };
    let (i32_max, i64_max, u64_max) = ("2147483647", "9223372036854775807", "18446744073709551615");
    for (style, largest, beyond) in [
        (Style::GolangMigrate, u64_max, "18446744073709551616"),
        (Style::Sqlx, i64_max, "9223372036854775808"),
        (Style::Goose, i64_max, "9223372036854775808"),
        (Style::SqlMigrate, i64_max, "9223372036854775808"),
        (Style::Tern, i32_max, "2147483648"),
    ] {
        assert!(fits(style, largest), "{style}");
        assert!(fits(style, &format!("000{largest}")), "{style}");
        assert!(!fits(style, beyond), "{style}");
    }
    assert!(fits(Style::Dbmate, "184467440737095516160"));
    assert!(fits(Style::Auto, "184467440737095516160"));
    assert_eq!(parse("18446744073709551616_x.up.sql", Style::Auto), None);
    for (style, zero) in NUMBERING.map(|s| (s, !matches!(s, Style::Goose | Style::Tern))) {
        assert_eq!(fits(style, "000"), zero, "{style}");
    }
}

#[test]
fn diesel_names_its_folders() {
    let wanted = "versioned 20180102030405 [name] up diesel";
    for filename in [
        "2018-01-02-030405_name/up.sql",
        "20180102030405_name/up.sql",
        "migrations/2018-01-02-030405_name/up.sql",
        "C:\\app\\2018-01-02-030405_name\\up.sql",
    ] {
        assert_eq!(auto(filename), wanted, "{filename}");
        assert_eq!(line(filename, Style::Diesel), wanted, "{filename}");
    }
    assert!(auto("2018-01-02-030405_a_b/down.sql").contains("[a_b] down"));
    assert_eq!(
        auto("00000000000000_diesel_initial_setup/up.sql"),
        "versioned 0 [diesel_initial_setup] up diesel"
    );
    assert_eq!(auto("1_x/verify.sql"), "verify 1 [x] up diesel");
    let long = "2018-01-02-030405-123456789012_x/up.sql";
    assert_eq!(
        read(long, Style::Diesel).version,
        Version::parse("20180102030405123456789012")
    );
    assert_eq!(
        line("20180102/up.sql", Style::Diesel),
        "versioned 20180102 [] up diesel"
    );
    assert_eq!(parse("20180102/up.sql", Style::Auto), None);
    for bad in [
        "1_x/metadata.toml",
        "x1_y/up.sql",
        "1.2_x/up.sql",
        "1_x.up.sql",
        "_x/up.sql",
    ] {
        assert_eq!(parse(bad, Style::Diesel), None, "{bad}");
    }
}

#[test]
fn folders_are_passed_over() {
    for path in [
        "migrations/",
        "/var/lib/app/",
        "C:\\app\\migrations\\",
        "./",
        "2_folder/",
        "a b/",
    ] {
        for base in [
            "1_x.up.sql",
            "7_add.sql",
            "V1__t.sql",
            "R__t.sql",
            "before_all.sql",
        ] {
            assert_eq!(auto(&format!("{path}{base}")), auto(base));
        }
    }
    assert_eq!(parse("1_x.up.sql/", Style::Auto), None);
}

#[test]
fn verify_files_belong_to_a_version() {
    assert_eq!(auto("0012_title.verify.sql"), "verify 12 [title] up auto");
    for style in NUMBERING
        .into_iter()
        .chain([Style::Flyway, Style::Refinery])
    {
        assert_eq!(
            line("12_t.verify.sql", style),
            format!("verify 12 [t] up {style}")
        );
    }
    for style in [Style::Auto, Style::Flyway, Style::Refinery] {
        assert_eq!(
            line("V12__t.verify.sql", style),
            format!("verify 12 [t] up {style}")
        );
    }
    assert_eq!(auto("V1.2.Name.verify.sql"), "verify 1.2 [Name] up auto");
}

#[test]
fn hooks_are_known_in_every_style() {
    for style in Style::ALL {
        for hook in ["before_all", "before_each", "after_each", "after_all"] {
            let wanted = format!("{hook} - [] up {style}");
            assert_eq!(line(&format!("{hook}.sql"), style), wanted);
        }
        let name = read("afterMigrate.sql", style);
        assert_eq!(name.kind, Kind::Hook(Hook::AfterAll));
    }
    assert_eq!(parse("BEFOREMIGRATE.sql", Style::Flyway), None);
    assert_eq!(parse("before_all__x.sql", Style::Auto), None);
}

#[test]
fn the_written_version_is_what_text_columns_hold() {
    let written = |f| read(f, Style::Auto).written_version;
    assert_eq!(written("0007_x.sql").as_deref(), Some("0007"));
    assert_eq!(written("V1_02__x.sql").as_deref(), Some("1.02"));
    assert_eq!(
        written("2018-01-02-030405_x/up.sql").as_deref(),
        Some("20180102030405")
    );
    assert_eq!(
        written("00000000000000_x/up.sql").as_deref(),
        Some("00000000000000")
    );
    assert_eq!(written("R__x.sql"), None);
}

#[test]
fn a_key_is_a_version_or_a_title() {
    let key = |f| {
        let name = read(f, Style::Auto);
        let key = name.key();
        (
            key.version.map(ToString::to_string),
            key.title.map(str::to_owned),
        )
    };
    assert_eq!(key("07_a.up.sql"), (Some("7".to_owned()), None));
    assert_eq!(key("R__a.sql"), (None, Some("a".to_owned())));
    assert_eq!(key("before_all.sql"), (None, Some(String::new())));
}

#[test]
fn kinds_are_found_by_name() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
    }
    assert_eq!(Kind::named("hook"), None);
}

proptest! {
    #[test]
    fn golang_migrate_names_round_trip(
        n in any::<u64>(), zeros in 0..6usize, title in "[^/\\\\\r\n]{0,20}", up in any::<bool>()
    ) {
        let direction = if up { Direction::Up } else { Direction::Down };
        let filename = format!("{:0>zeros$}{n}_{title}.{direction}.sql", "");
        for style in [Style::Auto, Style::GolangMigrate] {
            let name = read(&filename, style);
            prop_assert_eq!(name.version.as_ref().and_then(Version::as_u64), Some(n));
            prop_assert_eq!(&name.title, &title);
            prop_assert_eq!(name.direction, direction);
            prop_assert_eq!(name.kind, Kind::Versioned);
            prop_assert_eq!(name.style, Style::GolangMigrate);
        }
    }

    #[test]
    fn auto_reads_a_name_as_the_style_does_that_it_reports(
        name in "(V|U|B|R|)[0-9]{0,3}[._]?[0-9]{0,2}[._]{0,2}(a|up|down|Name)?\
            (\\.up|\\.down|\\.verify|\\.x)?(/up|/down)?\\.(sql|SQL)"
    ) {
        if let Some(read) = parse(&name, Style::Auto) {
            prop_assert_eq!(parse(&name, read.style), Some(read));
        }
    }

    #[test]
    fn any_text_is_read_without_harm(text in ".{0,30}", ending in "(\\.up|\\.down)?\\.sql") {
        for style in Style::ALL {
            for name in [text.clone(), format!("{text}{ending}"), format!("1_{text}{ending}")] {
                if let Some(read) = parse(&name, style) {
                    prop_assert!(style == Style::Auto || read.style == style);
                    prop_assert_eq!(read.version.is_some(), read.written_version.is_some());
                }
            }
        }
    }
}
