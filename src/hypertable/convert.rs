//! Turning a plain table into a partitioned one, as an ordered list of steps.
//!
//! The table cannot change in place, so it is made again under its name and the old one is dropped
//! without CASCADE at the end: whatever was forgotten and still hangs on the old table stops everything.

/// On whose behalf a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// the owner of the extension: only statements that run no expression of a user
    Extension,
    /// the owner of the table
    Owner,
    /// another role, by its OID
    User(u32),
}

/// When a statement runs; the order of the variants is the order of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// names of the old table are moved out of the way
    Rename,
    /// the new table, and everything that chunks copy from it
    Create,
    /// after the rows have moved: keys and indexes
    Keys,
    /// foreign keys out; those in are dropped
    References,
    /// what depends on keys or must not act on the moving of rows
    Attach,
    /// privileges: from here on the owner has only what it had
    Grant,
    /// foreign keys in: their owners need the privilege REFERENCES
    Incoming,
    /// views and publications, which point at the new table from now on
    Dependents,
    /// comments and labels, when everything has its name
    Describe,
    /// the old table goes
    Drop,
}

/// One statement of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub phase: Phase,
    pub role: Role,
    pub sql: String,
    /// tablespace of the object that the statement makes, empty for the default of the database
    pub tablespace: String,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Run(Statement),
    /// the sequence of an identity column of the new table gets the old one's name, value and rights
    Identity(Identity),
    Register,
    MakeChunks,
    MoveRows,
    /// per chunk: what exists only now, such as the replica identity
    FinishChunks,
}

/// An identity column of the old table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub column: String,
    /// schema and name of the sequence, not quoted
    pub schema: String,
    pub sequence: String,
}

/// The names and clauses from which the new table is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTable {
    /// `schema.table`, quoted
    pub target: String,
    /// schema, quoted
    pub schema: String,
    /// the name of the old table while both exist, quoted, without schema
    pub old: String,
    /// the table's own name, quoted, without schema
    pub name: String,
    /// key column, quoted
    pub key: String,
    pub key_not_null: bool,
    /// tablespace, quoted; `None` for the default of the database
    pub tablespace: Option<String>,
    /// owner, quoted
    pub owner: String,
}

impl NewTable {
    fn old_target(&self) -> String {
        format!("{}.{}", self.schema, self.old)
    }

    fn statements(&self) -> Vec<Statement> {
        let run = |phase, role, sql| Statement {
            phase,
            role,
            sql,
            tablespace: String::new(),
        };
        let old = self.old_target();
        let tablespace = self
            .tablespace
            .as_ref()
            .map_or_else(String::new, |t| format!(" TABLESPACE {t}"));
        let mut out = vec![
            run(
                Phase::Rename,
                Role::Extension,
                format!("ALTER TABLE {} RENAME TO {}", self.target, self.old),
            ),
            // a forced policy or a revoked right must not hide rows from the move
            run(
                Phase::Rename,
                Role::Extension,
                format!("ALTER TABLE {old} NO FORCE ROW LEVEL SECURITY"),
            ),
            run(
                Phase::Rename,
                Role::Extension,
                format!("GRANT SELECT ON {old} TO {}", self.owner),
            ),
            run(
                Phase::Create,
                Role::Extension,
                format!(
                    "CREATE TABLE {} (LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED \
                     INCLUDING IDENTITY INCLUDING STORAGE INCLUDING COMPRESSION) PARTITION BY RANGE ({}){tablespace}",
                    self.target, self.key
                ),
            ),
            run(
                Phase::Create,
                Role::Extension,
                format!("ALTER TABLE {} OWNER TO {}", self.target, self.owner),
            ),
            run(Phase::Drop, Role::Extension, format!("DROP TABLE {old}")),
        ];
        if !self.key_not_null {
            out.push(run(
                Phase::Create,
                Role::Owner,
                format!(
                    "ALTER TABLE {} ALTER COLUMN {} SET NOT NULL",
                    self.target, self.key
                ),
            ));
        }
        out
    }
}

/// All steps in order. `carried` keeps its order inside each phase.
#[must_use]
pub fn plan(table: &NewTable, identities: &[Identity], carried: Vec<Statement>) -> Vec<Step> {
    let mut statements = table.statements();
    statements.extend(carried);
    statements.sort_by_key(|s| s.phase);
    let mut steps: Vec<Step> = Vec::with_capacity(statements.len() + identities.len() + 4);
    let keys = statements.partition_point(|s| s.phase < Phase::Keys);
    let rest = statements.split_off(keys);
    let drop = rest.partition_point(|s| s.phase < Phase::Drop);
    steps.extend(statements.into_iter().map(Step::Run));
    steps.extend(identities.iter().cloned().map(Step::Identity));
    steps.extend([Step::Register, Step::MakeChunks, Step::MoveRows]);
    for (i, s) in rest.into_iter().enumerate() {
        if i == drop {
            steps.push(Step::FinishChunks);
        }
        steps.push(Step::Run(s));
    }
    steps
}

/// The statement that moves all rows; generated columns are computed again, identities kept.
#[must_use]
pub fn move_rows(target: &str, old_target: &str, columns: &[String]) -> String {
    let list = columns.join(", ");
    format!(
        "INSERT INTO {target} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM ONLY {old_target}"
    )
}

