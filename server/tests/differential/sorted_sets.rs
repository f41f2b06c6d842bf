//! Templates of commands on sorted sets: see the parent for the letters.
//!
//! Scores are halves of small numbers, which every version of Redis writes alike. Ranges of members
//! are asked of keys whose scores are equal, which `ZADD Z 0` makes; where they are not, the answer
//! depends on the form of the set. Random members are asked for only where the answer is not
//! random: all of them, or none.

pub(crate) const TEMPLATES: &[&str] = &[
    "ZADD K S E",
    "ZADD K S E S E S E",
    "ZADD K S E S E S E S E S E",
    "ZADD K [NX|XX] [GT|LT] [CH] S E S E",
    "ZADD K [NX|XX] [GT|LT] INCR S E",
    "ZADD Z 0 E 0 E 0 E",
    "ZADD Z 0 E 0 E 0 E",
    "ZINCRBY K S E",
    "ZREM (K|Z) E E",
    "ZCARD K",
    "ZSCORE K E",
    "ZMSCORE K E E",
    "ZRANK K E",
    "ZREVRANK K E",
    "ZRANGE K X X [REV] [WITHSCORES]",
    "ZRANGE K 0 -1 WITHSCORES",
    "ZRANGE K R R BYSCORE [REV] [LIMIT_X_X] [WITHSCORES]",
    "ZRANGE Z Y Y BYLEX [REV] [LIMIT_X_X] [WITHSCORES]",
    "ZREVRANGE K X X [WITHSCORES]",
    "ZRANGEBYSCORE K R R [WITHSCORES] [LIMIT_X_X]",
    "ZREVRANGEBYSCORE K R R [WITHSCORES] [LIMIT_X_X]",
    "ZRANGEBYLEX Z Y Y [LIMIT_X_X]",
    "ZREVRANGEBYLEX Z Y Y [LIMIT_X_X]",
    "ZRANGESTORE K K X X [REV]",
    "ZRANGESTORE K K R R BYSCORE [REV] [LIMIT_X_X]",
    "ZRANGESTORE K Z Y Y BYLEX [LIMIT_X_X]",
    "ZCOUNT K R R",
    "ZLEXCOUNT Z Y Y",
    "ZREMRANGEBYRANK K X X",
    "ZREMRANGEBYSCORE K R R",
    "ZREMRANGEBYLEX Z Y Y",
    "ZPOPMIN K [X]",
    "ZPOPMAX K [X]",
    "ZMPOP (1|2|0|abc) K K (MIN|MAX|nosuch) [COUNT_X]",
    "BZPOPMIN K K 0.01",
    "BZPOPMAX K (0.01|abc|-1)",
    "BZMPOP 0.01 2 K K (MIN|MAX) [COUNT_X]",
    "ZRANDMEMBER K (0|1000|abc|-9223372036854775808)",
    "ZUNION (1|2|0|abc) K K [WEIGHTS_S_S] [AGGREGATE_MAX|AGGREGATE_MIN] [WITHSCORES]",
    "ZINTER 2 K K [WEIGHTS_S_S] [AGGREGATE_MAX|AGGREGATE_SUM] [WITHSCORES]",
    "ZDIFF 2 K K [WITHSCORES]",
    "ZUNIONSTORE K 2 K K [WEIGHTS_S_S] [AGGREGATE_MIN]",
    "ZINTERSTORE K 2 K K [AGGREGATE_MIN]",
    "ZDIFFSTORE K 2 K K",
    "ZINTERCARD (1|2|0|-1|abc) K K [LIMIT_X]",
    "ZSCAN K 0 [MATCH_G] [COUNT_1000]",
    "SADD K E E N",
    "DEL K",
    "COPY K K [REPLACE]",
    "OBJECT ENCODING K",
    "TYPE K",
    "SET K V",
    "MULTI",
    "EXEC",
];

/// Scores.
pub(crate) const SCORES: &[&str] = &[
    "0", "1", "2", "-1", "0.5", "-2.5", "3", "1e2", "inf", "-inf", "abc", "nan", "0x10", "", "-0",
];

/// Ends of ranges of scores.
pub(crate) const SCORE_ENDS: &[&str] = &[
    "-inf", "+inf", "0", "1", "(1", "2", "(2", "(0.5", "-1", "abc", "(", "nan", " 1", "inf", "(inf",
];

/// Ends of ranges of members.
pub(crate) const LEX_ENDS: &[&str] =
    &["-", "+", "[a", "(a", "[b", "(b", "[", "(", "[aa", "(zz", "a", "", "-x", "[1"];
