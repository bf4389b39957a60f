//! Questions about the machine that need system calls.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes that this process may still write to the file system of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a zeroed struct of plain numbers is a valid target; the path is NUL terminated
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(path.as_ptr(), &mut found) != 0 {
            return Err(io::Error::last_os_error());
        }
        #[allow(
            clippy::unnecessary_cast,
            clippy::useless_conversion,
            reason = "their types differ between systems"
        )]
        Ok(u64::from(found.f_bavail).saturating_mul(found.f_frsize as u64))
    }
}

/// True when a process of this number exists, ours or not.
pub fn process_exists(pid: i32) -> bool {
    // SAFETY: signal 0 only asks
    let asked = unsafe { libc::kill(pid, 0) };
    asked == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The user as whom this process touches files.
pub fn user() -> u32 {
    // SAFETY: asks for a number of this process
    unsafe { libc::geteuid() }
}
