//! The command table (stub in this clone).
pub mod argument;
pub mod glob;
pub mod keyspec;
pub mod number;
pub mod spec;
pub use spec::*;
