use super::*;
use crate::migration::set::samples::{v, world};

#[test]
fn words_are_read_or_the_list_is_told() {
    assert_eq!(OutOfOrder::read("ignore"), Ok(OutOfOrder::Ignore));
    assert_eq!(MissingDown::read("skip"), Ok(MissingDown::Skip));
    for bad in ["", "Error", "allow ", "true"] {
        let e = OutOfOrder::read(bad).unwrap_err();
        assert_eq!(e.kind, Kind::InvalidParameter);
        assert_eq!(e.message, format!("out_of_order \"{bad}\" is not known"));
        assert_eq!(e.hint.as_deref(), Some("Use 'error', 'allow' or 'ignore'."));
    }
    let e = MissingDown::read("ignore").unwrap_err();
    assert_eq!(e.message, "missing_down \"ignore\" is not known");
    assert_eq!(e.hint.as_deref(), Some("Use 'error' or 'skip'."));
}

#[test]
fn extents_come_from_the_arguments() {
    let up = |steps, target| match Ask::up(steps, target, OutOfOrder::Error) {
        Ok(Ask::Up { extent, .. }) => Ok(extent),
        Ok(other) => panic!("{other:?}"),
        Err(e) => Err(e.kind),
    };
    let target = Target::Version(v("3"));
    assert_eq!(up(None, None), Ok(Extent::All));
    assert_eq!(up(Some(0), None), Ok(Extent::Steps(0)));
    assert_eq!(up(Some(i32::MAX), None), Ok(Extent::Steps(2_147_483_647)));
    assert_eq!(
        up(None, Some(target.clone())),
        Ok(Extent::Target(target.clone()))
    );
    for steps in [-1, i32::MIN] {
        assert_eq!(up(Some(steps), None), Err(Kind::InvalidParameter));
    }
    for steps in [0, 1, 2, -1] {
        assert_eq!(
            up(Some(steps), Some(target.clone())),
            Err(Kind::InvalidParameter)
        );
    }
    let down = |steps, target, all| match Ask::down(steps, target, all, MissingDown::Error) {
        Ok(Ask::Down { extent, .. }) => Ok(extent),
        Ok(other) => panic!("{other:?}"),
        Err(e) => Err(e.kind),
    };
    // a bare down is one step, and NULL is not all
    for steps in [None, Some(1)] {
        assert_eq!(down(steps, None, false), Ok(Extent::Steps(1)));
        assert_eq!(down(steps, None, true), Ok(Extent::All));
        assert_eq!(
            down(steps, Some(target.clone()), false),
            Ok(Extent::Target(target.clone()))
        );
        assert!(down(steps, Some(target.clone()), true).is_err());
    }
    for steps in [Some(0), Some(2)] {
        assert!(down(steps, None, true).is_err());
        assert!(down(steps, Some(target.clone()), false).is_err());
    }
    assert_eq!(down(Some(0), None, false), Ok(Extent::Steps(0)));
    assert_eq!(Ask::redo(None), Ok(Ask::Redo { steps: 1 }));
}

#[test]
fn a_call_is_said_again_whole() {
    let mut w = world("");
    let target = Target::Tag("it's".to_owned());
    let asks = [
        Ask::up(None, None, OutOfOrder::Error),
        Ask::up(Some(2), None, OutOfOrder::Error),
        Ask::up(None, Some(target.clone()), OutOfOrder::Error),
        Ask::down(None, None, false, MissingDown::Error),
        Ask::down(None, None, true, MissingDown::Error),
        Ask::down(None, Some(Target::None), false, MissingDown::Error),
        Ask::redo(Some(3)),
    ];
    let said = |context: &Context<'_>| -> Vec<String> {
        asks.iter()
            .flatten()
            .map(|a| a.again(context, &[]))
            .collect()
    };
    assert_eq!(
        said(&w.context()),
        [
            "SELECT * FROM strata.migrate_up()",
            "SELECT * FROM strata.migrate_up(steps => 2)",
            "SELECT * FROM strata.migrate_up(target => '@it''s')",
            "SELECT * FROM strata.migrate_down(steps => 1)",
            "SELECT * FROM strata.migrate_down(all_versions => true)",
            "SELECT * FROM strata.migrate_down(target => 'none')",
            "SELECT * FROM strata.migrate_redo(steps => 3)",
        ]
    );
    w.mode = Mode::Call;
    w.namespace = "a'b";
    w.tenant = Some("t");
    let said = said(&w.context());
    assert_eq!(
        said[0],
        "CALL strata.migrate_deploy(tenant => 't', namespace => 'a''b')"
    );
    assert!(said[3].starts_with("CALL strata.migrate_revert(steps => 1, tenant"));
}

#[test]
fn functions_without_tenants_get_none() {
    let mut w = world("");
    w.tenant = Some("t");
    w.namespace = "n";
    let context = w.context();
    let e = context.resolve(&Target::Tag("x".to_owned())).unwrap_err();
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::UndefinedObject, "tag \"x\" does not exist")
    );
    let hint = "SELECT strata.migrate_tag('x', '...', namespace => 'n')";
    assert_eq!(e.hint.as_deref(), Some(hint));
    assert_eq!(
        context.plain_command("f", &["1"]),
        "f(1, tenant => 't', namespace => 'n')"
    );
}

#[test]
fn constants_are_quoted() {
    assert_eq!(literal("it's"), "'it''s'");
    assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    assert_eq!(literal(""), "''");
}
