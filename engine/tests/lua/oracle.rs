//! redis-server, which says what is right.
