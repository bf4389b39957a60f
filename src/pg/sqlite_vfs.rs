//! A read-only SQLite VFS over [`RangeRead`]: SQLite asks for bytes, the store answers.
//!
//! Invariant: nothing unwinds through SQLite. A panic or a store error inside a callback is kept
//! in the [`Source`], SQLite gets an error code, and whoever called SQLite takes it out again.
//! Registered once per process; which file is meant goes by name through a thread-local list, so
//! many can be open at once. Only main databases exist here: no journal, no WAL, no temporary file.

use crate::cold::store::{Hint, RangeRead, ReadStats, StoreError};
use rusqlite::ffi;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Name of the VFS.
pub(super) const NAME: &CStr = c"strata_cold";

/// What went wrong inside a callback.
pub(super) enum Trouble {
    Store(StoreError),
    Panic(Box<dyn Any + Send>),
}

/// One file as the callbacks see it.
pub(super) struct Source {
    pub(super) reader: Rc<dyn RangeRead>,
    check: fn(),
    /// only what is here is read, see [`Source::trial`]
    trial: Cell<bool>,
    /// a callback works, and may wait
    pub(super) busy: Cell<bool>,
    trouble: RefCell<Option<Trouble>>,
}

impl Source {
    pub(super) fn new(reader: Rc<dyn RangeRead>, check: fn()) -> Source {
        Source {
            reader,
            check,
            trial: Cell::new(false),
            busy: Cell::new(false),
            trouble: RefCell::new(None),
        }
    }

    /// On: a read of what is not here fails, after it has been asked for, instead of waiting.
    pub(super) fn trial(&self, on: bool) {
        self.trial.set(on);
    }

    pub(super) fn hint(&self, hint: Hint) {
        self.reader.hint(hint);
    }

    pub(super) fn rest(&self) {
        self.reader.rest();
    }

    /// True while SQLite is inside a callback: it must not be called for this file then.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// What the callbacks ran into since the last call.
    pub(super) fn take_trouble(&self) -> Option<Trouble> {
        self.trouble.try_borrow_mut().ok()?.take()
    }

    /// True when there is something to take.
    pub(super) fn has_trouble(&self) -> bool {
        self.trouble.try_borrow().map_or(true, |t| t.is_some())
    }

    pub(super) fn stats(&self) -> ReadStats {
        self.reader.stats()
    }

    /// Runs `work`, keeps what goes wrong. With trouble pending nothing runs any more: SQLite may
    /// try again, the store must not be asked again.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Option<T> {
        if self.has_trouble() {
            return None;
        }
        let before = self.busy.replace(true);
        let done = catch_unwind(AssertUnwindSafe(work));
        self.busy.set(before);
        let trouble = match done {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(e)) => Trouble::Store(e),
            Err(payload) => Trouble::Panic(payload),
        };
        if let Ok(mut slot) = self.trouble.try_borrow_mut() {
            *slot = Some(trouble);
        }
        None
    }

    /// Fills `out`, which is all zeros, as far as the file goes.
    fn read(&self, offset: u64, out: &mut [u8]) -> c_int {
        let done = self.guard(|| {
            let left = self.reader.size().saturating_sub(offset);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
            if len == 0 {
                return Ok(0);
            }
            if !self.trial.get() {
                self.reader.read_at(offset, &mut out[..len])?;
            } else if !self.reader.read_if_here(offset, &mut out[..len])? {
                return Err(StoreError::NotHere);
            }
            Ok(len)
        });
        match done {
            None => ffi::SQLITE_IOERR_READ,
            Some(len) if len < out.len() => ffi::SQLITE_IOERR_SHORT_READ,
            Some(_) => ffi::SQLITE_OK,
        }
    }

    /// The progress handler: not 0 tells SQLite to stop.
    pub(super) unsafe extern "C" fn progress(source: *mut c_void) -> c_int {
        // SAFETY: registered with a pointer to the Source that the connection's owner holds
        let source = unsafe { &*source.cast::<Source>() };
        let check = source.check;
        let go_on = source.guard(|| {
            check();
            Ok(())
        });
        c_int::from(go_on.is_none())
    }
}

thread_local! {
    static OFFERED: RefCell<HashMap<CString, Rc<Source>>> = RefCell::new(HashMap::new());
}

/// A source that can be opened by its name as long as this lives.
pub(super) struct Offer(CString);

impl Offer {
    /// Puts a source on the list under a name of its own.
    pub(super) fn new(source: &Rc<Source>) -> Offer {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        // digits hold no NUL
        let name = CString::new(format!("cold-{n}")).unwrap_or_default();
        OFFERED.with_borrow_mut(|list| list.insert(name.clone(), Rc::clone(source)));
        Offer(name)
    }

    /// What `sqlite3_open_v2` takes.
    pub(super) fn uri(&self) -> CString {
        let name = self.0.to_string_lossy();
        CString::new(format!("file:{name}?mode=ro&immutable=1")).unwrap_or_default()
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let _ = OFFERED.try_with(|list| {
            if let Ok(mut list) = list.try_borrow_mut() {
                list.remove(&self.0);
            }
        });
    }
}

