//! PostgreSQL lists as iterators and builders.

use pgrx::pg_sys;

/// The pointers of a list, in order; nothing for NIL.
///
/// # Safety
/// `list` must be NIL or a list of pointers to `T` that outlives the iterator.
pub unsafe fn pointers<T>(list: *mut pg_sys::List) -> impl Iterator<Item = *mut T> {
    // SAFETY: promised by the caller
    let (cells, n) = unsafe {
        if list.is_null() {
            (std::ptr::null_mut(), 0)
        } else {
            ((*list).elements, (*list).length as usize)
        }
    };
    // SAFETY: i is below the list's length
    (0..n).map(move |i| unsafe { (*cells.add(i)).ptr_value.cast() })
}

/// The integers of an integer list.
///
/// # Safety
/// `list` must be NIL or an integer list.
pub unsafe fn integers(list: *mut pg_sys::List) -> Vec<i32> {
    if list.is_null() {
        return vec![];
    }
    // SAFETY: promised by the caller; i is below the list's length
    unsafe {
        (0..(*list).length as usize)
            .map(|i| (*(*list).elements.add(i)).int_value)
            .collect()
    }
}

/// The OIDs of an OID list.
///
/// # Safety
/// `list` must be NIL or an OID list.
pub unsafe fn oids(list: *mut pg_sys::List) -> Vec<pg_sys::Oid> {
    if list.is_null() {
        return vec![];
    }
    // SAFETY: promised by the caller; i is below the list's length
    unsafe {
        (0..(*list).length as usize)
            .map(|i| (*(*list).elements.add(i)).oid_value)
            .collect()
    }
}

/// The words of a set; none for NULL.
///
/// # Safety
/// `set` must be NULL or a set that outlives the slice.
pub unsafe fn words<'a>(set: *const pg_sys::Bitmapset) -> &'a [pg_sys::bitmapword] {
    if set.is_null() {
        return &[];
    }
    // SAFETY: promised by the caller; a set has as many words as it says
    unsafe { (*set).words.as_slice((*set).nwords as usize) }
}

/// True for two sets with the same members, by their words; older servers leave empty words at the end.
pub fn same_sets(a: &[pg_sys::bitmapword], b: &[pg_sys::bitmapword]) -> bool {
    let n = a.len().min(b.len());
    a[..n] == b[..n] && a[n..].iter().chain(&b[n..]).all(|word| *word == 0)
}

/// A fresh integer list.
pub fn ints(values: &[i32]) -> *mut pg_sys::List {
    let mut list = IntList::new();
    list.extend(values);
    list.into_list()
}

/// Builds an integer list.
pub struct IntList(*mut pg_sys::List);

impl IntList {
    #[must_use]
    pub fn new() -> Self {
        IntList(std::ptr::null_mut())
    }

    pub fn push(&mut self, value: i32) {
        // SAFETY: appends to a list of this builder
        self.0 = unsafe { pg_sys::lappend_int(self.0, value) };
    }

    pub fn extend(&mut self, values: &[i32]) {
        for value in values {
            self.push(*value);
        }
    }

    #[must_use]
    pub fn into_list(self) -> *mut pg_sys::List {
        self.0
    }
}

impl Default for IntList {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::same_sets;

    #[test]
    fn sets_are_equal_by_their_members() {
        assert!(same_sets(&[], &[]) && same_sets(&[0], &[]) && same_sets(&[5, 1], &[5, 1]));
        assert!(same_sets(&[5], &[5, 0, 0]) && same_sets(&[5, 0], &[5]));
        assert!(!same_sets(&[5], &[5, 1]) && !same_sets(&[4], &[5]) && !same_sets(&[], &[1]));
    }
}
