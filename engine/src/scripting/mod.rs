//! Scripts: code that clients send and the engine runs beside the keys.
//!
//! Why it exists: job queues, locks and rate limiters are a few commands that must happen at once,
//! with a decision between them. What runs a script's code is `lua`; it knows neither keys nor
//! commands.

pub mod lua;
