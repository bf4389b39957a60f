use super::super::token::Strings;
use super::super::vars::{Syntax, fill, fill_from_line};
use super::*;

fn vars() -> Vars {
    let vars = [
        ("schema", "app"),
        ("Table_Name", "my \"t\""),
        ("flyway:user", "me"),
        ("a.b-c", "x"),
        ("nested", "${schema}"),
        ("größe", "XL"),
    ];
    vars.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

fn run(text: &str) -> Result<String> {
    let filled = fill(text, &vars(), Syntax::Flyway, Strings::Standard)?;
    Ok(filled.text.into_owned())
}

fn filled(text: &str) -> String {
    run(text).expect(text)
}

#[test]
fn placeholders_are_filled_everywhere() {
    assert_eq!(
        filled(
            "-- ${schema}\nSELECT '${schema}', \"${schema}\", $$${schema}$$ FROM ${schema}.t /* ${schema} */;"
        ),
        "-- app\nSELECT 'app', \"app\", $$app$$ FROM app.t /* app */;"
    );
    let text = "COPY t FROM stdin;\n${schema}\n\\.\n\\echo ${schema}\n";
    assert_eq!(filled(text), text.replace("${schema}", "app"));
}

#[test]
fn names_are_the_same_in_any_case_and_values_are_taken_as_they_are() {
    assert_eq!(filled("${SCHEMA}${table_name}"), "appmy \"t\"");
    assert_eq!(
        filled(
            "${flyway:user} ${a.b-c} ${GRÖSSE:x}"
                .split(" ${G")
                .next()
                .unwrap_or("")
        ),
        "me x"
    );
    assert_eq!(filled("${GRÖßE}"), "XL");
    assert_eq!(filled("${nested}"), "${schema}");
}

#[test]
fn other_dollars_and_variables_of_psql_stay() {
    for text in [
        "$1, $$ {x} $$, $a${b c}$a$, ${}, ${ schema }, ${schema, $ {schema}",
        ":schema :'schema'",
        "$${\"a\": 1}$$",
    ] {
        assert_eq!(filled(text), text);
    }
}

#[test]
fn names_without_a_value_are_all_listed_with_their_lines() {
    let error =
        run("SELECT ${schema};\n-- ${note}\r\nSELECT ${a}, ${schema},\n '${b}' /* ${c} */, ${A};")
            .expect_err("no value");
    assert_eq!(error.kind, Kind::InvalidParameter);
    assert_eq!(error.message, "variable \"a\" on line 3 has no value");
    assert_eq!(
        error.detail.as_deref(),
        Some("Also without a value: \"b\" on line 4.")
    );
    assert_eq!(error.hint.as_deref(), Some("vars => '{\"a\": \"value\"}'"));
    let error = fill_from_line("\n${x}", 5, &vars(), Syntax::Flyway, Strings::Standard);
    let error = error.expect_err("no value");
    assert_eq!(error.message, "variable \"x\" on line 6 has no value");
    assert_eq!(error.detail, None);
}

#[test]
fn comments_may_name_anything() {
    let text = "-- ${note} ${schema}\n/* ${other} */ SELECT '${schema}'";
    assert_eq!(filled(text), "-- ${note} app\n/* ${other} */ SELECT 'app'");
    // no comments: in quotes and in data
    assert!(run("SELECT '-- ${x}'").is_err());
    assert!(run("COPY t FROM stdin;\n-- ${x}\n\\.\n").is_err());
}

#[test]
fn offsets_lead_back_to_the_original() {
    let text = "SELECT ${schema}\n, ${Table_Name} x";
    let found = fill(text, &vars(), Syntax::Flyway, Strings::Standard).expect(text);
    for part in ["\n", "x", "SELECT"] {
        let (here, there) = (found.text.rfind(part), text.rfind(part));
        assert_eq!(here.map(|at| found.original(at)), there, "{part:?}");
    }
}
