//! The queues that are compared, and the server that they live in.

use crate::common::{Cluster, exec, one};
use crate::measure::plain;
use crate::slow_disk::SlowDisk;
use postgres::Client;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub const TABLE: &str = "table, SKIP LOCKED";
pub const NOTIFY: &str = "table + NOTIFY trigger";
pub const PGMQ: &str = "pgmq";
/// two calls per job
pub const POP: &str = "pg_strata";
/// one call per job
pub const NEXT: &str = "pg_strata, queue_next";

pub const BATCH: usize = 100;

const DATABASE: &str = "queues";
/// The wheel that carries pgmq's SQL; it is fetched for the run and kept nowhere.
const WHEEL: &str = "pgmq==1.1.4";
/// 200 bytes as text.
const PAYLOAD: &str = "jsonb_build_object('to', repeat('x', 188))";

pub struct Place {
    cluster: Cluster,
    pgmq: Result<String, String>,
    slow: Option<SlowDisk>,
}

impl Place {
    /// A server, on a disk that is slower than this machine's if one is given.
    pub fn build(slow: Option<SlowDisk>) -> Place {
        let builder = match &slow {
            Some(disk) => Cluster::builder().env("LD_PRELOAD", &disk.library.to_string_lossy()),
            None => Cluster::builder(),
        };
        let cluster = builder
            .preload(true)
            .set("fsync", "on")
            .set("shared_buffers", "512MB")
            .set("max_wal_size", "16GB")
            .set("checkpoint_timeout", "1h")
            .set("jit", "off")
            .start();
        cluster.create_database(DATABASE);
        cluster.psql(DATABASE, "CREATE EXTENSION pg_strata");
        let pgmq = pgmq_sql(&cluster);
        let pgmq = pgmq.and_then(|(version, sql)| {
            cluster.try_psql(DATABASE, &sql)?;
            Ok(version)
        });
        Place {
            cluster,
            pgmq,
            slow,
        }
    }

    pub fn is_slow(&self) -> bool {
        self.slow.is_some()
    }

    pub fn has_pgmq(&self) -> bool {
        self.pgmq.is_ok()
    }

    pub fn about(&self) -> String {
        match &self.pgmq {
            Ok(version) => format!("pgmq {version}"),
            Err(reason) => format!("pgmq does not take part ({reason})"),
        }
    }

    pub fn session(&self) -> Client {
        let mut session = self.cluster.client(DATABASE);
        exec(&mut session, "SET client_min_messages = error");
        session
    }

    pub fn set(&self, name: &str, value: &str) {
        self.cluster.configure(&[(name, value)]);
        self.cluster.reload();
    }
}

/// Version and script of pgmq, as PyPI has it.
fn pgmq_sql(cluster: &Cluster) -> Result<(String, String), String> {
    let folder = cluster.sandbox().folder("wheel", 0o755);
    let run = |command: &mut Command| {
        let output = command.output().map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)
                .lines()
                .last()
                .unwrap_or("failed")
                .to_owned()),
        }
    };
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--quiet",
        WHEEL,
        "--dest",
    ]);
    run(pip.arg(&folder))?;
    let read = |name: &str| {
        let program = "import glob, sys, zipfile; \
            print(zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0]).read(sys.argv[2]).decode())";
        run(Command::new("python3")
            .args(["-c", program])
            .arg(&folder)
            .arg(name))
    };
    let version = read("pgmq/sql/VERSION")?.trim().to_owned();
    Ok((version, read("pgmq/sql/pgmq.sql")?))
}

/// A queue of one kind.
pub struct Contender<'a> {
    place: &'a Place,
    name: &'static str,
    pub queue: String,
    /// commits do not wait for the disk
    pub hurried: bool,
}

/// How long a script is run.
#[derive(Clone, Copy)]
enum Run {
    For(Duration),
    /// so often by each client
    Times(usize),
    /// the same, and commits do not wait for the disk
    Hurried(usize),
}

/// What a kind of queue calls its doings; `{q}` is the queue.
struct Words {
    make: &'static str,
    remove: &'static str,
    /// so many jobs at once: `{n}`
    fill: &'static str,
    push: &'static str,
    push_batch: &'static str,
    /// claims a job and ends it, as a script of pgbench
    work: &'static str,
    work_batch: &'static str,
    empty: &'static str,
    /// how many jobs are ready
    left: &'static str,
}

