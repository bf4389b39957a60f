//! What a GapFill plan node carries besides expressions: numbers only, for plans are copied and cached.

use super::gapfill::Mark;
use super::list::{self, IntList};
use crate::hypertable::gapfill::Side;
use pgrx::pg_sys;

/// What a column of the input is in a filled row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// an aggregate
    Null,
    /// a group column
    Copy,
    Bucket,
}

/// A group column other than the bucket.
#[derive(Debug, Clone, Copy)]
pub struct GroupColumn {
    pub attnum: i16,
    pub equality: pg_sys::Oid,
    pub collation: pg_sys::Oid,
}

/// A condition on the time; its value is an expression of the node.
#[derive(Debug, Clone, Copy)]
pub struct BoundLayout {
    pub side: Side,
    pub inclusive: bool,
    pub value_type: pg_sys::Oid,
}

/// A locf or interpolate; its arguments, where present, are expressions of the node.
#[derive(Debug, Clone, Copy)]
pub struct MarkerLayout {
    pub mark: Mark,
    pub value_type: pg_sys::Oid,
    pub present: [bool; 3],
}

/// The expressions of the node come in this order: width, zone, start, finish, bounds, arguments of markers.
#[derive(Debug, Clone)]
pub struct Layout {
    pub key: pg_sys::Oid,
    pub classes: Vec<Class>,
    pub others: Vec<GroupColumn>,
    pub zone: bool,
    pub start: bool,
    pub finish: bool,
    pub bounds: Vec<BoundLayout>,
    pub markers: Vec<MarkerLayout>,
}

fn oid(n: pg_sys::Oid) -> i32 {
    n.to_u32() as i32
}

fn to_oid(n: i32) -> pg_sys::Oid {
    pg_sys::Oid::from(n as u32)
}

impl Layout {
    /// As a list for custom_private.
    pub fn to_list(&self) -> *mut pg_sys::List {
        let mut out = IntList::new();
        let flags = [self.zone, self.start, self.finish].map(i32::from);
        out.push(oid(self.key));
        out.extend(&flags);
        out.push(self.classes.len() as i32);
        for class in &self.classes {
            out.push(*class as i32);
        }
        out.push(self.others.len() as i32);
        for c in &self.others {
            out.extend(&[c.attnum.into(), oid(c.equality), oid(c.collation)]);
        }
        out.push(self.bounds.len() as i32);
        for b in &self.bounds {
            let finish = b.side == Side::Finish;
            out.extend(&[finish.into(), b.inclusive.into(), oid(b.value_type)]);
        }
        out.push(self.markers.len() as i32);
        for m in &self.markers {
            out.extend(&[i32::from(m.mark == Mark::Locf), oid(m.value_type)]);
            out.extend(&m.present.map(i32::from));
        }
        out.into_list()
    }

    /// Reads what [`Self::to_list`] wrote.
    ///
    /// # Safety
    /// `list` must be an integer list.
    pub unsafe fn from_list(list: *mut pg_sys::List) -> Option<Layout> {
        // SAFETY: promised by the caller
        let mut numbers = unsafe { list::integers(list) }.into_iter();
        let mut next = || numbers.next();
        let key = to_oid(next()?);
        let (zone, start, finish) = (next()? != 0, next()? != 0, next()? != 0);
        let mut layout = Layout {
            key,
            classes: vec![],
            others: vec![],
            zone,
            start,
            finish,
            bounds: vec![],
            markers: vec![],
        };
        for _ in 0..next()? {
            layout.classes.push(match next()? {
                0 => Class::Null,
                1 => Class::Copy,
                _ => Class::Bucket,
            });
        }
        for _ in 0..next()? {
            layout.others.push(GroupColumn {
                attnum: next()? as i16,
                equality: to_oid(next()?),
                collation: to_oid(next()?),
            });
        }
        for _ in 0..next()? {
            layout.bounds.push(BoundLayout {
                side: if next()? != 0 {
                    Side::Finish
                } else {
                    Side::Start
                },
                inclusive: next()? != 0,
                value_type: to_oid(next()?),
            });
        }
        for _ in 0..next()? {
            layout.markers.push(MarkerLayout {
                mark: if next()? != 0 {
                    Mark::Locf
                } else {
                    Mark::Interpolate
                },
                value_type: to_oid(next()?),
                present: [next()? != 0, next()? != 0, next()? != 0],
            });
        }
        Some(layout)
    }

    /// Position of the bucket in the input.
    pub fn bucket(&self) -> usize {
        self.classes
            .iter()
            .position(|c| *c == Class::Bucket)
            .unwrap_or(0)
    }
}
