//! ZSP: bytes to frames and requests, and back.
