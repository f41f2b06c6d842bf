//! Compiling a loop for each vector width, and choosing the widest while the process runs.
//!
//! Why it exists: a binary is built for the oldest machine that it must run on, but loops over
//! many bytes should use the instructions of the machine it is on. [`by_width`] compiles one
//! portable loop several times; the compiler makes the vectors. This is the leaf that holds the
//! `unsafe` of that choice. Not for loops that the compiler cannot vectorise.
//!
//! Invariants
//! - W1: a [`Width`] holds a level only if the processor was found to have its features.

use std::sync::LazyLock;

/// Sets of features for which loops are compiled, narrowest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// What every machine of the architecture has.
    Baseline,
    /// 256-bit vectors, and counting bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors, and counting and permuting in them.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The proof that the processor has the features of a level (W1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width(Level);

impl Width {
    /// The widest of this machine. Cost: one load.
    #[inline]
    pub(crate) fn best() -> Self {
        static BEST: LazyLock<Width> =
            LazyLock::new(|| *Width::available().last().expect("the baseline is always there"));
        *BEST
    }

    /// Every width of this machine, narrowest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut all = vec![Self(Level::Baseline)];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("popcnt")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vpopcntdq");
            if avx2 {
                all.push(Self(Level::Avx2));
            }
            if avx2 && avx512 {
                all.push(Self(Level::Avx512));
            }
        }
        all
    }

    /// The level it proves.
    #[inline]
    pub(crate) fn level(self) -> Level {
        self.0
    }
}

/// `by_width! { fn name, name_at(argument: Type) -> Result = expression }` makes `name`, which
/// evaluates the expression with the widest instructions of the machine, and `name_at`, which
/// does so with those of the width it is given.
macro_rules! by_width {
    ($(
        $(#[$meta:meta])*
        fn $name:ident, $at:ident ($($argument:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;
    )*) => {$(
        $(#[$meta])*
        #[inline]
        pub(super) fn $name($($argument: $type),*) $(-> $result)? {
            $at($crate::structures::width::Width::best(), $($argument),*)
        }

        $(#[$meta])*
        #[inline]
        pub(super) fn $at(
            width: $crate::structures::width::Width,
            $($argument: $type),*
        ) $(-> $result)? {
            use $crate::structures::width::Level;

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,popcnt,bmi1,bmi2,lzcnt")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                $body
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,popcnt,bmi1,bmi2,lzcnt")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vpopcntdq")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                $body
            }
            match width.level() {
                Level::Baseline => $body,
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => {
                    // SAFETY: W1; the width proves the features.
                    unsafe { avx2($($argument),*) }
                }
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => {
                    // SAFETY: W1; the width proves the features.
                    unsafe { avx512($($argument),*) }
                }
            }
        }
    )*};
}
pub(crate) use by_width;