/// SQLite allocates it (`szOsFile`), fills `base.pMethods` through us, and never moves it.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// from `Rc::into_raw`, owned by the open file, taken back by `x_close`
    source: *const Source,
}

/// # Safety
/// `file` must be a `File` that `x_open` has opened and `x_close` not closed.
unsafe fn source_of<'a>(file: *mut ffi::sqlite3_file) -> &'a Source {
    // SAFETY: x_open stored a counted reference, which x_close alone gives back
    unsafe { &*(*file.cast::<File>()).source }
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes each open file once; the reference count is the one from x_open
    let source = unsafe { Rc::from_raw((*file.cast::<File>()).source) };
    // the reader may be freed here, and its Drop is not ours
    match catch_unwind(AssertUnwindSafe(|| drop(source))) {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_CLOSE,
    }
}

unsafe extern "C" fn x_read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let (Ok(len), Ok(offset)) = (usize::try_from(amount), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: an open file of ours
    let source = unsafe { source_of(file) };
    // SAFETY: SQLite gives room for `amount` bytes; zeroed first, so nothing is uninitialised
    let out = unsafe {
        std::ptr::write_bytes(out.cast::<u8>(), 0, len);
        std::slice::from_raw_parts_mut(out.cast::<u8>(), len)
    };
    source.read(offset, out)
}

unsafe extern "C" fn x_write(
    _: *mut ffi::sqlite3_file,
    _: *const c_void,
    _: c_int,
    _: ffi::sqlite3_int64,
) -> c_int {
    ffi::SQLITE_READONLY
}

unsafe extern "C" fn x_truncate(_: *mut ffi::sqlite3_file, _: ffi::sqlite3_int64) -> c_int {
    ffi::SQLITE_READONLY
}

unsafe extern "C" fn x_sync(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_size(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file of ours
    let source = unsafe { source_of(file) };
    match source.guard(|| Ok(source.reader.size())) {
        Some(bytes) => {
            // SAFETY: SQLite gives room for one integer
            unsafe { *size = i64::try_from(bytes).unwrap_or(i64::MAX) };
            ffi::SQLITE_OK
        }
        None => ffi::SQLITE_IOERR_FSTAT,
    }
}

unsafe extern "C" fn x_lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_reserved(_: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives room for one integer
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn x_character(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_IMMUTABLE
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_lock),
    xCheckReservedLock: Some(x_reserved),
    xFileControl: Some(x_control),
    xSectorSize: Some(x_sector),
    xDeviceCharacteristics: Some(x_character),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn v_open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for szOsFile bytes; without methods it does not call xClose
    unsafe { (*file).pMethods = std::ptr::null() };
    if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 || name.is_null() {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: not null, and SQLite's names end with NUL
    let name = unsafe { CStr::from_ptr(name) };
    let found = OFFERED.try_with(|list| list.try_borrow().ok()?.get(name).cloned());
    let Ok(Some(source)) = found else {
        return ffi::SQLITE_CANTOPEN;
    };
    // SAFETY: room for a File, see szOsFile; the flags pointer may be null
    unsafe {
        (*file.cast::<File>()).source = Rc::into_raw(source);
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = ffi::SQLITE_OPEN_READONLY;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn v_delete(_: *mut ffi::sqlite3_vfs, _: *const c_char, _: c_int) -> c_int {
    ffi::SQLITE_READONLY
}

unsafe extern "C" fn v_access(
    _: *mut ffi::sqlite3_vfs,
    _: *const c_char,
    _: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for one integer; no other file exists here
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn v_full_path(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite's names end with NUL
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if usize::try_from(room).map_or(true, |room| bytes.len() > room) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `room` bytes at `out`, checked above
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    ffi::SQLITE_OK
}

/// Registers the VFS at the first call in a process; afterwards repeats that result code.
pub(super) fn register() -> c_int {
    static RESULT: OnceLock<c_int> = OnceLock::new();
    *RESULT.get_or_init(|| {
        // SAFETY: plain calls; randomness, sleep and clock of the default VFS ignore their VFS
        // argument (os_unix.c); SQLite keeps the pointer, so the struct is leaked
        unsafe {
            let rc = ffi::sqlite3_initialize();
            let default = ffi::sqlite3_vfs_find(std::ptr::null());
            if rc != ffi::SQLITE_OK || default.is_null() {
                return ffi::SQLITE_ERROR;
            }
            let vfs = Box::new(ffi::sqlite3_vfs {
                iVersion: 1,
                szOsFile: size_of::<File>() as c_int,
                mxPathname: 512,
                pNext: std::ptr::null_mut(),
                zName: NAME.as_ptr(),
                pAppData: std::ptr::null_mut(),
                xOpen: Some(v_open),
                xDelete: Some(v_delete),
                xAccess: Some(v_access),
                xFullPathname: Some(v_full_path),
                xDlOpen: None,
                xDlError: None,
                xDlSym: None,
                xDlClose: None,
                xRandomness: (*default).xRandomness,
                xSleep: (*default).xSleep,
                xCurrentTime: (*default).xCurrentTime,
                xGetLastError: (*default).xGetLastError,
                xCurrentTimeInt64: None,
                xSetSystemCall: None,
                xGetSystemCall: None,
                xNextSystemCall: None,
            });
            ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0)
        }
    })
}
