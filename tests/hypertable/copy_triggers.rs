//! Triggers of all kinds see a COPY into a hypertable as they see one into a native table.

use super::copy_cases::{Case, ROWS, same};

const LOG: &str = "CREATE TABLE log (n serial, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO log (what) VALUES (concat_ws(' ', tg_name, tg_when, tg_level,
        CASE WHEN tg_level = 'ROW' THEN tg_table_name || new::text END));
      RETURN new; END $$;
    CREATE FUNCTION count_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO log (what) SELECT 'new ' || count(*) || ' ' || sum(a) || ' ' || max(ts) FROM fresh;
      RETURN NULL; END $$;";

fn setup(triggers: &str) -> String {
    format!("{LOG} {triggers}")
}

#[test]
fn statement_triggers_fire_once() {
    let setup = setup(
        "CREATE TRIGGER b BEFORE INSERT ON t EXECUTE FUNCTION note();
         CREATE TRIGGER a AFTER INSERT ON t EXECUTE FUNCTION note()",
    );
    let case = Case {
        name: "t_statement",
        setup: &setup,
        data: ROWS,
        also: "SELECT what FROM log ORDER BY n",
        ..Case::default()
    };
    assert!(same(case).ends_with("b BEFORE STATEMENT\na AFTER STATEMENT"));
    let empty = Case {
        name: "t_statement_empty",
        data: b"",
        ..case
    };
    assert!(same(empty).ends_with("b BEFORE STATEMENT\na AFTER STATEMENT"));
}

#[test]
fn row_triggers_before_see_rows_in_order_and_may_change_or_drop_them() {
    let setup = setup(
        "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF new.a = 3 THEN RETURN NULL; END IF;
           new.b := (SELECT count(*) FROM t) || ' before'; RETURN new; END $$;
         CREATE TRIGGER b1 BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER b2 BEFORE INSERT ON t FOR EACH ROW WHEN (new.a > 1) EXECUTE FUNCTION change()",
    );
    let case = Case {
        name: "t_before",
        setup: &setup,
        data: ROWS,
        also: "SELECT what FROM log ORDER BY n",
        ..Case::default()
    };
    let said = same(case);
    assert!(
        said.starts_with("COPY 4\n") && said.contains("3 before"),
        "{said}"
    );
}

#[test]
fn a_row_trigger_may_not_move_a_row_to_another_chunk() {
    let setup = setup(
        "CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           new.ts := new.ts + interval '1 day'; RETURN new; END $$;
         CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW WHEN (new.a = 2) EXECUTE FUNCTION move()",
    );
    let case = Case {
        name: "t_move",
        setup: &setup,
        data: ROWS,
        ..Case::default()
    };
    assert!(
        same(case).contains("moving row to another partition during a BEFORE FOR EACH ROW trigger")
    );
}

#[test]
fn row_triggers_after_see_every_row_also_of_chunks_that_were_closed() {
    let setup = setup(
        "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW WHEN (new.a <> 4) EXECUTE FUNCTION note();
         CREATE CONSTRAINT TRIGGER d AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION note()",
    );
    let case = Case {
        name: "t_after",
        columns: "ts timestamptz NOT NULL, a int PRIMARY KEY, b text",
        setup: &setup,
        data: ROWS,
        also: "SELECT what FROM log ORDER BY 1",
        ..Case::default()
    };
    let case = Case {
        columns: "ts timestamptz NOT NULL, a int, b text, PRIMARY KEY (ts, a)",
        ..case
    };
    assert!(same(case).starts_with("COPY 5\n"));
}

#[test]
fn transition_tables_hold_all_rows_in_the_form_of_the_table() {
    let setup = setup(
        "CREATE TRIGGER n AFTER INSERT ON t REFERENCING NEW TABLE AS fresh EXECUTE FUNCTION count_new()",
    );
    let case = Case {
        name: "t_transition",
        setup: &setup,
        data: ROWS,
        also: "SELECT what FROM log ORDER BY n",
        ..Case::default()
    };
    assert!(same(case).ends_with("new 5 15 2024-01-20 10:00:00+00"));
    let setup = format!(
        "{setup}; CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()"
    );
    same(Case {
        name: "t_transition_before",
        setup: &setup,
        ..case
    });
}

#[test]
fn a_default_that_looks_at_the_table_sees_the_rows_before() {
    let case = Case {
        name: "t_volatile",
        setup: "CREATE FUNCTION so_far() RETURNS int LANGUAGE plpgsql VOLATILE AS
                  'BEGIN RETURN (SELECT count(*) FROM t); END';
                ALTER TABLE t ALTER a SET DEFAULT so_far()",
        copy: "COPY t (ts, b) FROM STDIN",
        data: b"2024-01-02\tx\n2024-01-03\ty\n2024-01-02\tz\n",
        ..Case::default()
    };
    assert!(same(case).contains(",2,z)"));
}

#[test]
fn a_failing_trigger_names_the_line() {
    let setup = setup(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           RAISE EXCEPTION 'not %', new.a; END $$;
         CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW WHEN (new.a = 4) EXECUTE FUNCTION fail()",
    );
    let case = Case {
        name: "t_fail",
        setup: &setup,
        data: ROWS,
        ..Case::default()
    };
    let said = same(case);
    assert!(
        said.contains("not 4") && said.contains("COPY t, line 4: "),
        "{said}"
    );
}

#[test]
fn a_volatile_check_is_asked_once_for_each_row() {
    let case = Case {
        name: "volatile_check",
        columns: "ts timestamptz NOT NULL, a int, b text",
        setup: "CREATE SEQUENCE asked;
                CREATE FUNCTION ask(int) RETURNS bool LANGUAGE plpgsql VOLATILE AS
                  'BEGIN PERFORM nextval(''asked''); RETURN $1 > 0; END';
                ALTER TABLE t ADD CONSTRAINT asking CHECK (ask(a))",
        data: ROWS,
        also: "SELECT last_value FROM asked",
        ..Case::default()
    };
    assert!(same(case).ends_with("\n5"));
}

#[test]
fn transition_tables_hold_generated_columns_of_converted_rows() {
    // not compared with the server's own COPY, which leaves them NULL where columns lie elsewhere
    let case = Case {
        columns: "gone int, ts timestamptz NOT NULL, a int, b text, g int GENERATED ALWAYS AS (a * 2) STORED",
        setup: "ALTER TABLE t DROP COLUMN gone;
                CREATE TABLE seen (g int);
                CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
                  'BEGIN INSERT INTO seen SELECT g FROM n; RETURN NULL; END';
                CREATE TRIGGER look AFTER INSERT ON t REFERENCING NEW TABLE AS n EXECUTE FUNCTION look()",
        ..Case::default()
    };
    let mut session = super::copy_cases::alone("copy_transition", &case);
    assert_eq!(
        super::copy_cases::copy_in(&mut session, "COPY t FROM STDIN", ROWS),
        Ok(5)
    );
    let seen = crate::common::one(
        &mut session,
        "SELECT string_agg(g::text, ' ' ORDER BY g) FROM seen",
    );
    assert_eq!(seen, "2 4 6 8 10");
}
