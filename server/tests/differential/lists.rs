//! Templates of commands on lists, and of SORT: see the parent for the letters.
//!
//! Waiting is short; who is served when is in the scripts. Not compared: SORT of a set that is not
//! sorted, and of text without STORE, where Redis takes `""` and `"\0x"` for equal.

use crate::support::Random;

pub(crate) const TEMPLATES: &[&str] = &[
    "LPUSH K E",
    "LPUSH K E E E",
    "RPUSH K E",
    "RPUSH K E E E E",
    "RPUSH K N N N",
    "LPUSHX K E [E]",
    "RPUSHX K E [E]",
    "LPOP K [1|2|0|-1|abc|1000]",
    "RPOP K [1|2|0|-1|abc|1000]",
    "LLEN K",
    "LRANGE K X X",
    "LRANGE K 0 -1",
    "LINDEX K X",
    "LSET K X E",
    "LINSERT K (BEFORE|AFTER|BESIDE) E E",
    "LREM K (0|1|-1|2|-2|abc) E",
    "LTRIM K X X",
    "LPOS K E [RANK_1|RANK_-1|RANK_2|RANK_0|RANK_abc] [COUNT_0|COUNT_2|COUNT_-1] [MAXLEN_2]",
    "LMOVE K K (LEFT|RIGHT) (LEFT|RIGHT)",
    "RPOPLPUSH K K",
    "LMPOP (1|2|0|abc) K K (LEFT|RIGHT) [COUNT_2|COUNT_0]",
    "BLPOP K K 0.001",
    "BRPOP K (0.001|-1|abc)",
    "BLMOVE K K (LEFT|RIGHT) (LEFT|RIGHT) 0.001",
    "BRPOPLPUSH K K 0.001",
    "BLMPOP 0.001 1 K (LEFT|RIGHT) [COUNT_2]",
    "SORT K [DESC] [LIMIT_X_X] [STORE_K]",
    "SORT K ALPHA [DESC] [LIMIT_X_X] [GET_#] [GET_k*] STORE K",
    "SORT K BY k* [DESC] [GET_#]",
    "SORT_RO K [DESC]",
    "DEL K",
    "COPY K K [REPLACE]",
    "RENAME K K",
    "EXPIRE K T",
    "OBJECT ENCODING K",
    "MULTI",
    "EXEC",
];

/// On lists that become long, of elements that are worth compressing.
pub(crate) const LONG_TEMPLATES: &[&str] = &[
    "LPUSH K EL EL EL EL EL EL EL EL",
    "LPUSH K EL",
    "RPUSH K EL EL EL EL EL EL EL EL",
    "RPUSH K EL",
    "LPOP K [2|7]",
    "RPOP K [2|7]",
    "LRANGE K X X",
    "LRANGE K 0 -1",
    "LINDEX K (0|4|7|-5|-9)",
    "LSET K (0|4|7|-5|-9) EL",
    "LINSERT K (BEFORE|AFTER) EL EL",
    "LREM K (0|1|-1|2) EL",
    "LTRIM K (0|2|4) (-1|-2|-7)",
    "LPOS K EL [RANK_-1|RANK_2] [COUNT_0|COUNT_2] [MAXLEN_9]",
    "LMOVE K K (LEFT|RIGHT) (LEFT|RIGHT)",
    "SORT K ALPHA [LIMIT_1_9] STORE K",
    "COPY K K REPLACE",
];

/// Some 100 bytes, few of them different.
pub(crate) fn long(random: &mut Random) -> Vec<u8> {
    format!("element {}; ", random.below(6)).repeat(8).into_bytes()
}
