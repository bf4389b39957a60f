use super::*;
use crate::migration::sections::Region;
use crate::migration::style::Style;
use crate::migration::version::Version;
use proptest::prelude::*;

fn read(text: &str) -> Headers {
    Headers::read(text).expect(text)
}

fn error(text: &str) -> String {
    let e = Headers::read(text).expect_err(text);
    assert_eq!(e.kind, Kind::InvalidParameter);
    e.message
}

/// Every line that begins with dashes is a comment here.
fn of_sections(text: &str) -> (Headers, Option<Headers>) {
    let sections = Sections::find(text, Style::Auto, |_| Region::LineComment).expect(text);
    Headers::of_sections(text, &sections).expect(text)
}

fn version(text: &str) -> Requirement {
    Requirement::Version(Version::parse(text).expect(text))
}

#[test]
fn every_header_is_read() {
    let text = "-- strata: no-transaction\n\
                -- strata: lock_timeout=5s on_error=continue\n\
                -- strata: search_path=app\n\
                -- strata: requires=12,R__views\n\
                -- strata: existing_roles=skip\n\
                SELECT 1;\n";
    let wanted = Headers {
        no_transaction: Some(NoTransaction::Strata),
        lock_timeout_ms: Some(5_000),
        on_error: Some(OnError::Continue),
        search_path: Some(vec!["app".to_owned()]),
        requires: vec![version("12"), Requirement::Repeatable("views".to_owned())],
        existing_roles: Some(ExistingRoles::Skip),
        lateness: Lateness::AsAsked,
    };
    assert_eq!(read(text), wanted);
    assert_eq!(wanted.requires(), ["12", "R__views"]);
    let one_line = "-- strata: no-transaction lock_timeout=5s on_error=continue search_path=app \
                    requires=12,R__views existing_roles=skip";
    assert_eq!(read(one_line), wanted);
    assert_eq!(read(&text.replace('\n', "\r\n")), wanted);
    assert_eq!(read(&format!("\u{feff}{text}")), wanted);
    let others = "-- strata: on_error=stop existing_roles=error";
    assert_eq!(read(others).on_error, Some(OnError::Stop));
    assert_eq!(read(others).existing_roles, Some(ExistingRoles::Error));
}

#[test]
fn only_leading_comments_count() {
    let wanted = Headers {
        lock_timeout_ms: Some(5_000),
        ..Headers::default()
    };
    for text in [
        "\n\n  -- a comment\n--strata: lock_timeout=5s\n",
        "/* licence /* nested\n */ -- strata: lock_timeout=1s\n*/ -- STRATA: lock_timeout=5s",
        "-- strata: lock_timeout=5s\nSELECT 1;\n-- strata: lock_timeout=9s nonsense",
        "-- strata:\n-- strata: lock_timeout=5s",
    ] {
        assert_eq!(read(text), wanted, "{text}");
    }
    for text in [
        "",
        "--",
        "SELECT 1; -- strata: lock_timeout=5s",
        "BEGIN;\n-- strata: lock_timeout=5s",
        "BEGIN /* a */ -- strata: lock_timeout=5s",
        "/* -- strata: lock_timeout=5s */",
        "/* -- strata: lock_timeout=5s\n no end",
        "-- about strata: lock_timeout=5s",
        "-- strata lock_timeout=5s",
        "\\set x\n-- strata: lock_timeout=5s",
        "/ -- strata: lock_timeout=5s",
        "*/ -- strata: lock_timeout=5s",
    ] {
        assert_eq!(read(text), Headers::default(), "{text}");
    }
}

#[test]
fn values_may_be_quoted_and_lists_may_have_blanks() {
    assert_eq!(
        read("-- strata: lock_timeout='1 min' on_error=\"stop\"").lock_timeout_ms,
        Some(60_000)
    );
    let path = |t| {
        read(&format!("-- strata: search_path={t}"))
            .search_path
            .expect(t)
    };
    assert_eq!(path("App, public"), ["app", "public"]);
    assert_eq!(path("\"My Schema\",public"), ["My Schema", "public"]);
    assert_eq!(path("'\"My Schema\", public'"), ["My Schema", "public"]);
    assert_eq!(path("\"$user\""), ["$user"]);
    assert!(path("''").is_empty());
    let requires = |t| read(&format!("-- strata: requires={t}")).requires;
    assert_eq!(requires("012, 1.2"), [version("1.2"), version("12")]);
    assert_eq!(
        requires("'R__my views'"),
        [Requirement::Repeatable("my views".to_owned())]
    );
    let twice = "-- strata: requires=12\n-- strata: requires=7,12";
    assert_eq!(read(twice).requires, [version("7"), version("12")]);
}

