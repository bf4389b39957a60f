//! Stores inside a backend: waiting, cancelling, the descriptor budget.
#![allow(clippy::expect_used, clippy::panic)]

#[pgrx::pg_schema]
mod tests {
    use crate::cold::server_options::{MappingOptions, parse_mapping, parse_server};
    use crate::cold::store::{ObjectStore, StoreError, open_store};
    use pgrx::prelude::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    fn own(options: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        options.iter().map(owned).collect()
    }

    /// A store whose server takes connections and never answers.
    fn hanging() -> Rc<dyn ObjectStore> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let endpoint = format!("http://{}", listener.local_addr().expect("address"));
        crate::pg::sigmask::with_signals_blocked(|| {
            std::thread::spawn(move || {
                for mut socket in listener.incoming().flatten() {
                    std::thread::spawn(move || drop(socket.read_to_end(&mut Vec::new())));
                }
            })
        });
        let options = own(&[
            ("location", "s3://probe-bucket"),
            ("endpoint", &endpoint),
            ("allow_http", "true"),
            ("request_timeout", "30s"),
        ]);
        let keys = own(&[("access_key_id", "key"), ("secret_access_key", "secret")]);
        let options = parse_server(&options).expect("options");
        let mapping = parse_mapping(&keys).expect("mapping");
        let store = open_store(&options, &mapping).expect("store");
        let again = open_store(&options, &mapping).expect("store");
        assert!(Rc::ptr_eq(&store, &again), "one store per set of options");
        store
    }

    /// Descriptors and threads of this process.
    fn inventory() -> (usize, usize) {
        let count = |folder| std::fs::read_dir(folder).expect("linux").count();
        (count("/proc/self/fd"), count("/proc/self/task"))
    }

    fn cancel_after(pause: Duration) {
        let me = std::process::id();
        crate::pg::sigmask::with_signals_blocked(|| {
            std::thread::spawn(move || {
                std::thread::sleep(pause);
                let kill = std::process::Command::new("kill")
                    .args(["-INT", &me.to_string()])
                    .status();
                assert!(kill.is_ok_and(|status| status.success()));
            })
        });
    }

    fn cancelled_head(store: &Rc<dyn ObjectStore>) -> Duration {
        let begun = Instant::now();
        cancel_after(Duration::from_millis(100));
        let message = PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
            format!("answered: {:?}", store.head("hangs"))
        }))
        .catch_others(|error| match error {
            pgrx::pg_sys::panic::CaughtError::PostgresError(report) => report.message().to_owned(),
            other => other.rethrow(),
        })
        .execute();
        assert_eq!(message, "canceling statement due to user request");
        begun.elapsed()
    }

    #[pg_test]
    fn a_hanging_store_obeys_a_cancel_within_a_second() {
        let store = hanging();
        assert!(cancelled_head(&store) < Duration::from_secs(1));
        let before = inventory();
        for _ in 0..20 {
            assert!(cancelled_head(&store) < Duration::from_secs(1));
        }
        let begun = Instant::now();
        // the threads of this test and abandoned sockets need a moment to go
        while begun.elapsed() < Duration::from_secs(10) && inventory() > before {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(
            inventory() <= before,
            "{:?} before, {:?} after",
            before,
            inventory()
        );
    }

    #[pg_test]
    fn absent_stores_and_local_files() {
        let free = TcpListener::bind("127.0.0.1:0").expect("port");
        let endpoint = format!("http://{}", free.local_addr().expect("address"));
        drop(free);
        let options = own(&[
            ("location", "s3://probe-bucket"),
            ("endpoint", &endpoint),
            ("allow_http", "true"),
            ("max_retries", "1"),
            ("profile", "nobody"),
        ]);
        let options = parse_server(&options).expect("options");
        let keys = own(&[("access_key_id", "key"), ("secret_access_key", "secret")]);
        let mapping = parse_mapping(&keys).expect("mapping");
        let store = open_store(&options, &mapping).expect("store");
        let head = store.head("x");
        assert!(matches!(head, Err(StoreError::Unreachable(_))), "{head:?}");

        let local = parse_server(&own(&[("location", "file:")])).expect("options");
        let store = open_store(&local, &MappingOptions::default()).expect("store");
        assert_eq!(store.head("not/there"), Err(StoreError::Missing));
        assert!(!std::path::Path::new("strata_cold/not").exists());
    }
}