const OF_TABLE: Words = Words {
    make: "CREATE TABLE {q} (id bigserial PRIMARY KEY, queue text NOT NULL DEFAULT 'q', priority int NOT NULL DEFAULT 0,
            run_at timestamptz NOT NULL DEFAULT now(), state text NOT NULL DEFAULT 'ready', attempt int NOT NULL DEFAULT 0,
            lease_until timestamptz, payload jsonb);
        CREATE INDEX ON {q} (queue, priority, run_at, id) WHERE state = 'ready'",
    remove: "DROP TABLE {q}",
    fill: "INSERT INTO {q} (payload) SELECT {p} FROM generate_series(1, {n}); ANALYZE {q}",
    push: "INSERT INTO {q} (payload) VALUES ({p})",
    push_batch: "INSERT INTO {q} (payload) SELECT {p} FROM generate_series(1, {b})",
    work: "UPDATE {q} SET state = 'running', attempt = attempt + 1, lease_until = now() + interval '5 min'
            WHERE id = (SELECT id FROM {q} WHERE queue = 'q' AND state = 'ready' AND run_at <= now()
                ORDER BY priority, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, payload \\gset
        DELETE FROM {q} WHERE id = :id;",
    work_batch: "WITH c AS (UPDATE {q} SET state = 'running', attempt = attempt + 1, lease_until = now() + interval '5 min'
            WHERE id = ANY (ARRAY(SELECT id FROM {q} WHERE queue = 'q' AND state = 'ready' AND run_at <= now()
                ORDER BY priority, run_at, id LIMIT {b} FOR UPDATE SKIP LOCKED)) RETURNING id, payload)
            SELECT coalesce(array_agg(id), '{}') AS ids, count(payload) AS n FROM c \\gset
        DELETE FROM {q} WHERE id = ANY (:ids::bigint[]);",
    empty: "DELETE FROM {q}; VACUUM {q}",
    left: "SELECT count(*) FROM {q} WHERE state = 'ready'",
};

const OF_NOTIFY: Words = Words {
    make: "CREATE TABLE {q} (id bigserial PRIMARY KEY, queue text NOT NULL DEFAULT 'q', priority int NOT NULL DEFAULT 0,
            run_at timestamptz NOT NULL DEFAULT now(), state text NOT NULL DEFAULT 'ready', attempt int NOT NULL DEFAULT 0,
            lease_until timestamptz, payload jsonb);
        CREATE INDEX ON {q} (queue, priority, run_at, id) WHERE state = 'ready';
        CREATE OR REPLACE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_notify('jobs', NEW.id::text);RETURN NULL;END $$;
        CREATE TRIGGER tell AFTER INSERT ON {q} FOR EACH ROW EXECUTE FUNCTION tell()",
    ..OF_TABLE
};

const OF_PGMQ: Words = Words {
    make: "SELECT pgmq.create('{q}')",
    remove: "SELECT pgmq.drop_queue('{q}')",
    fill: "SELECT count(*) FROM pgmq.send_batch('{q}', array_fill({p}, ARRAY[{n}])); ANALYZE pgmq.q_{q}",
    push: "SELECT pgmq.send('{q}', {p})",
    push_batch: "SELECT count(*) FROM pgmq.send_batch('{q}', array_fill({p}, ARRAY[{b}]))",
    work: "SELECT msg_id, message FROM pgmq.read('{q}', 300, 1) \\gset
        SELECT pgmq.delete('{q}', :msg_id::bigint);",
    work_batch:
        "SELECT coalesce(array_agg(msg_id), '{}') AS ids, count(message) AS n FROM pgmq.read('{q}', 300, {b}) \\gset
        SELECT count(*) FROM pgmq.delete('{q}', :ids::bigint[]);",
    empty: "DELETE FROM pgmq.q_{q}; VACUUM pgmq.q_{q}",
    left: "SELECT count(*) FROM pgmq.q_{q} WHERE vt <= now()",
};

const OF_POP: Words = Words {
    make: "SELECT strata.create_queue('{q}')",
    remove: "SELECT strata.drop_queue('{q}', force => true)",
    fill: "SELECT strata.queue_push_many('{q}', array_fill({p}, ARRAY[{n}]))",
    push: "SELECT strata.queue_push('{q}', {p})",
    push_batch: "SELECT strata.queue_push_many('{q}', array_fill({p}, ARRAY[{b}]))",
    work: "SELECT claim, payload FROM strata.queue_pop('{q}') \\gset
        SELECT strata.queue_complete('{q}', :claim);",
    work_batch: "SELECT coalesce(array_agg(claim), '{}') AS claims, count(payload) AS n FROM strata.queue_pop('{q}', n => {b}) \\gset
        SELECT strata.queue_complete_many('{q}', :claims::bigint[]);",
    empty: "SELECT strata.drop_queue('{q}', force => true); SELECT strata.create_queue('{q}')",
    left: "SELECT strata.queue_length('{q}')",
};

const OF_NEXT: Words = Words {
    work: "SELECT claim, payload FROM strata.queue_next('{q}', done => ARRAY[:claim]::bigint[]) \\gset\n",
    work_batch: "SELECT coalesce(array_agg(claim), '{}') AS claims, count(payload) AS n
        FROM strata.queue_next('{q}', done => :claims::bigint[], n => {b}) \\gset\n",
    ..OF_POP
};