#[test]
fn errors_name_key_and_line() {
    assert_eq!(
        error("-- strata: lock=5s"),
        "header \"lock\" in line 1 is not known"
    );
    assert_eq!(
        error("-- a\r\n\r\n-- strata: lock_timeout=soon"),
        "header \"lock_timeout\" in line 3 has the value \"soon\", which is no time"
    );
    for (item, why) in [
        (
            "on_error=ignore",
            "has the value \"ignore\", which is no choice",
        ),
        ("on_error", "has no value"),
        ("lock_timeout=", "has no value"),
        ("search_path=", "has no value"),
        (
            "existing_roles=keep",
            "has the value \"keep\", which is no choice",
        ),
        (
            "search_path='a b'",
            "has the value \"a b\", which is no path",
        ),
        (
            "requires=views",
            "has the value \"views\", which is no list of files",
        ),
        ("no-transaction=true", "takes no value"),
        ("on_error='stop", "has a quote without end"),
        (
            "on_error=stop on_error=continue",
            "has another value in a line before",
        ),
        ("No-Transaction", "is not known"),
    ] {
        let key = item.split('=').next().unwrap_or(item);
        let wanted = format!("header \"{key}\" in line 2 {why}");
        assert_eq!(error(&format!("/* x\n*/ -- strata: {item}")), wanted);
    }
    assert_eq!(
        read("-- strata: on_error=stop on_error=stop").on_error,
        Some(OnError::Stop)
    );
    let hint = Headers::read("-- strata: x")
        .expect_err("x")
        .hint
        .expect("a hint");
    for key in [
        "no-transaction",
        "lock_timeout",
        "on_error",
        "search_path",
        "requires",
        "existing_roles",
    ] {
        assert!(hint.contains(key), "{key}");
    }
}

#[test]
fn marks_of_other_tools_ask_for_no_transaction() {
    for (text, by) in [
        ("-- no-transaction\nCREATE", NoTransaction::Sqlx),
        (
            "--! Previous: -\n--! Hash: sha1:a\n\n--! no-transaction\nCREATE",
            NoTransaction::Graphile,
        ),
        ("-- +goose NO TRANSACTION\n", NoTransaction::Goose),
        ("---- tern: disable-tx ----\n", NoTransaction::Tern),
        ("-- a\n-- atlas:txmode none\n\nCREATE", NoTransaction::Atlas),
        (
            "-- atlas:txmode none\n-- strata: no-transaction",
            NoTransaction::Strata,
        ),
    ] {
        assert_eq!(read(text).no_transaction, Some(by), "{text}");
    }
    assert_eq!(read("CREATE;\n-- no-transaction").no_transaction, None);
    assert_eq!(read("-- atlas:txmode file").no_transaction, None);
}

#[test]
fn sections_inherit_the_headers_of_the_file() {
    let text = "-- strata: lock_timeout=5s search_path=app requires=1\n\
                -- migrate:up transaction:false\n\
                -- strata: lock_timeout=9s\n\
                CREATE;\n\
                -- migrate:down\n\
                -- strata: on_error=continue requires=2\n\
                DROP;\n";
    let (up, down) = of_sections(text);
    let down = down.expect("a down");
    assert_eq!(up.no_transaction, Some(NoTransaction::Dbmate));
    assert_eq!((up.lock_timeout_ms, up.on_error), (Some(9_000), None));
    assert_eq!(up.requires, [version("1")]);
    assert_eq!(down.no_transaction, None);
    assert_eq!(
        (down.lock_timeout_ms, down.on_error),
        (Some(5_000), Some(OnError::Continue))
    );
    assert_eq!(down.requires, [version("2")]);
    assert_eq!(down.search_path, up.search_path);
    assert_eq!(down.search_path_text().as_deref(), Some("\"app\""));
}

#[test]
fn what_stands_behind_the_first_mark_is_for_the_up_alone() {
    let (up, down) =
        of_sections("-- migrate:up\n-- strata: lock_timeout=5s\nA;\n-- migrate:down\nB;");
    assert_eq!(up.lock_timeout_ms, Some(5_000));
    assert_eq!(down, Some(Headers::default()));
}

#[test]
fn goose_speaks_for_both_and_sql_migrate_for_one() {
    let by = |text| {
        let (up, down) = of_sections(text);
        (up.no_transaction, down.and_then(|d| d.no_transaction))
    };
    let goose = Some(NoTransaction::Goose);
    assert_eq!(
        by("-- +goose NO TRANSACTION\n-- +goose Up\nA;\n-- +goose Down\nB;"),
        (goose, goose)
    );
    assert_eq!(
        by("-- +goose Up\nA;\n-- +goose NO TRANSACTION\n-- +goose Down\nB;"),
        (goose, goose)
    );
    let other = Some(NoTransaction::SqlMigrate);
    assert_eq!(
        by("-- +migrate Up\nA;\n-- +migrate Down notransaction\nB;"),
        (None, other)
    );
    let strata = Some(NoTransaction::Strata);
    assert_eq!(
        by("-- strata: no-transaction\n-- migrate:up\nA;\n-- migrate:down\nB;"),
        (strata, strata)
    );
}

