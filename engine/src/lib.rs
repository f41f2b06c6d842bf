//! The keyspace of Zumic: a lock-free map, its commands and transactions.
