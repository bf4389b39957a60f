//! NOTIFY, without SQL.

use super::ffi;
use std::ffi::CString;

/// Sends a notification when the running transaction commits. Names and texts are cut to what the server takes.
pub fn send(channel: &str, text: &str) {
    const CHANNEL: usize = 63;
    const TEXT: usize = 7_900;
    let (Ok(channel), Ok(text)) = (
        CString::new(cut(channel, CHANNEL)),
        CString::new(cut(text, TEXT)),
    ) else {
        return;
    };
    if channel.is_empty() {
        return;
    }
    // SAFETY: inside a transaction; both are copied
    unsafe { ffi::Async_Notify(channel.as_ptr(), text.as_ptr()) }
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn texts_are_cut_between_letters() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("aßc", 2), "a");
        assert_eq!(cut("aßc", 3), "aß");
    }
}
