use super::*;
use crate::migration::lexer::{Strings, TokenKind, Tokens};
use proptest::prelude::*;

#[test]
fn names_are_quoted_where_they_need_it() {
    for plain in [
        "a", "_", "a1", "readings", "name", "x_y_2", "select_", "value", "owner",
    ] {
        assert_eq!(ident(plain), plain);
    }
    for (name, quoted) in [
        ("", "\"\""),
        ("1a", "\"1a\""),
        ("A", "\"A\""),
        ("aB", "\"aB\""),
        ("a b", "\"a b\""),
        ("a$", "\"a$\""),
        ("ä", "\"ä\""),
        ("a\"b", "\"a\"\"b\""),
        ("all", "\"all\""),
        ("order", "\"order\""),
        ("user", "\"user\""),
        ("xmltable", "\"xmltable\""),
        ("timestamp", "\"timestamp\""),
    ] {
        assert_eq!(ident(name), quoted);
    }
    assert_eq!(idents(&["a".into(), "Order".into()]), "a, \"Order\"");
    assert_eq!(idents(&[]), "");
}

#[test]
fn the_key_words_are_whole() {
    let words: Vec<&str> = KEY_WORDS.split(' ').collect();
    assert_eq!(words.len(), 164);
    assert!(words.is_sorted());
    assert!(
        words
            .iter()
            .all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    );
}

proptest! {
    #[test]
    fn a_name_is_one_token_that_means_it(name in "[a-zA-Z0-9_$\"' ;.ä-]{1,12}") {
        let sql = ident(&name);
        let tokens: Vec<_> = Tokens::new(&sql, Strings::Standard).collect();
        prop_assert_eq!(tokens.len(), 1, "{}", sql);
        let back = match tokens[0].kind {
            TokenKind::Word => sql.clone(),
            TokenKind::QuotedName => sql[1..sql.len() - 1].replace("\"\"", "\""),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(back, name);
    }
}

#[test]
fn lists_of_names_are_taken_apart() {
    for (list, names) in [
        ("", &[][..]),
        (" , ", &[]),
        ("\"\"", &[""]),
        ("app, Public", &["app", "public"]),
        ("\"$user\", public", &["$user", "public"]),
        ("\"A, \"\"b\"\"\",c", &["A, \"b\"", "c"]),
        ("\"open", &[""]),
    ] {
        assert_eq!(names_in(list), names, "{list}");
    }
}
