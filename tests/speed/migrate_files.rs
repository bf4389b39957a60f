//! Small migrations in pairs, as projects have them: tables and indexes, and what comes to them later.

/// One version.
pub struct Pair {
    pub number: usize,
    pub up: String,
    pub down: String,
}

impl Pair {
    pub fn up_name(&self) -> String {
        format!("{:06}_step.up.sql", self.number)
    }

    pub fn down_name(&self) -> String {
        format!("{:06}_step.down.sql", self.number)
    }

    /// Wrapped, as most projects have their files.
    pub fn wrapped_up(&self) -> String {
        wrapped(&self.up)
    }

    pub fn wrapped_down(&self) -> String {
        wrapped(&self.down)
    }
}

fn wrapped(statements: &str) -> String {
    format!("BEGIN;\n{statements}COMMIT;\n")
}

/// Versions 1 to `n`. Of ten in a row, three make a table with an index; 18 statements in all.
pub fn pairs(n: usize) -> Vec<Pair> {
    (0..n)
        .map(|i| {
            let (up, down) = statements(i / 10 * 3, i % 10, i);
            Pair {
                number: i + 1,
                up,
                down,
            }
        })
        .collect()
}

/// Statements of file `i`: number `kind` of a group that makes the tables from `first` on.
fn statements(first: usize, kind: usize, i: usize) -> (String, String) {
    let (a, b, c) = (first, first + 1, first + 2);
    match kind {
        0..=2 => {
            let t = first + kind;
            (
                format!(
                    "CREATE TABLE t{t} (id integer PRIMARY KEY, name text NOT NULL DEFAULT 'x', at timestamptz, parent integer);\n\
                     CREATE INDEX t{t}_name ON t{t} (name);\n"
                ),
                format!("DROP TABLE t{t};\n"),
            )
        }
        3 => (
            format!(
                "ALTER TABLE t{a} ADD COLUMN c{i} integer DEFAULT 5;\nCREATE INDEX t{a}_c{i} ON t{a} (c{i});\n"
            ),
            format!("ALTER TABLE t{a} DROP COLUMN c{i};\n"),
        ),
        4 => (
            format!(
                "ALTER TABLE t{b} ADD CONSTRAINT t{b}_parent FOREIGN KEY (parent) REFERENCES t{a};\n"
            ),
            format!("ALTER TABLE t{b} DROP CONSTRAINT t{b}_parent;\n"),
        ),
        5 => (
            format!("CREATE VIEW v{i} AS SELECT id, name FROM t{b} WHERE at IS NOT NULL;\n"),
            format!("DROP VIEW v{i};\n"),
        ),
        6 => (
            format!(
                "CREATE FUNCTION f{i}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;\n\
                 CREATE TRIGGER touch BEFORE UPDATE ON t{c} FOR EACH ROW EXECUTE FUNCTION f{i}();\n"
            ),
            format!("DROP TRIGGER touch ON t{c};\nDROP FUNCTION f{i}();\n"),
        ),
        7 => (
            format!(
                "INSERT INTO t{c} (id, name) VALUES (1, 'one'), (2, 'two');\nUPDATE t{c} SET name = 'three; not four' WHERE id = 2;\n"
            ),
            format!("DELETE FROM t{c};\n"),
        ),
        8 => (
            format!(
                "ALTER TABLE t{a} ALTER COLUMN name SET DEFAULT 'z';\nALTER TABLE t{a} ALTER COLUMN parent SET DEFAULT 0;\n"
            ),
            format!(
                "ALTER TABLE t{a} ALTER COLUMN name SET DEFAULT 'x';\nALTER TABLE t{a} ALTER COLUMN parent DROP DEFAULT;\n"
            ),
        ),
        _ => (
            format!("COMMENT ON TABLE t{c} IS 'table {c}';\nGRANT SELECT ON t{c} TO PUBLIC;\n"),
            format!("REVOKE SELECT ON t{c} FROM PUBLIC;\nCOMMENT ON TABLE t{c} IS NULL;\n"),
        ),
    }
}

/// Rows of a COPY block for `(id bigint, device integer, value float8, note text)`.
pub fn copy_block(table: &str, rows: usize) -> String {
    let mut text = format!("COPY {table} (id, device, value, note) FROM stdin;\n");
    for i in 0..rows {
        let (device, value) = (i % 1_000, i as f64 * 0.25);
        text.push_str(&format!(
            "{i}\t{device}\t{value}\tnote {} of a device that says so\n",
            i % 5_000
        ));
    }
    text.push_str("\\.\n");
    text
}
