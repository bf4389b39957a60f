//! Calls in an order that is drawn by lot, beside a model that says what each must answer. The same order for the same
//! seed; what the background worker does beside it changes no answer but when a job is ready.

use crate::common::wait_until;
use crate::support::{Db, exec, one, plain, preloaded, rows};
use postgres::Client;
use std::collections::BTreeMap;

/// xorshift64*
struct Lot(u64);

impl Lot {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running { claim: i64, to_cancel: bool },
    Ended(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    state: State,
    key: Option<String>,
    attempt: i64,
}

/// What the server must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    jobs: BTreeMap<i64, Job>,
    /// who has a key
    keys: BTreeMap<String, i64>,
    /// all claims that there ever were
    claims: Vec<i64>,
}

impl Model {
    fn state(&self, id: i64) -> Option<State> {
        self.jobs.get(&id).map(|job| job.state)
    }

    fn runs(&self, claim: i64) -> Option<(i64, bool)> {
        self.jobs.iter().find_map(|(id, job)| match job.state {
            State::Running {
                claim: c,
                to_cancel,
            } if c == claim => Some((*id, to_cancel)),
            _ => None,
        })
    }

    fn set(&mut self, id: i64, state: State) {
        let job = self.jobs.get_mut(&id).expect("a known job");
        job.state = state;
        if matches!(state, State::Ended(_))
            && let Some(key) = job.key.clone()
            && self.keys.get(&key) == Some(&id)
        {
            self.keys.remove(&key);
        }
    }

    fn living(&self) -> String {
        let living = |job: &&i64| !matches!(self.jobs[*job].state, State::Ended(_));
        let ids: Vec<String> = self
            .jobs
            .keys()
            .filter(living)
            .map(i64::to_string)
            .collect();
        ids.join("\n")
    }
}

struct Run {
    lot: Lot,
    session: Client,
    model: Model,
    /// what it was when the transaction began
    before: Option<Model>,
    log: Vec<String>,
}

const MOST_ATTEMPTS: i64 = 3;

impl Run {
    fn ask(&mut self, sql: &str) -> String {
        let answer = rows(&mut self.session, sql);
        self.log.push(format!("{sql} -- {answer}"));
        answer
    }

    fn expect(&mut self, sql: &str, wanted: &str) {
        let answer = self.ask(sql);
        if answer != wanted {
            let log = self.log.join("\n");
            panic!(
                "not {wanted:?} but {answer:?} at the end of\n{log}\n{:?}",
                self.model
            );
        }
    }

    fn any_id(&mut self) -> i64 {
        let ids: Vec<i64> = self.model.jobs.keys().copied().collect();
        match ids.len() {
            0 => -1,
            // the last ones live
            n => ids[n - 1 - self.lot.below(n.min(15))],
        }
    }

    fn any_claim(&mut self) -> i64 {
        match self.model.claims.len() {
            0 => 1,
            n => self.model.claims[n - 1 - self.lot.below(n.min(6))],
        }
    }

    fn push(&mut self) {
        let key = (self.lot.below(2) == 0).then(|| format!("k{}", self.lot.below(4)));
        let mode = self.lot.of(&["skip", "id", "replace", "replace_payload"]);
        let group = self.lot.of(&["NULL", "'g1'", "'g2'"]);
        let at = self
            .lot
            .of(&["NULL", "NULL", "clock_timestamp() + interval '0.1 s'"]);
        let priority = self.lot.of(&["0", "0", "-50", "7"]);
        let text = key.as_ref().map_or("NULL".into(), |k| format!("'{k}'"));
        let answer = self.ask(&format!(
            "SELECT strata.queue_push('q', '1', {text}, {at}, {priority}, group_key => {group}, on_duplicate => '{mode}')"
        ));
        let owner = key.as_ref().and_then(|k| self.model.keys.get(k).copied());
        let new = match (owner, mode) {
            (None, _) => true,
            (Some(_), "skip") => {
                assert_eq!(answer, "", "{:?}", self.log);
                false
            }
            (Some(owner), "id") => {
                assert_eq!(answer, owner.to_string(), "{:?}", self.log);
                false
            }
            // one that runs, or that the background worker has in its hands for long, goes on beside the new one
            (Some(owner), _) => answer != owner.to_string(),
        };
        if new {
            let id = answer.parse().expect("an id");
            if let Some(key) = &key {
                self.model.keys.insert(key.clone(), id);
            }
            let state = State::Waiting;
            let job = Job {
                state,
                key,
                attempt: 0,
            };
            let known = self.model.jobs.insert(id, job);
            assert_eq!(known, None, "a new id: {:?}", self.log);
        } else if let (Some(owner), "replace" | "replace_payload") = (owner, mode) {
            assert_eq!(
                self.model.state(owner),
                Some(State::Waiting),
                "{:?}",
                self.log
            );
            if mode == "replace" {
                self.model.jobs.get_mut(&owner).expect("the owner").attempt = 0;
            }
        }
    }

