//! The one thread that talks to the network, so that a backend can be cancelled while it waits.
//!
//! It starts at the first request of a process, is never used after a fork, blocks all signals and
//! calls nothing of PostgreSQL: futures go in, values come out. Each request has a channel of its
//! own; the backend waits on a socket that only says "something is ready", so a late answer to a
//! request that was given up can never be taken for another one.

use crate::cold::store::Host;
use crate::pg::cold_ahead;
use crate::pg::sigmask::with_signals_blocked;
use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

/// The waiter looks at the request at least this often; the socket normally wakes it.
const WAIT: Duration = Duration::from_secs(60);

/// How long the end of a process waits for the thread.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// Descriptors beside the sockets of requests: two ends of the wake-up socket, epoll and its waker.
const OWN_DESCRIPTORS: usize = 4;

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Why a request has no answer, apart from what the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The thread could not be started.
    Start(String),
    /// A bug: the request ended in a panic on the thread.
    Panicked,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Start(why) => write!(f, "cannot start the I/O thread: {why}"),
            Failure::Panicked => f.write_str("internal error on the I/O thread"),
        }
    }
}

struct IoThread {
    pid: u32,
    jobs: mpsc::UnboundedSender<Job>,
    ready: UnixStream,
    signal: UnixStream,
    thread: JoinHandle<()>,
}

thread_local! {
    // of the backend's main thread: no other thread makes requests
    static THREAD: RefCell<Option<IoThread>> = const { RefCell::new(None) };
}

/// Runs a future on the I/O thread and waits for its value. Interrupts served while waiting leave
/// as a panic; the future is then dropped on its thread, and the next request starts clean.
pub fn run<T, F, Fut>(host: &Host, make: F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    begin(host, make)?.wait(host)
}

/// A request under way. Dropped, it is given up.
pub struct Pending<T> {
    answers: Receiver<T>,
    ready: RawFd,
    // goes with this value and tells the task to stop
    _abandon: oneshot::Sender<()>,
}

impl<T> Pending<T> {
    /// The answer, if it is there.
    pub fn poll(&mut self) -> Option<Result<T, Failure>> {
        match self.answers.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Disconnected) => Some(Err(Failure::Panicked)),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Waits for the answer; see [`run`].
    pub fn wait(mut self, host: &Host) -> Result<T, Failure> {
        loop {
            if let Some(answer) = self.poll() {
                return answer;
            }
            (host.while_waiting)();
            (host.wait_readable)(self.ready, WAIT);
            drain();
        }
    }
}

/// Starts a future on the I/O thread and comes back at once.
pub fn begin<T, F, Fut>(host: &Host, make: F) -> Result<Pending<T>, Failure>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    let (ready, signal) = start(host)?;
    let (answer, answers) = channel();
    let reply = Reply {
        answer: Some(answer),
        signal,
    };
    let (abandon, mut abandoned) = oneshot::channel::<()>();
    let job: Job = Box::new(move || {
        Box::pin(async move {
            let reply = reply;
            let mut work = pin!(make());
            let value = poll_fn(|context| {
                if Pin::new(&mut abandoned).poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                work.as_mut().poll(context).map(Some)
            })
            .await;
            if let (Some(value), Some(answer)) = (value, &reply.answer) {
                // nobody listens to an abandoned request any more
                let _ = answer.send(value);
            }
        })
    });
    let sent = THREAD.with_borrow(|thread| thread.as_ref().map(|t| t.jobs.send(job).is_ok()));
    if sent != Some(true) {
        return Err(Failure::Panicked);
    }
    Ok(Pending {
        answers,
        ready,
        _abandon: abandon,
    })
}

/// Empties the wake-up socket; one byte per finished request, also of abandoned ones.
fn drain() {
    THREAD.with_borrow_mut(|thread| {
        let mut bytes = [0; 64];
        while let Some(n) = thread.as_mut().and_then(|t| t.ready.read(&mut bytes).ok()) {
            if n < bytes.len() {
                break;
            }
        }
    });
}

/// The way back of one request. However the request ends (value, panic, dropped), the channel is
/// closed first and then the backend is told to look.
struct Reply<T> {
    answer: Option<Sender<T>>,
    signal: UnixStream,
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.answer = None;
        cold_ahead::answered();
        // a full socket is readable already
        let _ = self.signal.write(&[1]);
    }
}

/// The wake-up descriptor to wait for and a handle to write to it; starts the thread if needed.
fn start(host: &Host) -> Result<(RawFd, UnixStream), Failure> {
    THREAD.with_borrow_mut(|slot| {
        let usable = |t: &&mut IoThread| t.pid == std::process::id() && !t.jobs.is_closed();
        if slot.as_mut().as_ref().is_none_or(|t| !usable(t)) {
            if let Some(stale) = slot.take()
                && stale.pid != std::process::id()
            {
                // after a fork there is no such thread, and its descriptors are the parent's
                std::mem::forget(stale);
            }
            let fresh = spawn().map_err(|e| Failure::Start(e.to_string()))?;
            for _ in 0..OWN_DESCRIPTORS {
                // counted if there is room; needed in any case
                (host.acquire_fd)();
            }
            *slot = Some(fresh);
        }
        let thread = slot.as_ref().ok_or(Failure::Panicked)?;
        let signal = thread.signal.try_clone();
        let signal = signal.map_err(|e| Failure::Start(e.to_string()))?;
        Ok((thread.ready.as_raw_fd(), signal))
    })
}

