//! What a peer may ask of us.

/// Limits on requests. Each is answered with Redis's words, then the connection is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of an inline request or of a length line.
    pub inline_bytes_max: usize,
    /// Arguments of a request, its name included.
    pub args_max: usize,
    /// Bytes of one argument.
    pub bulk_bytes_max: usize,
    /// Arguments of a request before authentication.
    pub unauthenticated_args_max: usize,
    /// Bytes of one argument before authentication.
    pub unauthenticated_bulk_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inline_bytes_max: 64 * 1024,
            args_max: 1024 * 1024,
            bulk_bytes_max: 512 * 1024 * 1024,
            unauthenticated_args_max: 10,
            unauthenticated_bulk_bytes_max: 16 * 1024,
        }
    }
}
