use super::*;
use crate::migration::ddl::samples::{index, name};
use crate::migration::lint::samples::*;

fn model(catalog: &Catalog) -> Model<'_> {
    let mut model = Model::new(catalog);
    model.begin_file("1.sql");
    model
}

#[test]
fn names_are_made_in_the_first_schema_that_is_there() {
    let mut catalog = Catalog::with("t", 0);
    let path = ["none", "new", "public"].map(str::to_owned);
    let mut m = model(&catalog);
    m.set_path(Some(&path));
    assert_eq!(m.made_as(&name("x"), false), name("public.x"));
    m.make_schema("new");
    assert_eq!(m.made_as(&name("x"), false), name("new.x"));
    assert_eq!(m.made_as(&name("s.x"), false), name("s.x"));
    assert_eq!(m.made_as(&name("x"), true), name("pg_temp.x"));
    m.set_path(Some(&[]));
    assert_eq!(m.made_as(&name("x"), false), name(".x"));
    m.set_path(None);
    assert_eq!(m.made_as(&name("x"), false), name("public.x"));
    catalog.paths.insert("2.sql".into(), vec!["s".into()]);
    catalog.schemas.insert("s".into(), size(0));
    let mut m = model(&catalog);
    m.begin_file("2.sql");
    assert_eq!(m.made_as(&name("x"), false), name("s.x"));
}

#[test]
fn temporary_tables_hide_others_until_the_file_ends() {
    let catalog = Catalog::with("t", 1);
    let mut m = model(&catalog);
    assert_eq!(m.find(&name("t")), Some(name("public.t")));
    m.make(&name("t"), true);
    assert_eq!(m.find(&name("t")), Some(name("pg_temp.t")));
    assert_eq!(m.find(&name("public.t")), Some(name("public.t")));
    assert!(m.stored(&name("t")).is_none());
    assert_eq!(m.known().len(), 1);
    m.begin_file("2.sql");
    assert_eq!(m.find(&name("t")), Some(name("public.t")));
}

#[test]
fn what_is_there_has_two_names() {
    let catalog = Catalog::with("t", 1);
    let mut m = model(&catalog);
    m.move_relation(&name("t"), |key| key.sibling("u"));
    let found = m.stored(&name("u")).unwrap();
    assert_eq!(
        (found.key, found.name),
        (name("public.u"), name("public.t"))
    );
    assert!(m.stored(&name("t")).is_none());
    // nothing to move
    m.move_relation(&name("none"), |key| key.sibling("v"));
    assert!(m.find(&name("v")).is_none());
}

#[test]
fn indexes_are_found_by_name() {
    let mut catalog = Catalog::with("t", 1);
    catalog.index_of("t", "i", &["a"]);
    catalog.table("s.t", 1);
    catalog.index_of("s.t", "i", &["b"]);
    let mut m = model(&catalog);
    assert_eq!(m.table_of_index(&name("i")), Some(name("public.t")));
    assert_eq!(m.table_of_index(&name("s.i")), Some(name("s.t")));
    assert_eq!(m.table_of_index(&name("s.x")), None);
    m.add_index(&index("s.t", &["a"]), "x".into(), 3);
    assert_eq!(m.table_of_index(&name("s.x")), Some(name("s.t")));
    assert_eq!(m.table_of_index(&name("x")), None);
    m.drop_index(&name("s.i"));
    assert_eq!(m.table_of_index(&name("s.i")), None);
    assert_eq!(m.table_of_index(&name("i")), Some(name("public.t")));
    m.rename_index(&name("i"), "j");
    assert_eq!(m.table_of_index(&name("i")), None);
    assert_eq!(m.table_of_index(&name("j")), Some(name("public.t")));
    let made: Vec<_> = m.indexes(&name("s.t")).unwrap().clone();
    assert_eq!((made.len(), made[0].made_at), (1, Some(3)));
    assert!(made[0].plain && !made[0].partial && !made[0].of_constraint);
}

#[test]
fn types_and_functions_are_found_along_the_path() {
    let mut catalog = Catalog::with("t", 1);
    catalog.schemas.insert("s".into(), size(0));
    let mut m = model(&catalog);
    m.make_type(&name("s.e"));
    assert!(m.is_made_type(&name("s.e")) && !m.is_made_type(&name("e")));
    m.set_path(Some(&["public".to_owned(), "s".to_owned()]));
    assert!(m.is_made_type(&name("e")));
    m.rename_type(&name("e"), "f");
    assert!(m.is_made_type(&name("s.f")) && !m.is_made_type(&name("e")));
    m.make_function(&name("s.g"), false);
    assert!(!m.is_volatile(&name("g")) && !m.is_volatile(&name("s.g")));
    assert!(m.is_volatile(&name("public.g")));
}

#[test]
fn dropped_schemas_are_empty() {
    let catalog = Catalog::with("s.t", 1);
    let mut m = model(&catalog);
    m.make_schema("s");
    m.make(&name("s.x"), false);
    m.make(&name("y"), false);
    m.drop_schema("s");
    assert!(!m.is_made_schema("s"));
    assert!(m.find(&name("s.x")).is_none());
    assert!(m.find(&name("y")).is_some());
}
