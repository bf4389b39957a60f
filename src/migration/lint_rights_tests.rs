use super::*;
use crate::migration::ddl::Run as Code;
use crate::migration::ddl::samples::*;
use crate::migration::lint::samples::*;
use crate::migration::lint::{Extension, RelationKind};

#[test]
fn roles_belong_to_the_cluster() {
    let catalog = Catalog::with("t", 0);
    let script = Script::default().tagged("CREATE ROLE", create(ObjectKind::Role, "app"));
    let found = script.finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.object.as_deref()),
        (Rule::RoleInCluster, Severity::Warning, Some("app"))
    );
    assert_eq!(
        found.message,
        "role \"app\" belongs to all databases of the cluster: CREATE ROLE fails, or does harm, in the second one"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("SELECT * FROM strata.migrate_up(existing_roles => 'skip')")
    );
    let script = Script::default().tagged("DROP ROLE", drop_one(ObjectKind::Role, "app"));
    let found = script.finding(&catalog);
    assert_eq!(
        found.suggestion.as_deref(),
        Some("roles are made and dropped outside of migrations")
    );
    one(drop_one(ObjectKind::View, "app")).is_quiet(&catalog);
}

#[test]
fn what_only_a_superuser_may() {
    let catalog = Catalog::with("t", 0);
    for kind in [
        ObjectKind::EventTrigger,
        ObjectKind::ForeignDataWrapper,
        ObjectKind::AccessMethod,
        ObjectKind::Subscription,
    ] {
        let found = Script::default()
            .tagged("CREATE IT", create(kind, "x"))
            .finding(&catalog);
        assert_eq!(
            (found.rule, found.severity),
            (Rule::DependsOnSuperuser, Severity::Warning)
        );
        assert_eq!(
            found.message,
            "CREATE IT \"x\" needs a superuser, or a role close to one"
        );
        assert_eq!(
            (found.object.as_deref(), found.suggestion),
            (Some("x"), None)
        );
    }
    let mut function = new(object(ObjectKind::Function, "f"));
    one(Ddl::Create(function.clone())).is_quiet(&catalog);
    function.superuser = true;
    one(Ddl::Create(function)).tells(&catalog, &["1 depends_on_superuser warning f"]);
    for (rows, tells) in [
        (
            Rows::CopyFrom {
                table: name("t"),
                server: true,
            },
            true,
        ),
        (
            Rows::CopyFrom {
                table: name("t"),
                server: false,
            },
            false,
        ),
        (Rows::CopyTo { server: true }, true),
        (Rows::CopyTo { server: false }, false),
    ] {
        let told = one(Ddl::Rows(rows.clone())).told(&catalog);
        assert_eq!(!told.is_empty(), tells, "{rows:?}");
    }
    for tag in SUPERUSER_TAGS {
        let script = Script::default().tagged(tag, Ddl::Other);
        let message = format!("{tag} needs a superuser, or a role close to one");
        assert_eq!(script.finding(&catalog).message, message);
    }
    Script::default()
        .tagged("ALTER DATABASE", Ddl::Other)
        .is_quiet(&catalog);
    Script::default()
        .tagged("ALTER SYSTEM", Ddl::Run(Code::Do))
        .is_quiet(&catalog);
}

#[test]
fn extensions_need_a_superuser_unless_trusted_or_there() {
    let mut catalog = Catalog::with("t", 0);
    let create = |if_exists| {
        let mut create = new(object(ObjectKind::Extension, "Ext"));
        create.if_exists = if_exists;
        Script::default().tagged("CREATE EXTENSION", Ddl::Create(create))
    };
    let found = create(IfExists::Fails).finding(&catalog);
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CREATE EXTENSION IF NOT EXISTS \"Ext\"; -- and once, by a superuser, beforehand")
    );
    for (installed, trusted, fails, keeps) in [
        (false, false, true, true),
        (true, false, true, false),
        (false, true, false, false),
        (true, true, false, false),
    ] {
        let known = Extension { installed, trusted };
        catalog.extensions.insert("Ext".into(), known);
        assert_eq!(
            !create(IfExists::Fails).told(&catalog).is_empty(),
            fails,
            "{known:?}"
        );
        assert_eq!(
            !create(IfExists::Keeps).told(&catalog).is_empty(),
            keeps,
            "{known:?}"
        );
    }
}

#[test]
fn what_is_made_is_new() {
    let mut catalog = Catalog::with("s.t", 0);
    catalog.schemas.insert("s".into(), size(LARGE));
    let drop = || {
        Ddl::Drop(DropObjects {
            cascade: true,
            ..drop_objects(&[object(ObjectKind::Schema, "s")])
        })
    };
    let schema = |if_exists| {
        let mut create = new(object(ObjectKind::Schema, "s"));
        create.if_exists = if_exists;
        Ddl::Create(create)
    };
    one(schema(IfExists::Keeps))
        .then(drop())
        .tells(&catalog, &["2 drop_schema_cascade warning s"]);
    one(drop())
        .then(schema(IfExists::Fails))
        .then(drop())
        .tells(&catalog, &["1 drop_schema_cascade warning s"]);
    // a view that is replaced stays what it was
    catalog.relation_of("v", RelationKind::Other, size(0));
    let view = |if_exists| {
        let mut create = new(object(ObjectKind::View, "v"));
        create.if_exists = if_exists;
        Ddl::Create(create)
    };
    let rename = || rename(object(ObjectKind::View, "v"), "w");
    one(view(IfExists::Replaces))
        .then(rename())
        .tells(&catalog, &["2 rename_breaks_clients info public.v"]);
    one(drop_one(ObjectKind::View, "v"))
        .then(view(IfExists::Fails))
        .then(rename())
        .is_quiet(&catalog);
}

#[test]
fn clustering_writes_tables_anew() {
    let cluster = |tables: &[&str]| Ddl::Rewrite {
        tables: names(tables),
    };
    by_size(&cluster(&["t"]), "- - warning warning error error");
    let catalog = Catalog::with("t", LARGE);
    let found = Script::default()
        .tagged("CLUSTER", cluster(&["t"]))
        .finding(&catalog);
    assert_eq!(found.rule, Rule::RewriteOther);
    assert_eq!(
        found.message,
        "CLUSTER writes \"public.t\" anew, locked against all others"
    );
    let found = Script::default()
        .tagged("VACUUM", cluster(&[]))
        .finding(&catalog);
    assert_eq!(
        (found.severity, found.object, found.est_rows),
        (Severity::Error, None, None)
    );
    assert_eq!(
        found.message,
        "VACUUM of all tables writes each of them anew, locked against all others"
    );
}
