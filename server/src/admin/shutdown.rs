//! SHUTDOWN's arguments. Stopping is the reactors' work.

use zumic_error::CommandError;

/// SAVE is refused rather than ignored.
const SAVE: CommandError =
    CommandError::NotSupported("this version keeps nothing on disk, SAVE is not possible");

/// What SHUTDOWN asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ShutdownRequest {
    /// NOW: do not wait (for replicas, once there are any).
    pub now: bool,
    /// FORCE: stop even if something that should happen before fails.
    pub force: bool,
}

/// Reads the arguments after the command's name.
///
/// # Errors
/// A syntax error for words that do not go together, an error for SAVE, which
/// this version cannot do, and [`CommandError::ShutdownNotInProgress`] for ABORT: a shutdown is
/// over before anybody could abort it.
pub fn parse(args: &[&[u8]]) -> Result<ShutdownRequest, CommandError> {
    let mut request = ShutdownRequest::default();
    let (mut save, mut no_save, mut abort) = (false, false, false);
    for arg in args {
        let word = arg.to_ascii_lowercase();
        let flag = match word.as_slice() {
            b"abort" => &mut abort,
            b"force" => &mut request.force,
            b"nosave" => &mut no_save,
            b"now" => &mut request.now,
            b"save" => &mut save,
            _ => return Err(CommandError::Syntax),
        };
        *flag = true;
    }
    if (save && no_save) || (abort && args.len() > 1) {
        return Err(CommandError::Syntax);
    }
    match (abort, save) {
        (true, _) => Err(CommandError::ShutdownNotInProgress),
        (_, true) => Err(SAVE),
        (false, false) => Ok(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_do_not_go_together_are_refused() {
        let ask =
            |words: &[&str]| parse(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        assert_eq!(ask(&[]), Ok(ShutdownRequest::default()));
        assert_eq!(ask(&["NoSave", "NOW"]), Ok(ShutdownRequest { now: true, force: false }));
        assert_eq!(ask(&["force"]), Ok(ShutdownRequest { now: false, force: true }));
        assert_eq!(ask(&["SAVE", "NOSAVE"]), Err(CommandError::Syntax));
        assert_eq!(ask(&["ABORT", "NOSAVE"]), Err(CommandError::Syntax));
        assert_eq!(ask(&["later"]), Err(CommandError::Syntax));
        assert_eq!(ask(&["ABORT"]), Err(CommandError::ShutdownNotInProgress));
        assert_eq!(ask(&["SAVE"]), Err(SAVE));
    }
}
