//! `string`, where Lua's own would let a script stop the reactor.

use super::raw::Stack;
use super::shared::Shared;

/// Replaces functions of the table on the top; may raise.
pub(super) fn install(_stack: Stack, _shared: &Shared) {}
