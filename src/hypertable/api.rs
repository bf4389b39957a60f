//! SQL surface of hypertables.
