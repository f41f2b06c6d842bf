//! The one error family of Zumic.
