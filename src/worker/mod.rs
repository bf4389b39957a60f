//! Background processes.

/// Registers what must start with the server.
pub fn init() {}
