//! Time functions from inside a backend: SQLSTATEs, and what is not preloaded.
#![allow(clippy::unwrap_used)]

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    fn sqlstate(sql: &str) -> String {
        Spi::run(
            "CREATE OR REPLACE FUNCTION pg_temp.state_of(q text) RETURNS text LANGUAGE plpgsql AS $$ \
             BEGIN EXECUTE q; RETURN '00000'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$",
        )
        .unwrap();
        Spi::get_one_with_args("SELECT pg_temp.state_of($1)", &[sql.into()])
            .unwrap()
            .unwrap()
    }

    #[pg_test]
    fn sqlstates_of_the_time_functions() {
        for (call, state) in [
            ("time_bucket('1 day', now())", "00000"),
            ("time_bucket('1 day', date '5874897-12-31')", "00000"),
            ("time_bucket('0 days', now())", "22023"),
            ("time_bucket('1 month 1 s', now())", "22023"),
            ("time_bucket('1 day', now(), 'Mars/Olympus')", "22023"),
            ("time_bucket('1 day', now(), 'mars')", "22023"),
            (
                "time_bucket('1 day', now(), timestamptz 'infinity')",
                "22023",
            ),
            (
                "time_bucket('1000 years', timestamp '4713-01-01 BC')",
                "22008",
            ),
            ("time_bucket('1000 years', date '4713-01-01 BC')", "22008"),
            (
                "time_bucket('7 days', timestamptz '4714-11-24 00:00:00+00 BC', interval '-1 day')",
                "22008",
            ),
            (
                "time_bucket('1 day', timestamptz '294276-12-31 23:59:59+00', interval '178000000 years')",
                "22008",
            ),
            ("time_bucket(100, -2147483648)", "22008"),
            ("time_bucket(-1::bigint, 5::bigint)", "22023"),
            ("time_bucket('1 day', gen_random_uuid())", "22023"),
            ("to_uuidv7('infinity')", "22008"),
            ("to_uuidv7('1969-01-01')", "22008"),
            ("uuid_timestamp(gen_random_uuid())", "22023"),
            ("first(1, point(1, 1))", "42804"),
            ("histogram(1, 5, 5, 3)", "22023"),
            ("histogram(1, 0, 5, 2000000000)", "22023"),
            ("histogram(1, NULL, 5, 3)", "22004"),
            ("locf(1)", "0A000"),
            ("interpolate(1)", "0A000"),
            ("time_bucket_gapfill(1, 1, 1, 1)", "0A000"),
        ] {
            assert_eq!(
                sqlstate(&format!(
                    "SELECT strata.{}",
                    call.replace("point(", "pg_catalog.point(")
                )),
                state,
                "{call}"
            );
        }
    }
}
