//! Filters never lose a key, are wrong rarely, and are as large as their keys need.

use super::*;

fn ints(values: impl Iterator<Item = i64>, rows: u64) -> Filter {
    let wanted = wanted(&[Encoding::Int], &[], 9, &[0]);
    let mut all = Collection::new(vec![Encoding::Int], wanted, rows);
    for value in values {
        all.add(&[Cell::Int(value)]);
    }
    all.finish().pop().expect("a filter")
}

fn may_hold(filter: &Filter, hash: u64) -> bool {
    let at = block_of(hash, filter.blocks) as usize * BLOCK_BYTES;
    block_may_hold(&filter.bits[at..at + BLOCK_BYTES], hash)
}

fn int(value: i64) -> u64 {
    hash([(Encoding::Int, CellRef::Int(value))]).expect("a hash")
}

/// Filters lie in catalogs: another hash would make all of them lie.
#[test]
fn hash_is_the_published_one() {
    assert_eq!(xxh64(b"", 0), 0xef46_db37_51d8_e999);
    assert_eq!(xxh64(b"a", 0), 0xd24e_c4f1_a98c_6e5b);
    assert_eq!(xxh64(b"abc", 0), 0x44bc_2cf5_ad77_0999);
    assert_eq!(
        xxh64(b"Nobody inspects the spammish repetition", 0),
        0xfbce_a83c_8a37_8bf1
    );
    assert_eq!(xxh64(b"xxhash", 20_141_025), 0xb559_b98d_844e_0635);
}

#[test]
fn holds_every_key_and_few_others() {
    for rows in [0, 1, 7, 1000, 100_000] {
        let filter = ints((0..rows).map(|i| i * 3), rows as u64);
        assert_eq!(filter.bits.len(), filter.blocks as usize * BLOCK_BYTES);
        assert!(
            (0..rows).all(|i| may_hold(&filter, int(i * 3))),
            "{rows} rows"
        );
        let wrong = (0..50_000)
            .filter(|i| may_hold(&filter, int(i * 3 + 1)))
            .count();
        assert!(wrong < 1000, "{wrong} of 50000 wrong with {rows} rows");
    }
}

#[test]
fn few_different_keys_make_a_small_filter() {
    let filter = ints((0..200_000).map(|i| i % 50), 200_000);
    assert!(filter.bits.len() <= 1024, "{} bytes", filter.bits.len());
    assert!((0..50).all(|i| may_hold(&filter, int(i))));
    let wrong = (50..50_050).filter(|i| may_hold(&filter, int(*i))).count();
    assert!(wrong < 1000, "{wrong} of 50000");
    // ten bits a key, and no more than rounding adds
    let full = ints(0..200_000, 200_000);
    assert!(
        (250_000..270_000).contains(&full.bits.len()),
        "{}",
        full.bits.len()
    );
}

#[test]
fn a_wrong_guess_of_rows_loses_nothing() {
    let filter = ints(0..10_000, 10);
    assert!((0..10_000).all(|i| may_hold(&filter, int(i))));
}

#[test]
fn equal_values_have_one_hash() {
    let float = |value| hash([(Encoding::Float8, value)]);
    assert_eq!(float(CellRef::Real(0.0)), float(CellRef::Real(-0.0)));
    assert_eq!(
        float(CellRef::Text(b"NaN")),
        float(CellRef::Blob(&[0x7f; 8]))
    );
    assert_eq!(float(CellRef::Text(b"NaN")), float(CellRef::Real(f64::NAN)));
    assert_ne!(float(CellRef::Real(0.0)), float(CellRef::Real(1.0)));
    // neighbours do not run into each other, and the order counts
    let text = |a: &'static str, b: &'static str| {
        hash([a, b].map(|t| (Encoding::Text, CellRef::Text(t.as_bytes()))))
    };
    assert_ne!(text("ab", "c"), text("a", "bc"));
    assert_ne!(text("a", "b"), text("b", "a"));
    assert_ne!(text("", "a"), text("a", ""));
}

#[test]
fn null_is_in_no_filter() {
    assert_eq!(
        hash([
            (Encoding::Int, CellRef::Int(1)),
            (Encoding::Int, CellRef::Null)
        ]),
        None
    );
    let wanted = wanted(&[Encoding::Int], &[], 9, &[0]);
    let mut all = Collection::new(vec![Encoding::Int], wanted, 1);
    all.add(&[Cell::Null]);
    let filter = all.finish().pop().expect("a filter");
    assert!(filter.bits.iter().all(|byte| *byte == 0));
}

#[test]
fn keys_go_without_the_partition_column() {
    use Encoding as E;
    let columns = |wanted: &[Wanted]| -> Vec<Vec<usize>> {
        wanted.iter().map(|w| w.columns.clone()).collect()
    };
    let all = [E::Int, E::TimestampTz, E::Text, E::TypeText];
    assert_eq!(
        columns(&wanted(&all, &[vec![0, 1]], 1, &[])),
        [vec![0], vec![0, 1]]
    );
    // the partition column alone, a key in another order, and one that is asked for twice
    assert_eq!(columns(&wanted(&all, &[vec![1]], 1, &[])), [vec![1]]);
    assert_eq!(
        columns(&wanted(&all, &[vec![1, 2, 0]], 1, &[2, 2])),
        [vec![0, 2], vec![0, 1, 2], vec![2]]
    );
    // equality of numeric is not that of its text
    assert!(wanted(&all, &[vec![3, 1]], 1, &[3]).is_empty());
}

#[test]
fn the_whole_key_gets_a_filter_only_where_its_rest_repeats() {
    let build = |devices: i64| {
        let encodings = [Encoding::Int, Encoding::TimestampTz];
        let wanted = wanted(&encodings, &[vec![0, 1]], 1, &[]);
        let mut all = Collection::new(encodings.to_vec(), wanted, 20_000);
        for i in 0..20_000 {
            all.add(&[Cell::Int(i % devices), Cell::Int(i)]);
        }
        let filters = all.finish();
        filters
            .iter()
            .map(|f| f.columns.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(build(20_000), [vec![0]]);
    assert_eq!(build(100), [vec![0], vec![0, 1]]);
    assert_eq!(build(10_000), [vec![0], vec![0, 1]]);
}
