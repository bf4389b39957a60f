use super::*;
use crate::migration::ddl::samples::*;
use proptest::prelude::*;

fn free(_: Space, _: &str) -> bool {
    false
}

#[test]
fn names_as_the_server_chooses_them() {
    let of = |constraint: &Constraint| of_constraint("t", constraint, free);
    assert_eq!(of(&primary_key(&["a", "b"])), "t_pkey");
    assert_eq!(of(&unique(&["a", "b"])), "t_a_b_key");
    assert_eq!(of(&foreign_key(&["a", "b"], "p")), "t_a_b_fkey");
    assert_eq!(of(&check(&["a"], &[])), "t_a_check");
    assert_eq!(of(&check(&[], &[])), "t_check");
    assert_eq!(of(&check(&["a", "b"], &[])), "t_check");
    assert_eq!(
        of(&constraint(ConstraintKind::NotNull, &["a"])),
        "t_a_not_null"
    );
    let include = strings(&["c"]);
    let exclude = ConstraintKind::Exclude {
        include: include.clone(),
    };
    assert_eq!(of(&constraint(exclude, &["a"])), "t_a_c_excl");
    let using_index = None;
    let key = ConstraintKind::Unique {
        using_index,
        include,
    };
    assert_eq!(of(&constraint(key, &["a"])), "t_a_c_key");
    assert_eq!(of(&unique(&["a"]).named("my")), "my");
    assert_eq!(of(&primary_key_using("i")), "i");
    let using_index = Some("i".to_owned());
    let key = ConstraintKind::Unique {
        using_index,
        include: Vec::new(),
    };
    assert_eq!(of(&constraint(key, &[])), "i");
    assert_eq!(of_domain("d", |_| false), "d_check");
}

#[test]
fn names_of_indexes() {
    let of = |index: &CreateIndex| of_index("t", index, free);
    let mut i = index("t", &["a", "b"]);
    assert_eq!(of(&i), "t_a_b_idx");
    i.include = strings(&["c"]);
    assert_eq!(of(&i), "t_a_b_c_idx");
    // lower(x), lower(y)
    i.keys[0].chosen = "lower".into();
    i.keys[1].chosen = "lower".into();
    i.include = strings(&["lower1", "lower"]);
    assert_eq!(of(&i), "t_lower_lower1_lower11_lower2_idx");
    assert_eq!(of(&index("t", &["a"]).named("my")), "my");
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let taken = |space: Space, names: &'static [&'static str]| {
        move |s: Space, name: &str| s == space && names.contains(&name)
    };
    let both: &[&str] = &["t_a_key", "t_a_key1"];
    let key = unique(&["a"]);
    assert_eq!(
        of_constraint("t", &key, taken(Space::Relations, both)),
        "t_a_key2"
    );
    assert_eq!(
        of_constraint("t", &key, taken(Space::Constraints, both)),
        "t_a_key2"
    );
    let fk = foreign_key(&["a"], "p");
    assert_eq!(
        of_constraint("t", &fk, taken(Space::Constraints, &["t_a_fkey"])),
        "t_a_fkey1"
    );
    assert_eq!(
        of_constraint("t", &fk, taken(Space::Relations, &["t_a_fkey"])),
        "t_a_fkey"
    );
    let k = check(&["a"], &[]);
    assert_eq!(
        of_constraint("t", &k, taken(Space::Constraints, &["t_a_check"])),
        "t_a_check1"
    );
    assert_eq!(
        of_constraint("t", &k, taken(Space::Relations, &["t_a_check"])),
        "t_a_check"
    );
    let i = index("t", &["a"]);
    assert_eq!(
        of_index("t", &i, taken(Space::Relations, &["t_a_idx"])),
        "t_a_idx1"
    );
    assert_eq!(
        of_index("t", &i, taken(Space::Constraints, &["t_a_idx"])),
        "t_a_idx"
    );
    assert_eq!(of_domain("d", |name| name == "d_check"), "d_check1");
}

#[test]
fn long_names_are_cut() {
    let (long, short) = ("a".repeat(60), "b".repeat(10));
    // the longer one first: 63 - 10 - "_" - "_key"
    assert_eq!(
        object_name(&long, Some(&short), "key"),
        format!("{}_{short}_key", "a".repeat(48))
    );
    let both = object_name(&long, Some(&long), "key");
    assert_eq!(both, format!("{}_{}_key", "a".repeat(29), "a".repeat(29)));
    let odd = object_name(&long, Some(&long), "keys");
    assert_eq!(odd, format!("{}_{}_keys", "a".repeat(29), "a".repeat(28)));
    assert_eq!(
        object_name(&long, None, "pkey"),
        format!("{}_pkey", "a".repeat(58))
    );
    assert_eq!(object_name("t", Some(""), "x"), "t__x");
    // whole characters
    let umlauts = "ä".repeat(40);
    assert_eq!(
        object_name(&umlauts, None, "pkey"),
        format!("{}_pkey", "ä".repeat(29))
    );
    assert_eq!(
        object_name(&umlauts, None, "keys1"),
        format!("{}_keys1", "ä".repeat(28))
    );
    // many columns: no more than are needed
    let columns: Vec<String> = (0..40).map(|n| format!("column_{n}")).collect();
    let added = addition(&columns);
    assert!((64..128).contains(&added.len()), "{added}");
    assert_eq!(addition(&strings(&["a", "b"])), "a_b");
    let edge = ["x".repeat(63), "y".to_owned(), "z".to_owned()];
    assert_eq!(addition(&edge), format!("{}_y", "x".repeat(63)));
}

proptest! {
    #[test]
    fn a_name_always_fits(a in "[a-zä]{1,70}", b in prop::option::of("[a-zé]{0,70}"), label in "[a-z]{1,8}") {
        let name = object_name(&a, b.as_deref(), &label);
        prop_assert!(name.len() <= NAME_BYTES, "{name}");
        let ending = format!("_{label}");
        prop_assert!(name.ends_with(&ending));
        // whatever fits is whole
        let whole = match &b {
            Some(b) => format!("{a}_{b}_{label}"),
            None => format!("{a}_{label}"),
        };
        if whole.len() <= NAME_BYTES {
            prop_assert_eq!(name, whole);
        }
    }

    #[test]
    fn columns_of_an_index_have_different_names(names in prop::collection::vec("[ab]{1,2}1?", 0..8)) {
        let all = distinct(names.iter());
        let set: std::collections::HashSet<&String> = all.iter().collect();
        prop_assert_eq!(set.len(), names.len());
        prop_assert!(all.iter().zip(&names).all(|(chosen, name)| chosen.starts_with(name.as_str())));
    }
}
