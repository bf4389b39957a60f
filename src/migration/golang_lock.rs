//! Keys of advisory locks: golang-migrate's, which we take as well while its table is kept in step, and our own.

use crc32fast::Hasher;

/// How golang-migrate was started: it names the database differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// from a URL, as the command line does: the path of the URL, with its slash
    FromUrl,
    /// as a library, over an open connection: `current_database()`
    AsLibrary,
}

/// The factor that golang-migrate applies (database/util.go, `advisoryLockIDSalt`).
const SALT: u32 = 1_486_364_155;

/// Key of golang-migrate's session lock for its table `schema.table` in this database, as one bigint for
/// `pg_advisory_lock`; in `pg_locks`: classid 0, objid the key, objsubid 1. Names unquoted, as the catalog has them.
/// Source: database/util.go, `GenerateAdvisoryLockId`. Its table-lock strategy is not covered.
#[must_use]
pub fn golang_key(schema: &str, table: &str, database: &str, started: Started) -> i64 {
    let mut crc = Hasher::new();
    crc.update(schema.as_bytes());
    crc.update(&[0]);
    crc.update(table.as_bytes());
    crc.update(&[0]);
    if started == Started::FromUrl {
        crc.update(b"/");
    }
    crc.update(database.as_bytes());
    i64::from(crc.finalize().wrapping_mul(SALT))
}

/// Both keys: whichever way golang-migrate was started, it waits for us and we for it. Ascending, which is the order
/// to take them in, so that two runs of ours cannot wait for each other in a ring.
#[must_use]
pub fn golang_keys(schema: &str, table: &str, database: &str) -> [i64; 2] {
    let mut keys = [
        golang_key(schema, table, database, Started::FromUrl),
        golang_key(schema, table, database, Started::AsLibrary),
    ];
    keys.sort_unstable();
    keys
}

/// First half of our own keys: the letters "STRA".
pub const OWN_CLASS: i32 = 0x5354_5241;

/// Key pair of our own lock on a namespace, or on one tenant in it, for `pg_advisory_lock(int, int)`.
///
/// The second half is crc32 over the namespace and, for a tenant, a zero byte and its name. No name in PostgreSQL
/// holds a zero byte, so different pairs never give the same bytes: "no tenant" differs from every tenant, and
/// ("a", "bc") from ("ab", "c"). A chance collision of the sums makes two namespaces wait for each other, no more.
#[must_use]
pub fn own_key(namespace: &str, tenant: Option<&str>) -> (i32, i32) {
    let mut crc = Hasher::new();
    crc.update(namespace.as_bytes());
    if let Some(tenant) = tenant {
        crc.update(&[0]);
        crc.update(tenant.as_bytes());
    }
    (OWN_CLASS, crc.finalize().cast_signed())
}

/// First half of the keys of whole namespaces: the letters "STRN".
pub const WHOLE_CLASS: i32 = 0x5354_524E;

/// First half of the keys of statements that run by themselves: the letters "STRL".
pub const LEASE_CLASS: i32 = 0x5354_524C;

/// Key pair of our own lock on a namespace with all of its tenants.
#[must_use]
pub fn whole_key(namespace: &str) -> (i32, i32) {
    let (_, number) = own_key(namespace, None);
    (WHOLE_CLASS, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_those_that_golang_migrate_takes() {
        use Started::{AsLibrary, FromUrl};
        let key = |schema, table, started| golang_key(schema, table, "elementaldb", started);
        assert_eq!(key("public", "schema_migrations", FromUrl), 2_603_454_567);
        assert_eq!(key("public", "schema_migrations", AsLibrary), 818_991_859);
        assert_eq!(key("tenant_a", "schema_migrations", FromUrl), 449_394_450);
        assert_eq!(
            key("tenant_a", "schema_migrations", AsLibrary),
            1_311_100_723
        );
        assert_eq!(key("public", "my_migrations", FromUrl), 2_064_194_699);
    }

    #[test]
    fn both_keys_come_in_ascending_order() {
        assert_eq!(
            golang_keys("public", "schema_migrations", "elementaldb"),
            [818_991_859, 2_603_454_567]
        );
        assert_eq!(
            golang_keys("tenant_a", "schema_migrations", "elementaldb"),
            [449_394_450, 1_311_100_723]
        );
    }

    #[test]
    fn own_keys_are_fixed_for_ever() {
        // two versions of the extension on one cluster must wait for each other
        assert_eq!(own_key("default", None), (1_398_035_009, -480_378_657));
        assert_eq!(whole_key("default"), (1_398_035_022, -480_378_657));
        assert_eq!(
            own_key("default", Some("acme")),
            (1_398_035_009, -92_874_462)
        );
        assert_eq!(&OWN_CLASS.to_be_bytes(), b"STRA");
    }

    #[test]
    fn no_tenant_is_not_an_empty_tenant() {
        assert_ne!(own_key("a", None), own_key("a", Some("")));
        assert_ne!(own_key("ab", None), own_key("a", Some("b")));
        assert_ne!(own_key("a", Some("bc")), own_key("ab", Some("c")));
        assert_ne!(own_key("", Some("a")), own_key("a", None));
    }

    proptest! {
        #[test]
        fn keys_are_unsigned_32_bit_numbers(schema in "\\PC{0,20}", table in "\\PC{0,20}", db in "\\PC{0,20}") {
            for key in golang_keys(&schema, &table, &db) {
                prop_assert!((0..=i64::from(u32::MAX)).contains(&key));
            }
        }

        #[test]
        fn moving_a_letter_between_the_names_changes_the_own_key(a in "[a-z]{1,8}", b in "[a-z]{1,8}") {
            // one moved byte changes no more than 16 bits in a row, which crc32 always notices
            let (head, last) = a.split_at(a.len() - 1);
            prop_assert_ne!(own_key(&a, Some(&b)), own_key(head, Some(&format!("{last}{b}"))));
        }
    }
}