    fn pop(&mut self) {
        let n = 1 + self.lot.below(3);
        let got = self.ask(&format!(
            "SELECT id, claim, attempt FROM strata.queue_pop('q', n => {n})"
        ));
        for line in got.lines() {
            let numbers: Vec<i64> = line
                .split('|')
                .map(|n| n.parse().expect("a number"))
                .collect();
            let [id, claim, attempt] = numbers[..] else {
                panic!("three columns: {line}");
            };
            let job = self.model.jobs.get_mut(&id).expect("a job that was pushed");
            assert_eq!(job.state, State::Waiting, "job {id} in {:?}", self.log);
            job.attempt += 1;
            assert_eq!(job.attempt, attempt, "job {id} in {:?}", self.log);
            job.state = State::Running {
                claim,
                to_cancel: false,
            };
            assert!(!self.model.claims.contains(&claim), "{:?}", self.log);
            self.model.claims.push(claim);
        }
    }

    fn answer(&mut self) {
        let claim = self.any_claim();
        let runs = self.model.runs(claim);
        let cancelled = State::Ended("cancelled");
        match self.lot.below(5) {
            0 => {
                let done = if runs.is_some() { "t" } else { "f" };
                self.expect(&format!("SELECT strata.queue_complete('q', {claim})"), done);
                if let Some((id, _)) = runs {
                    self.model.set(id, State::Ended("done"));
                }
            }
            1 => {
                let last = self.lot.below(4) == 0;
                let attempt = runs.map_or(0, |(id, _)| self.model.jobs[&id].attempt);
                let (word, state) = match runs {
                    None => ("", State::Waiting),
                    Some((_, true)) => ("cancelled", cancelled),
                    _ if last || attempt >= MOST_ATTEMPTS => ("failed", State::Ended("failed")),
                    _ => ("scheduled", State::Waiting),
                };
                let wait = self.lot.of(&["0", "0.05 s"]);
                let sql = format!("SELECT strata.queue_fail('q', {claim}, 'e', '{wait}', {last})");
                self.expect(&sql, word);
                if let Some((id, _)) = runs {
                    self.model.set(id, state);
                }
            }
            2 => {
                let back = if runs.is_some() { "t" } else { "f" };
                self.expect(&format!("SELECT strata.queue_release('q', {claim})"), back);
                match runs {
                    Some((id, true)) => self.model.set(id, cancelled),
                    Some((id, false)) => {
                        self.model.set(id, State::Waiting);
                        self.model.jobs.get_mut(&id).expect("it").attempt -= 1;
                    }
                    None => {}
                }
            }
            3 => {
                let word = match runs {
                    Some((_, true)) => "cancelled",
                    Some((_, false)) => "held",
                    None => "lost",
                };
                let sql = format!("SELECT strata.queue_extend('q', {claim}, '1 h', '2')");
                self.expect(&sql, word);
            }
            _ => {
                let (other, wrong) = (self.any_claim(), self.any_id());
                let mut lost = Vec::new();
                for claim in [claim, wrong, other] {
                    match self.model.runs(claim) {
                        Some((id, _)) => self.model.set(id, State::Ended("done")),
                        None => lost.push(claim.to_string()),
                    }
                }
                let sql = format!(
                    "SELECT strata.queue_complete_many('q', '{{{claim},{wrong},{other}}}')"
                );
                self.expect(&sql, &format!("{{{}}}", lost.join(",")));
            }
        }
    }

    fn steer(&mut self) {
        let id = self.any_id();
        let state = self.model.state(id);
        match self.lot.below(4) {
            0 => {
                let (word, after) = match state {
                    Some(State::Waiting) => ("cancelled", Some(State::Ended("cancelled"))),
                    Some(State::Running { claim, .. }) => {
                        let to_cancel = true;
                        ("requested", Some(State::Running { claim, to_cancel }))
                    }
                    _ => ("", None),
                };
                self.expect(&format!("SELECT strata.queue_cancel('q', {id}, 'w')"), word);
                if let Some(after) = after {
                    self.model.set(id, after);
                }
            }
            1 => {
                let waits = if state == Some(State::Waiting) {
                    "t"
                } else {
                    "f"
                };
                let what = self.lot.of(&[
                    "priority => -2",
                    "run_at => clock_timestamp() + interval '0.1 s'",
                    "run_at => '-infinity'",
                    "payload => '7'",
                    "priority => NULL",
                ]);
                self.expect(
                    &format!("SELECT strata.queue_change('q', {id}, {what})"),
                    waits,
                );
            }
            2 => self.retry(id),
            _ => {
                let sql = format!("SELECT state FROM strata.queue_result('q', {id})");
                match state {
                    None => self.expect(&sql, ""),
                    Some(State::Ended(how)) => self.expect(&sql, how),
                    Some(State::Running { .. }) => self.expect(&sql, "running"),
                    Some(State::Waiting) => {
                        let told = self.ask(&sql);
                        let waits = ["ready", "scheduled", "held"].contains(&told.as_str());
                        assert!(waits, "{told}: {:?}", self.log);
                    }
                }
            }
        }
    }

