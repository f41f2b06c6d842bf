//! SHUTDOWN's arguments. Stopping is the main thread's work.

use zumic_error::CommandError;

use crate::settings::ShutdownFlags;

/// What SHUTDOWN asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShutdownRequest {
    /// ABORT: take a shutdown back that has not happened yet.
    Abort,
    /// End, in this way.
    End(ShutdownFlags),
}

/// Reads the arguments after the command's name.
///
/// # Errors
/// A syntax error for words that do not go together.
pub fn parse(args: &[&[u8]]) -> Result<ShutdownRequest, CommandError> {
    let mut flags = ShutdownFlags::default();
    let mut abort = false;
    for arg in args {
        let word = arg.to_ascii_lowercase();
        let flag = match word.as_slice() {
            b"abort" => &mut abort,
            b"force" => &mut flags.force,
            b"nosave" => &mut flags.no_save,
            b"now" => &mut flags.now,
            b"save" => &mut flags.save,
            _ => return Err(CommandError::Syntax),
        };
        *flag = true;
    }
    if (flags.save && flags.no_save) || (abort && args.len() > 1) {
        return Err(CommandError::Syntax);
    }
    Ok(if abort { ShutdownRequest::Abort } else { ShutdownRequest::End(flags) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_do_not_go_together_are_refused() {
        let ask =
            |words: &[&str]| parse(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        let end = |flags| Ok(ShutdownRequest::End(flags));
        let plain = ShutdownFlags::default();
        assert_eq!(ask(&[]), end(plain));
        assert_eq!(
            ask(&["NoSave", "NOW"]),
            end(ShutdownFlags { no_save: true, now: true, ..plain })
        );
        assert_eq!(ask(&["force"]), end(ShutdownFlags { force: true, ..plain }));
        assert_eq!(ask(&["SAVE"]), end(ShutdownFlags { save: true, ..plain }));
        assert_eq!(ask(&["ABORT"]), Ok(ShutdownRequest::Abort));
        for wrong in [&["SAVE", "NOSAVE"][..], &["ABORT", "NOSAVE"], &["later"]] {
            assert_eq!(ask(wrong), Err(CommandError::Syntax), "{wrong:?}");
        }
    }
}