/// Puts storage parameters into the definition of a PRIMARY KEY or UNIQUE constraint, which
/// `pg_get_constraintdef` leaves out; they stand before the words about deferral.
#[must_use]
pub fn constraint_with_options(definition: &str, options: &str) -> String {
    if options.is_empty() {
        return definition.to_string();
    }
    let deferral = [" DEFERRABLE INITIALLY DEFERRED", " DEFERRABLE"]
        .into_iter()
        .find(|d| definition.ends_with(d))
        .unwrap_or("");
    let body = &definition[..definition.len() - deferral.len()];
    format!("{body} WITH ({options}){deferral}")
}

/// The definition of an index or key with more columns at the end of its column list.
#[must_use]
pub fn widened(definition: &str, more: &str) -> String {
    // the list is the first pair of parentheses outside quotes; a partial index has more behind it
    let (mut depth, mut quote) = (0, None);
    for (at, c) in definition.char_indices() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            ('(', None) => depth += 1,
            (')', None) if depth == 1 => {
                return format!("{}, {more}{}", &definition[..at], &definition[at..]);
            }
            (')', None) => depth -= 1,
            _ => {}
        }
    }
    definition.to_string()
}

/// A name for the old version of an object: unique in its schema, and it says what it is.
#[must_use]
pub fn old_name(oid: u32) -> String {
    format!("strata_old_{oid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> NewTable {
        NewTable {
            target: "public.\"T\"".into(),
            schema: "public".into(),
            old: old_name(5),
            name: "\"T\"".into(),
            key: "ts".into(),
            key_not_null: false,
            tablespace: None,
            owner: "joe".into(),
        }
    }

    fn run(phase: Phase, sql: &str) -> Statement {
        Statement {
            phase,
            role: Role::Owner,
            sql: sql.into(),
            tablespace: String::new(),
        }
    }

    fn position(steps: &[Step], part: &str) -> usize {
        let found: Vec<usize> = (0..steps.len())
            .filter(|&i| matches!(&steps[i], Step::Run(s) if s.sql.starts_with(part)))
            .collect();
        assert_eq!(found.len(), 1, "{part}");
        found[0]
    }

    #[test]
    fn order_of_a_conversion() {
        let carried = vec![
            run(Phase::Grant, "GRANT x"),
            run(Phase::Incoming, "FK IN"),
            run(Phase::References, "FK OUT"),
            run(Phase::Keys, "INDEX b"),
            run(Phase::Keys, "INDEX a"),
            run(Phase::Rename, "ALTER INDEX"),
            run(Phase::Dependents, "VIEW"),
        ];
        let id = Identity {
            column: "id".into(),
            schema: "public".into(),
            sequence: "s".into(),
        };
        let steps = plan(&table(), &[id], carried);
        let at = |part| position(&steps, part);
        let is = |s: &Step| steps.iter().position(|x| x == s).unwrap();
        assert!(at("ALTER TABLE public.\"T\" RENAME") < at("CREATE TABLE"));
        assert!(at("ALTER INDEX") < at("CREATE TABLE"));
        assert!(at("CREATE TABLE") < is(&Step::Register));
        assert!(
            at("ALTER TABLE public.\"T\" ALTER COLUMN ts SET NOT NULL") < is(&Step::MakeChunks)
        );
        assert!(is(&Step::MakeChunks) < is(&Step::MoveRows));
        assert!(is(&Step::MoveRows) < at("INDEX b"));
        assert!(
            at("INDEX b") < at("INDEX a"),
            "order inside a phase is kept"
        );
        assert!(at("INDEX a") < at("FK OUT") && at("FK OUT") < at("GRANT x"));
        assert!(at("GRANT x") < at("FK IN") && at("FK IN") < at("VIEW"));
        assert!(at("VIEW") < is(&Step::FinishChunks));
        assert!(is(&Step::FinishChunks) < at("DROP TABLE"));
    }

    #[test]
    fn keys_are_widened_inside_their_column_list() {
        assert_eq!(widened("PRIMARY KEY (id)", "ts"), "PRIMARY KEY (id, ts)");
        assert_eq!(
            widened("UNIQUE (a, b) INCLUDE (c) DEFERRABLE", "ts"),
            "UNIQUE (a, b, ts) INCLUDE (c) DEFERRABLE"
        );
        assert_eq!(
            widened(
                "CREATE UNIQUE INDEX \"odd (\" ON s.t USING btree (lower(x), (a || ')')) WHERE (a > 0)",
                "ts, d"
            ),
            "CREATE UNIQUE INDEX \"odd (\" ON s.t USING btree (lower(x), (a || ')'), ts, d) WHERE (a > 0)"
        );
    }

    #[test]
    fn definitions() {
        assert_eq!(
            constraint_with_options(
                "UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
                "fillfactor='70'"
            ),
            "UNIQUE (a) WITH (fillfactor='70') DEFERRABLE INITIALLY DEFERRED"
        );
        assert_eq!(
            constraint_with_options("PRIMARY KEY (a) DEFERRABLE", "x='1'"),
            "PRIMARY KEY (a) WITH (x='1') DEFERRABLE"
        );
        assert_eq!(
            constraint_with_options("PRIMARY KEY (a)", ""),
            "PRIMARY KEY (a)"
        );
        assert_eq!(
            move_rows("a.t", "a.o", &["x".into(), "\"Y\"".into()]),
            "INSERT INTO a.t (x, \"Y\") OVERRIDING SYSTEM VALUE SELECT x, \"Y\" FROM ONLY a.o"
        );
    }
}