#[test]
fn leading_lines_of_a_tern_file_are_for_both() {
    let text = "-- strata: lock_timeout=5s\n---- tern: disable-tx ----\nA;\n\
                ---- create above / drop below ----\nB;";
    let (up, down) = of_sections(text);
    let down = down.expect("a down");
    assert_eq!(
        (up.lock_timeout_ms, up.no_transaction),
        (Some(5_000), Some(NoTransaction::Tern))
    );
    assert_eq!(
        (down.lock_timeout_ms, down.no_transaction),
        (Some(5_000), None)
    );
    let both = text.replace("-- strata:", "-- strata: no-transaction");
    assert_eq!(
        of_sections(&both).1.and_then(|d| d.no_transaction),
        Some(NoTransaction::Strata)
    );
}

#[test]
fn errors_in_a_section_name_the_line_of_the_file() {
    let text = "\u{feff}-- migrate:up\r\nA;\r\n-- migrate:down\r\n-- strata: x\r\n";
    let sections = Sections::find(text, Style::Auto, |_| Region::LineComment).expect(text);
    let e = Headers::of_sections(text, &sections).expect_err(text);
    assert_eq!(e.message, "header \"x\" in line 4 is not known");
}

#[test]
fn the_effective_text_is_one_spelling() {
    let text = |t: &str| read(t).effective_text();
    let all = "-- strata: existing_roles=skip search_path='App, public'\n-- strata: on_error=continue no-transaction";
    assert_eq!(
        text(all),
        "no-transaction=\non_error=continue\nsearch_path=\"app\", \"public\"\nexisting_roles=skip\n"
    );
    assert_eq!(text("-- no-transaction"), text("--! no-transaction"));
    assert_eq!(
        text("-- strata: search_path=APP"),
        text("-- strata: search_path = \"app\"")
    );
    assert_ne!(text("-- strata: search_path=''"), "");
    for quiet in ["", "-- a comment", "-- strata: lock_timeout=5s requires=12"] {
        assert_eq!(text(quiet), "", "{quiet}");
    }
    let different = [
        "on_error=stop",
        "on_error=continue",
        "search_path=a,b",
        "search_path=b,a",
        "no-transaction",
    ];
    let texts: std::collections::BTreeSet<String> = different
        .iter()
        .map(|d| text(&format!("-- strata: {d}")))
        .collect();
    assert_eq!(texts.len(), different.len());
}

#[test]
fn headers_pass_through_json() {
    assert_eq!(
        serde_json::to_string(&Headers::default()).expect("json"),
        "{}"
    );
    let headers = read(
        "-- atlas:txmode none\n-- strata: lock_timeout=5s on_error=stop search_path=a requires=12,R__v",
    );
    let json = serde_json::to_string(&headers).expect("json");
    assert_eq!(
        json,
        "{\"no_transaction\":\"atlas\",\"lock_timeout_ms\":5000,\"on_error\":\"stop\",\"search_path\":[\"a\"],\
         \"requires\":[\"12\",\"R__v\"]}"
    );
    assert_eq!(
        serde_json::from_str::<Headers>(&json).expect("headers"),
        headers
    );
    let late = Headers {
        lateness: Lateness::Allowed,
        ..Headers::default()
    };
    let json = serde_json::to_string(&late).expect("json");
    assert_eq!(json, "{\"lateness\":\"allowed\"}");
    let back = serde_json::from_str::<Headers>(&json).expect("headers");
    assert_eq!(back.lateness(), Lateness::Allowed);
    assert_eq!(Headers::default().over(&late), late);
    // of a later version
    let more = "{\"color\": 1, \"lock_timeout_ms\": 7}";
    assert_eq!(
        serde_json::from_str::<Headers>(more)
            .expect("headers")
            .lock_timeout_ms,
        Some(7)
    );
    assert!(serde_json::from_str::<Headers>("{\"requires\": [\"x\"]}").is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(text in "(-- strata: |--|/\\*|\\*/|[a-z='\", \n\r\u{e9}]){0,20}") {
        if let Ok(headers) = Headers::read(&text) {
            let json = serde_json::to_string(&headers).expect("json");
            prop_assert_eq!(serde_json::from_str::<Headers>(&json).expect("headers"), headers);
        }
    }

    #[test]
    fn nested_comments_end_where_they_do(depth in 1..6usize, tail in "[a*/ ]{0,5}") {
        let text = format!("{}x{}", "/*".repeat(depth), "*/".repeat(depth));
        prop_assert_eq!(block_comment(&format!("{text} {tail}")), Some(text.len()));
        prop_assert_eq!(block_comment(&text[..text.len() - 1]), None);
    }
}