    fn retry(&mut self, id: i64) {
        let sql = format!("SELECT strata.queue_retry('q', {id})");
        let back = match self.model.state(id) {
            Some(State::Ended(how)) => how != "done",
            _ => false,
        };
        if !back {
            return self.expect(&sql, "f");
        }
        let key = self.model.jobs[&id].key.clone();
        if key
            .as_ref()
            .is_some_and(|key| self.model.keys.contains_key(key))
        {
            // it is refused, and would end the transaction
            return;
        }
        self.expect(&sql, "t");
        self.model.keys.extend(key.map(|key| (key, id)));
        self.model.set(id, State::Waiting);
        self.model.jobs.get_mut(&id).expect("it").attempt = 0;
    }

    /// Transactions that are undone leave nothing behind.
    fn transaction(&mut self) {
        match self.before.take() {
            None if self.lot.below(12) == 0 => {
                self.ask("BEGIN");
                self.before = Some(self.model.clone());
            }
            None => {}
            Some(before) => match self.lot.below(6) {
                0 => drop(self.ask("COMMIT")),
                1 => {
                    self.ask("ROLLBACK");
                    // a claim that was undone may be given again
                    self.model = before;
                }
                _ => self.before = Some(before),
            },
        }
    }

    fn check(&mut self) {
        let living = self.model.living();
        self.expect("SELECT id FROM strata.queue_jobs ORDER BY id", &living);
        let crowded = "SELECT group_key FROM strata.queue_jobs WHERE state IN ('ready', 'running') AND group_key IS NOT NULL \
                       GROUP BY 1 HAVING count(*) > 1";
        self.expect(crowded, "");
        let owners: Vec<String> = self
            .model
            .keys
            .iter()
            .map(|(key, id)| format!("{key}|{id}"))
            .collect();
        let keys = "SELECT key, id FROM (TABLE strata.queue_key_a UNION ALL TABLE strata.queue_key_b) k ORDER BY key";
        self.expect(keys, &owners.join("\n"));
    }

    /// Works off what is left, each job once.
    fn finish(&mut self) {
        let running: Vec<i64> = self.model.claims.clone();
        for claim in running {
            if let Some((id, _)) = self.model.runs(claim) {
                self.expect(&format!("SELECT strata.queue_complete('q', {claim})"), "t");
                self.model.set(id, State::Ended("done"));
            }
        }
        wait_until("all jobs have ended", || {
            self.pop();
            for claim in self.model.claims.clone() {
                if let Some((id, _)) = self.model.runs(claim) {
                    self.expect(&format!("SELECT strata.queue_complete('q', {claim})"), "t");
                    self.model.set(id, State::Ended("done"));
                }
            }
            self.model.living().is_empty()
        });
        for store in ["held", "ticket", "scheduled", "moved", "key"] {
            let sql = format!(
                "SELECT count(*) FROM (TABLE strata.queue_{store}_a UNION ALL TABLE strata.queue_{store}_b) t"
            );
            assert_eq!(
                one(&mut self.session, &sql),
                "0",
                "in {store}: {:?}",
                self.log
            );
        }
        let ended: Vec<String> = (self.model.jobs.iter())
            .filter_map(|(id, job)| match job.state {
                State::Ended(how) => Some(format!("{id}|{how}|{}", job.attempt)),
                _ => None,
            })
            .collect();
        let history = "SELECT id, state, attempts FROM strata.queue_history ORDER BY id";
        self.expect(history, &ended.join("\n"));
    }
}

#[test]
fn every_call_answers_as_the_model_says() {
    for (server, seed) in [
        (preloaded(), 1),
        (plain(), 2),
        (preloaded(), 3),
        (preloaded(), 4),
    ] {
        let name = format!("states_model_{seed}");
        let db = Db::new(server, &name);
        db.run(&format!(
            "SELECT strata.create_queue('q', keep => 'all', lease => '1 h', max_attempts => {MOST_ATTEMPTS})"
        ));
        let mut run = Run {
            lot: Lot(seed),
            session: db.session(),
            model: Model::default(),
            before: None,
            log: Vec::new(),
        };
        for n in 0..500 {
            run.transaction();
            match run.lot.below(10) {
                0..=2 => run.push(),
                3..=4 => run.pop(),
                5..=7 => run.answer(),
                _ => run.steer(),
            }
            if n % 20 == 0 {
                run.check();
            }
        }
        if run.before.take().is_some() {
            exec(&mut run.session, "COMMIT");
        }
        run.check();
        run.finish();
    }
}
