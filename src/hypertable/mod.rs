//! Partitions by time or number. Invariant: pg_inherits and relpartbound are the truth about chunks.

pub mod api;
