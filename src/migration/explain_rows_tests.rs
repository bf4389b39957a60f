use super::*;

fn relation(name: &str, kind: char, file: u32, table: Option<u32>) -> Relation {
    Relation {
        schema: name.split('.').next().unwrap_or_default().to_owned(),
        name: name.to_owned(),
        kind,
        temporary: false,
        file,
        rows: Some(7),
        bytes: Some(8192),
        table,
    }
}

fn change(locks: &[(u32, u8)]) -> Change {
    let mut before = Relations::new();
    before.insert(1, relation("public.t", 'r', 100, None));
    before.insert(2, relation("public.t_pkey", 'i', 200, Some(1)));
    before.insert(3, relation("pg_toast.pg_toast_1", 't', 300, None));
    before.insert(4, relation("pg_toast.pg_toast_1_index", 'i', 400, Some(3)));
    Change {
        held: locks.iter().copied().collect(),
        now: before.clone(),
        before,
        ..Change::default()
    }
}

fn told(change: &Change) -> Vec<String> {
    let found = found(change, &BTreeSet::new(), true);
    let line = |f: &Found| {
        format!(
            "{} {} {:?} {}",
            f.object,
            f.mode,
            f.rewrites,
            f.note.as_deref().unwrap_or("")
        )
    };
    found.iter().map(line).collect()
}

#[test]
fn names_of_modes() {
    assert_eq!(mode("AccessShareLock"), 1);
    assert_eq!(mode("AccessExclusiveLock"), 8);
    assert_eq!(mode("SIReadLock"), 0);
    assert_eq!(mode_name(6), Some("ShareRowExclusiveLock"));
    assert_eq!((mode_name(0), mode_name(9)), (None, None));
}

#[test]
fn indexes_and_toast_belong_to_their_table() {
    let mut all = change(&[(1, 8), (2, 8), (3, 8), (4, 8)]);
    assert_eq!(told(&all), ["public.t 8 [] "]);
    for oid in [1, 2, 3, 4] {
        all.now.get_mut(&oid).unwrap().file += 1;
    }
    assert_eq!(
        told(&all),
        ["public.t 8 [\"public.t\", \"public.t_pkey\"] "]
    );
    // REINDEX TABLE
    all.now.get_mut(&1).unwrap().file -= 1;
    all.now.get_mut(&3).unwrap().file -= 1;
    all.held.insert(1, 5);
    let told = told(&all);
    assert_eq!(
        told,
        [
            "public.t_pkey 8 [] ",
            "public.t 5 [\"pg_toast.pg_toast_1_index\", \"public.t_pkey\"] "
        ]
    );
}

#[test]
fn what_was_held_before_is_not_told_again() {
    let mut same = change(&[(1, 8), (2, 1)]);
    same.held_before = same.held.clone();
    assert_eq!(told(&same), Vec::<String>::new());
    // but what it is used for
    same.now.get_mut(&1).unwrap().file += 1;
    assert_eq!(
        told(&same),
        ["public.t 0 [\"public.t\"] an earlier statement took AccessExclusiveLock"]
    );
    same.held_before.insert(1, 3);
    assert!(told(&same)[0].starts_with("public.t 8 "));
}

#[test]
fn what_a_statement_names_is_told_although_its_lock_was_held() {
    let mut same = change(&[(1, 8)]);
    same.held_before = same.held.clone();
    let own = BTreeSet::from([2]);
    let found = named(&same, &own, Some(1)).unwrap();
    assert_eq!((found.object.as_str(), found.mode), ("public.t", 0));
    assert_eq!(
        found.note.as_deref(),
        Some("an earlier statement took AccessExclusiveLock")
    );
    assert_eq!(named(&same, &own, None), None);
    // made by the same call, or not locked
    assert_eq!(named(&same, &own, Some(2)), None);
    assert_eq!(named(&same, &own, Some(3)), None);
}

#[test]
fn relations_that_nobody_else_knows_are_left_out() {
    let all = change(&[(1, 8), (2, 8)]);
    let own = BTreeSet::from([1]);
    assert_eq!(found(&all, &own, true), Vec::new());
    let mut new = Change {
        now: all.now.clone(),
        held: all.held.clone(),
        ..Change::default()
    };
    assert_eq!(told(&new), Vec::<String>::new());
    assert_eq!(made(&new).count(), 4);
    new.before = new.now.clone();
    new.before.values_mut().for_each(|r| r.temporary = true);
    assert_eq!(told(&new), Vec::<String>::new());
}

#[test]
fn indexes_that_come_and_go_are_noted() {
    let mut built = change(&[(1, 5), (9, 8)]);
    built
        .now
        .insert(9, relation("public.t_a", 'i', 900, Some(1)));
    assert_eq!(told(&built), ["public.t 5 [] builds index public.t_a"]);
    let mut gone = change(&[(1, 8), (2, 8)]);
    gone.now.remove(&2);
    assert_eq!(told(&gone), ["public.t 8 [] drops index public.t_pkey"]);
    gone.now.remove(&1);
    assert_eq!(told(&gone), ["public.t 8 [] dropped"]);
}

#[test]
fn an_index_that_is_made_again_counts_as_written_anew() {
    let mut again = change(&[(1, 8), (2, 8), (9, 8)]);
    let mut index = again.now.remove(&2).unwrap();
    again.now.insert(9, index.clone());
    // with its old file: nothing was to be done
    assert_eq!(told(&again), ["public.t 8 [] "]);
    index.file += 1;
    again.now.insert(9, index);
    assert_eq!(told(&again), ["public.t 8 [\"public.t_pkey\"] "]);
    assert_eq!(made(&again).count(), 0);
}

#[test]
fn an_emptied_table_is_not_written_anew() {
    let mut all = change(&[(1, 8)]);
    all.now.get_mut(&1).unwrap().file += 1;
    let found = found(&all, &BTreeSet::new(), false);
    assert_eq!(found[0].rewrites, Vec::<String>::new());
    assert!(found[0].note.as_deref().unwrap().contains("emptied"));
}

#[test]
fn sequences_count_where_others_wait_for_them() {
    let mut all = change(&[(1, 3), (5, 3)]);
    let sequence = relation("public.t_id_seq", 'S', 500, None);
    all.before.insert(5, sequence.clone());
    all.now.insert(5, sequence);
    assert_eq!(told(&all), ["public.t 3 [] "]);
    all.held.insert(5, 8);
    assert_eq!(told(&all), ["public.t_id_seq 8 [] ", "public.t 3 [] "]);
}

#[test]
fn an_index_alone_is_told_without_its_table() {
    let mut index = change(&[(2, 4)]);
    index.before.remove(&1);
    index.now.remove(&1);
    assert_eq!(told(&index), ["public.t_pkey 4 [] "]);
}
