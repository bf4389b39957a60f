//! SQL surface of the cold tier.