impl<'a> Contender<'a> {
    /// An empty queue of its own.
    pub fn fresh(place: &'a Place, name: &'static str) -> Result<Contender<'a>, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let contender = Contender {
            place,
            name,
            queue: format!("q{n}"),
            hurried: false,
        };
        contender.run(contender.words().make)?;
        Ok(contender)
    }

    fn words(&self) -> &'static Words {
        match self.name {
            TABLE => &OF_TABLE,
            NOTIFY => &OF_NOTIFY,
            PGMQ => &OF_PGMQ,
            NEXT => &OF_NEXT,
            _ => &OF_POP,
        }
    }

    fn text(&self, sql: &str) -> String {
        sql.replace("{q}", &self.queue)
            .replace("{p}", PAYLOAD)
            .replace("{b}", &BATCH.to_string())
    }

    fn run(&self, sql: &str) -> Result<(), String> {
        let mut session = self.place.session();
        for statement in self.text(sql).split("; ") {
            session.batch_execute(statement).map_err(|e| plain(&e))?;
        }
        Ok(())
    }

    pub fn remove(&self) -> Result<(), String> {
        self.run(self.words().remove)
    }

    pub fn fill(&self, jobs: usize) -> Result<(), String> {
        self.run(&self.words().fill.replace("{n}", &jobs.to_string()))
    }

    pub fn empty(&self) -> Result<(), String> {
        self.run(self.words().empty)
    }

    /// Jobs per second.
    pub fn push(&self, clients: usize, time: Duration) -> Result<f64, String> {
        self.bench(self.words().push, clients, Run::For(time))
    }

    pub fn work(&self, clients: usize, time: Duration) -> Result<f64, String> {
        let rate = self.bench(self.words().work, clients, Run::For(time))?;
        self.had_work().map(|()| rate)
    }

    pub fn push_batches(&self, clients: usize, time: Duration) -> Result<f64, String> {
        let rate = self.bench(self.words().push_batch, clients, Run::For(time))?;
        Ok(rate * BATCH as f64)
    }

    /// Works off most of so many jobs, so that every batch is a whole one.
    pub fn work_in_batches(&self, clients: usize, jobs: usize) -> Result<f64, String> {
        self.fill(jobs)?;
        let each = jobs * 4 / 5 / BATCH / clients;
        let rate = self.bench(self.words().work_batch, clients, Run::Times(each))?;
        self.had_work().map(|()| rate * BATCH as f64)
    }

    /// Pops that found nothing are no figures.
    fn had_work(&self) -> Result<(), String> {
        let left = one(&mut self.place.session(), &self.text(self.words().left));
        match left.as_str() {
            "0" => Err("the jobs ran out".to_owned()),
            _ => Ok(()),
        }
    }

    pub fn push_so_many(&self, jobs: usize) -> Result<(), String> {
        self.bench(self.words().push, 1, Run::Hurried(jobs))
            .map(drop)
    }

    pub fn work_so_many(&self, jobs: usize) -> Result<(), String> {
        self.bench(self.words().work, 1, Run::Hurried(jobs))
            .map(drop)
    }

    /// So many jobs are pushed and worked off, in batches.
    pub fn churn(&self, jobs: usize) -> Result<(), String> {
        let words = self.words();
        // what queue_next has claimed last is completed by the next call, so two batches are ahead
        let script = format!("{};\n{}", words.push_batch, words.work_batch);
        self.fill(4 * BATCH)?;
        self.bench(&script, 2, Run::Hurried(jobs / BATCH / 2))
            .map(drop)
    }

    fn bench(&self, script: &str, clients: usize, run: Run) -> Result<f64, String> {
        let path = self.place.cluster.sandbox().path().join("script.sql");
        let script = self.text(script);
        std::fs::write(&path, script).map_err(|e| e.to_string())?;
        let mut pgbench = self.place.cluster.tool("pgbench");
        pgbench
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .args(["--define=claim=0", "--define=claims={}"])
            .arg(format!("--client={clients}"))
            .arg("--file")
            .arg(&path);
        match run {
            Run::For(time) => pgbench.arg(format!("--time={}", time.as_secs().max(1))),
            Run::Times(each) | Run::Hurried(each) => {
                pgbench.arg(format!("--transactions={}", each.max(1)))
            }
        };
        if self.hurried || matches!(run, Run::Hurried(_)) {
            pgbench.env("PGOPTIONS", "-c synchronous_commit=off");
        }
        let output = pgbench.arg(DATABASE).output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let failed = errors.lines().find(|l| {
            l.contains("ERROR") || l.contains("expected one row") || l.contains("aborted")
        });
        if let Some(line) = failed {
            return Err(line.to_owned());
        }
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
        rate.and_then(|rate| rate.split(' ').next())
            .and_then(|rate| rate.parse().ok())
            .ok_or_else(|| format!("no rate in {text}"))
    }
}
