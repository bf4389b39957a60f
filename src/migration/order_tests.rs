use super::*;
use crate::migration::set::samples::{files, text, v, world};
use proptest::prelude::*;

#[test]
fn requirements_are_versions_or_repeatables() {
    let version = |t: &str| Requirement::Version(v(t));
    let repeatable = |t: &str| Requirement::Repeatable(t.to_owned());
    for (text, expected) in [
        ("12", version("12")),
        (" 0012 ", version("12")),
        ("1.2.0", version("1.2")),
        ("R__views", repeatable("views")),
        ("views", repeatable("views")),
        ("R__12", repeatable("12")),
        ("12x", repeatable("12x")),
    ] {
        assert_eq!(Requirement::parse(text), expected, "{text}");
    }
}

/// Everything pending, none of it applied.
fn order(spec: &str) -> Result<String> {
    let all = files(spec);
    let set = Set::new(&all, &[]);
    let choice = Choice {
        versions: set.versions.values().copied().collect(),
        repeatables: set.repeatables.values().copied().collect(),
        on_demand: Vec::new(),
        done: BTreeSet::new(),
    };
    let placed = sequence(&set, &choice)?;
    let labels: Vec<String> = placed.iter().map(|f| f.key.label()).collect();
    Ok(labels.join(" "))
}

#[test]
fn names_order_repeatables_unless_they_require_each_other() {
    for (spec, expected) in [
        ("2 R__c R__b 1 R__a", "1 2 R__a R__b R__c"),
        ("R__a>R__c R__b R__c", "R__c R__a R__b"),
        ("R__a>R__b,R__c R__b R__c>R__d R__d", "R__b R__d R__c R__a"),
        ("R__a>c,b R__b R__c", "R__b R__c R__a"),
        // two ways to one
        (
            "R__a>R__b,R__c R__b>R__d R__c>R__d R__d",
            "R__d R__b R__c R__a",
        ),
        (
            "1 2>R__z 3>R__y,R__z R__x R__y R__z",
            "1 R__z 2 R__y 3 R__x",
        ),
        ("1 2>1,1 R__a>2,2,R__b R__b>1", "1 2 R__b R__a"),
        ("", ""),
    ] {
        assert_eq!(order(spec).unwrap(), expected, "{spec}");
    }
}

#[test]
fn circles_are_named() {
    for (spec, path) in [
        ("R__a>R__a", "R__a -> R__a."),
        (
            "R__a>R__b R__b>R__c R__c>R__a",
            "R__a -> R__b -> R__c -> R__a.",
        ),
        ("1 R__x>R__a R__a>R__b R__b>R__a", "R__a -> R__b -> R__a."),
        ("1>2 2>1", "1 -> 2 -> 1."),
        ("1>R__a R__a>1", "1 -> R__a -> 1."),
    ] {
        let e = order(spec).unwrap_err();
        assert_eq!(e.kind, Kind::InvalidParameter, "{spec}");
        assert_eq!(e.message, "files require each other in a circle");
        assert_eq!(e.detail.as_deref(), Some(path), "{spec}");
    }
}

#[test]
fn what_is_not_known_is_listed() {
    let e = order("1>7,8 R__a>R__b,nothing R__b").unwrap_err();
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::UndefinedObject, "3 requirements are not known")
    );
    assert_eq!(
        e.detail.as_deref(),
        Some(
            "\"1\" (n1) requires \"7\".\n\"1\" (n1) requires \"8\".\n\"R__a\" requires \"R__nothing\"."
        )
    );
    let e = order("1>2 2>3 3").unwrap_err();
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::NotInState, "2 requirements are not met")
    );
}

#[test]
fn a_circle_of_what_ran_already_is_none() {
    let mut w = world("1 R__a>R__b R__b");
    w.says("up", "+1 +R__b +R__a");
    w.file("R__b").requires = vec!["R__a".to_owned()];
    w.says("up", "");
    w.edit("R__b");
    w.says("up", "+R__b");
    w.file("1").requires = vec!["2".to_owned()];
    w.add("2>1");
    w.says("up", "+2");
    w.file("R__b").up = Some(text("once more", ""));
    w.edit("R__a");
    assert_eq!(w.refuses("up").kind, Kind::InvalidParameter);
}

#[test]
fn long_chains_do_not_fill_the_stack() {
    let n = 20_000;
    let links = (0..n).map(|i| format!("R__{i:05}>R__{:05}", i + 1));
    let spec: Vec<String> = links.chain([format!("R__{n:05}")]).collect();
    let placed = order(&spec.join(" ")).unwrap();
    assert!(placed.starts_with("R__20000 R__19999 "));
}

/// Six versions and six repeatables, each with a few requirements.
fn sets() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(0..12_usize, 0..3), 12)
}

fn label(n: usize) -> String {
    if n < 6 {
        format!("{}", n + 1)
    } else {
        format!("R__{}", n - 6)
    }
}

/// Whether a file can be reached from itself.
fn has_circle(edges: &[Vec<usize>]) -> bool {
    let mut reach: Vec<BTreeSet<usize>> =
        edges.iter().map(|e| e.iter().copied().collect()).collect();
    for _ in 0..edges.len() {
        for n in 0..reach.len() {
            let further: Vec<usize> = reach[n].iter().flat_map(|m| reach[*m].clone()).collect();
            reach[n].extend(further);
        }
    }
    reach.iter().enumerate().any(|(n, r)| r.contains(&n))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_requirement_comes_first_or_the_run_is_refused(edges in sets()) {
        let words = edges.iter().enumerate().map(|(n, requires)| {
            let requires: Vec<String> = requires.iter().map(|m| label(*m)).collect();
            format!("{}>{}", label(n), requires.join(","))
        });
        let spec: Vec<String> = words.collect();
        // with the order of versions as requirements of its own, a circle is what makes it impossible
        let mut with_order = edges.clone();
        for (n, requires) in with_order.iter_mut().enumerate().take(6).skip(1) {
            requires.push(n - 1);
        }
        match order(&spec.join(" ")) {
            Ok(placed) => {
                prop_assert!(!has_circle(&with_order));
                let at = |n: usize| placed.split(' ').position(|l| l == label(n));
                for (n, requires) in with_order.iter().enumerate() {
                    prop_assert!(at(n).is_some());
                    for m in requires {
                        prop_assert!(at(*m) < at(n), "{} before {} in {placed}", label(*m), label(n));
                    }
                }
                prop_assert_eq!(placed.split(' ').count(), 12);
            }
            Err(e) if e.kind == Kind::InvalidParameter => prop_assert!(has_circle(&edges)),
            Err(e) => {
                prop_assert_eq!(e.kind, Kind::NotInState);
                prop_assert!(has_circle(&with_order) && !has_circle(&edges));
            }
        }
    }
}
