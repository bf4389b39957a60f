use super::*;

const SET: [(&str, &str); 12] = [
    ("1_a.up.sql", "SELECT 1;\n\\i shared/x.sql\nSELECT 2;\n"),
    (
        "shared/x.sql",
        "SELECT 'x';\n\\ir y.sql\n\\ir ../z.sql\nSELECT 'last'",
    ),
    (
        "shared/y.sql",
        "\u{feff}-- strata: no header\nCOPY t FROM STDIN;\n1\n2",
    ),
    ("z.sql", "SELECT 'z';"),
    ("loop.sql", "SELECT 1;\n\\i shared/../loop2.sql\n"),
    ("loop2.sql", "\\ir ./loop.sql"),
    ("open.sql", "SELECT 'open"),
    (
        "atomic.sql",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1",
    ),
    ("paren.sql", "SELECT (1"),
    (
        "twice.sql",
        "\\i big.sql\n\\i big.sql\n\\i big.sql\n\\i big.sql",
    ),
    (
        "big.sql",
        "\\i big2.sql\n\\i big2.sql\n\\i big2.sql\n\\i big2.sql",
    ),
    (
        "big2.sql",
        "SELECT 'this is a text of more than one hundred bytes when it is written often enough, over and over again, to be long';",
    ),
];

fn whole(name: &str, body: &str) -> Result<(String, BTreeSet<String>)> {
    let find = |name: &str| {
        let found = SET.iter().find(|(n, _)| *n == name);
        Ok(found.map(|(_, body)| Cow::Borrowed(*body)))
    };
    let mut includer = Includer::new(find);
    let text = includer.whole(name, body)?.into_owned();
    let used = includer.used().into_iter().map(str::to_owned).collect();
    Ok((text, used))
}

#[test]
fn files_take_the_place_of_their_commands() {
    let (text, used) = whole(SET[0].0, SET[0].1).unwrap();
    let expected = "SELECT 1;\n;--\\i shared/x.sql\nSELECT 'x';\n;--\\i shared/y.sql\n-- strata: no header\nCOPY t FROM STDIN;\n1\n2\n\\.\n;--\\i.\n\
        ;--\\i z.sql\nSELECT 'z';\n;--\\i.\nSELECT 'last'\n;--\\i.\nSELECT 2;\n";
    assert_eq!(text, expected);
    let used: Vec<_> = used.iter().map(String::as_str).collect();
    assert_eq!(used, ["shared/x.sql", "shared/y.sql", "z.sql"]);
}

#[test]
fn places_are_those_of_the_files() {
    let (text, _) = whole(SET[0].0, SET[0].1).unwrap();
    let origins = Origins::of(&text);
    for (what, line, within) in [
        ("SELECT 1", 1, None),
        ("SELECT 'x'", 2, Some(("shared/x.sql", 1))),
        ("COPY t", 2, Some(("shared/y.sql", 2))),
        ("2\n\\.", 2, Some(("shared/y.sql", 4))),
        ("SELECT 'z'", 2, Some(("z.sql", 1))),
        ("SELECT 'last'", 2, Some(("shared/x.sql", 4))),
        ("SELECT 2", 3, None),
    ] {
        let at = text.find(what).unwrap();
        assert_eq!(origins.at(at), Some(Origin { line, within }), "{what}");
    }
    assert_eq!(Origins::of("SELECT 1;\nSELECT 2").at(12), None);
}

#[test]
fn what_is_no_command_stays() {
    for text in [
        "SELECT '\\i z.sql';",
        "COPY t FROM STDIN;\n\\i z.sql\n\\.\n",
        "-- \\i z.sql\n/* \\i z.sql */",
        "SELECT $$\n\\i z.sql\n$$;",
        "\\restrict abc\n\\i z.sql\n\\unrestrict abc\n",
        "SELECT 1\n\\i z.sql\n;",
        "\\if z.sql\n\\ix\n",
    ] {
        assert_eq!(whole("a.sql", text).unwrap().0, text);
    }
}

#[test]
fn errors_name_file_and_line() {
    for (name, body, kind, message) in [
        (
            "d/a.sql",
            "\n\\i no.sql",
            Kind::UndefinedObject,
            "d/a.sql: line 2: there is no file \"no.sql\" in this set",
        ),
        (
            "d/a.sql",
            "\\ir no.sql",
            Kind::UndefinedObject,
            "d/a.sql: line 1: there is no file \"d/no.sql\" in this set",
        ),
        (
            "a.sql",
            "\\i /z.sql",
            Kind::UndefinedObject,
            "a.sql: line 1: there is no file \"z.sql\" in this set",
        ),
        (
            "a.sql",
            "\\i ../z.sql",
            Kind::UndefinedObject,
            "a.sql: line 1: there is no file \"../z.sql\" in this set",
        ),
        (
            "a.sql",
            "\\i",
            Kind::Syntax,
            "a.sql: line 1: \\i takes the name of one file",
        ),
        (
            "a.sql",
            "\\i `id`",
            Kind::NotSupported,
            "a.sql: line 1: a program in backquotes in a psql command is not supported",
        ),
        (
            "loop.sql",
            SET[4].1,
            Kind::InvalidDefinition,
            "loop2.sql: line 1: file \"loop.sql\" includes itself: \"loop.sql\", \"loop2.sql\", \"loop.sql\"",
        ),
        (
            "a.sql",
            "\\i open.sql",
            Kind::Syntax,
            "file \"open.sql\" ends within a statement",
        ),
        (
            "a.sql",
            "\\i atomic.sql",
            Kind::Syntax,
            "file \"atomic.sql\" ends within a statement",
        ),
        (
            "a.sql",
            "\\i paren.sql",
            Kind::Syntax,
            "file \"paren.sql\" ends within a statement",
        ),
        (
            "a.sql",
            "\\i twice.sql\n\\i twice.sql\n\\i twice.sql",
            Kind::LimitExceeded,
            "is longer than 4096 bytes",
        ),
    ] {
        let error = whole(name, body).unwrap_err();
        assert_eq!(error.kind, kind, "{body}: {}", error.message);
        assert!(error.message.contains(message), "{}", error.message);
    }
}

/// Each file is read once, however often it is included, and none too deep.
#[test]
fn a_chain_ends_and_no_file_is_read_twice() {
    let asked = std::cell::RefCell::new(Vec::new());
    let read = |last: usize| {
        asked.borrow_mut().clear();
        let find = |name: &str| {
            let n: usize = name.parse().unwrap();
            asked.borrow_mut().push(n);
            let next = n + 1;
            Ok(Some(Cow::Owned(match n == last {
                true => "SELECT 1;".to_owned(),
                false => format!("\\i {next}\n\\i {next}\n"),
            })))
        };
        let whole = Includer::new(find)
            .whole("start", "\\i 1")
            .map(Cow::into_owned);
        (whole, asked.borrow().clone())
    };
    let (whole, asked) = read(5);
    assert_eq!(whole.unwrap().matches("SELECT").count(), 16);
    assert_eq!(asked, [1, 2, 3, 4, 5]);
    // as long as it would be, the depth is told first
    let (error, asked) = read(1_000_000);
    let error = error.unwrap_err();
    assert_eq!(error.kind, Kind::LimitExceeded);
    assert!(
        error.message.contains("more than 32 deep at \"32\""),
        "{}",
        error.message
    );
    assert_eq!(asked.len(), 31);
}
