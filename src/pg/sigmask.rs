//! Signal mask of new threads.

/// Runs `f` with every signal blocked in this thread, then restores the mask. A thread started
/// inside inherits the full mask, as do the threads that it starts: PostgreSQL's handlers must run
/// on the main thread only, or latches stop waking.
pub fn with_signals_blocked<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(libc::sigset_t);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the mask was filled in by pthread_sigmask below
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
        }
    }
    // SAFETY: both sets are plain C data on this stack; sigfillset and pthread_sigmask fill them
    let _restore = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        Restore(before)
    };
    f()
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn blocked(signal: i32) -> bool {
        // SAFETY: reads the mask of this thread into a local set
        unsafe {
            let mut now: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &mut now);
            libc::sigismember(&now, signal) == 1
        }
    }

    #[test]
    fn threads_inherit_a_full_mask_and_the_caller_keeps_its_own() {
        assert!(!blocked(libc::SIGURG));
        let thread = with_signals_blocked(|| {
            std::thread::spawn(|| [libc::SIGURG, libc::SIGTERM, libc::SIGINT].map(blocked))
        });
        assert!(!blocked(libc::SIGURG));
        assert_eq!(thread.join().expect("no panic"), [true; 3]);
    }
}
