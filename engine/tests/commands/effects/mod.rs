//! What writes leave in the log makes the same store again.
//!
//! Random commands over few keys, from every row of the command table that writes, run in one
//! session or in several on threads of their own; their journals are merged by TID, as the log is,
//! and replayed into an empty engine that has other thresholds. Both stores must then be the same,
//! expired leftovers included.

mod grammar;
mod merged;
mod recorder;
mod rules;
mod store;
mod templates;
mod threads;