fn spawn() -> io::Result<IoThread> {
    let (ready, signal) = UnixStream::pair()?;
    ready.set_nonblocking(true)?;
    signal.set_nonblocking(true)?;
    let (jobs, queue) = mpsc::unbounded_channel();
    let thread = with_signals_blocked(|| {
        std::thread::Builder::new()
            .name("strata-io".into())
            .spawn(move || serve(queue))
    })?;
    Ok(IoThread {
        pid: std::process::id(),
        jobs,
        ready,
        signal,
        thread,
    })
}

/// The thread: ends when the backend drops its sender, or when no runtime can be made (the backend
/// then finds its queue closed).
fn serve(mut queue: mpsc::UnboundedReceiver<Job>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build();
    let Ok(runtime) = runtime else { return };
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        while let Some(job) = queue.recv().await {
            // a panic of a task stays in the task: its channel closes, the backend is woken
            drop(tokio::task::spawn_local(async move { job().await }));
        }
    });
    drop(tasks);
    // a name resolution that hangs must not hold up the end of the process
    runtime.shutdown_background();
}

/// Stops the thread at the end of the process. Drops requests in flight; waits a second at most.
pub fn stop() {
    let thread = THREAD.try_with(|slot| slot.try_borrow_mut().ok()?.take());
    let Ok(Some(stopped)) = thread else {
        return;
    };
    if stopped.pid != std::process::id() {
        std::mem::forget(stopped);
        return;
    }
    let IoThread { jobs, thread, .. } = stopped;
    drop(jobs);
    let begun = Instant::now();
    while !thread.is_finished() && begun.elapsed() < STOP_LIMIT {
        std::thread::sleep(Duration::from_millis(2));
    }
    if thread.is_finished() {
        // it says nothing of interest
        let _ = thread.join();
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    thread_local! {
        static PATIENCE: Cell<u32> = const { Cell::new(0) };
    }

    /// A backend that is cancelled after some waits.
    fn impatient(waits: u32) -> Host {
        PATIENCE.set(waits);
        Host {
            wait_readable: |_, _| {
                std::thread::sleep(Duration::from_millis(1));
                PATIENCE.set(PATIENCE.get() - 1);
                assert!(PATIENCE.get() > 0, "cancelled");
            },
            ..Host::plain()
        }
    }

    #[test]
    fn values_come_back() {
        let host = Host::plain();
        for n in 0..50u64 {
            let got = run(&host, move || async move {
                tokio::time::sleep(Duration::from_micros(n)).await;
                n * 2
            });
            assert_eq!(got, Ok(n * 2));
        }
    }

    #[test]
    fn a_panic_is_a_value_and_the_thread_lives_on() {
        let host = Host::plain();
        let got: Result<(), Failure> = run(&host, || async { panic!("test of a panic") });
        assert_eq!(got, Err(Failure::Panicked));
        let got: Result<(), Failure> = run(&host, || {
            assert!(std::process::id() == 0, "test of a panic");
            async {}
        });
        assert_eq!(got, Err(Failure::Panicked));
        assert_eq!(run(&host, || async { 5 }), Ok(5));
    }

    /// Counts futures that were dropped without an end.
    struct Dropped(Arc<AtomicU32>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn abandoned_requests_are_dropped_and_never_answered_later() {
        let dropped = Arc::new(AtomicU32::new(0));
        for n in 0..200u32 {
            let host = impatient(2);
            let guard = Dropped(Arc::clone(&dropped));
            let cancelled = catch_unwind(AssertUnwindSafe(|| {
                run(&host, move || async move {
                    let _guard = guard;
                    // some finish late, most never
                    let limit = if n % 3 == 0 { 3 } else { 3_600_000 };
                    tokio::time::sleep(Duration::from_millis(limit)).await;
                    n
                })
            }));
            if let Ok(answer) = cancelled {
                assert_eq!(answer, Ok(n));
            }
            assert_eq!(
                run(&Host::plain(), move || async move { n + 1000 }),
                Ok(n + 1000)
            );
        }
        assert_eq!(
            dropped.load(Ordering::SeqCst),
            200,
            "no future is left behind"
        );
        stop();
        assert!(THREAD.with_borrow(Option::is_none));
        assert_eq!(run(&Host::plain(), || async { 1 }), Ok(1), "starts again");
        stop();
    }

    #[test]
    fn stop_does_not_wait_for_work_that_hangs() {
        let host = impatient(2);
        let cancelled = catch_unwind(AssertUnwindSafe(|| {
            run(&host, || async { std::future::pending::<()>().await })
        }));
        assert!(cancelled.is_err());
        let begun = Instant::now();
        stop();
        stop();
        assert!(begun.elapsed() < STOP_LIMIT);
    }
}
