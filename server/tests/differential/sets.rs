//! Templates of commands on sets: see the parent for the letters.
//!
//! Random members are asked for only where the answer is not random: all of them, or none. The
//! same goes for scans: what a part of one shows is not compared.

pub(crate) const TEMPLATES: &[&str] = &[
    "SADD K E",
    "SADD K E E E",
    "SADD K E E E E E E",
    "SADD K N N N",
    "SREM K E",
    "SREM K E E E",
    "SCARD K",
    "SISMEMBER K E",
    "SMISMEMBER K E E",
    "SMEMBERS K",
    "SMEMBERS K",
    "SMOVE K K E",
    "SINTER K [K] [K]",
    "SUNION K [K] [K]",
    "SDIFF K [K] [K]",
    "SINTERSTORE K K [K] [K]",
    "SUNIONSTORE K K [K] [K]",
    "SDIFFSTORE K K [K] [K]",
    "SINTERCARD (1|2|3|0|-1|abc) K [K] [K] [LIMIT_I]",
    "SPOP K (0|1000|-1|abc)",
    "SRANDMEMBER K (0|1000|abc|-9223372036854775808)",
    "SSCAN K 0 [MATCH_G] [COUNT_1000]",
    "SSCAN K (0|abc) COUNT (0|-1|abc|1000)",
    "DEL K",
    "COPY K K [REPLACE]",
    "RENAME K K",
    "OBJECT ENCODING K",
    "TYPE K",
    "SET K V",
    "MULTI",
    "EXEC",
];
