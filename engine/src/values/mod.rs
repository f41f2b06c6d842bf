//! The types that a key can hold: which structure a value is in, and when it changes to another.
//!
//! Why it exists: clients see one set, whatever it is kept in, and OBJECT ENCODING shows them the
//! choices of Redis. Each type here makes them; the structures know nothing of thresholds, and
//! the commands nothing of encodings.

mod stream;
