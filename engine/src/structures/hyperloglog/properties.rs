//! What must hold of sketches whatever a client has stored. Unit tests call it with generated
//! bytes, the fuzz target with whatever the fuzzer finds.

use super::{Invalid, REGISTERS, Sketch, View};

/// Additions to an arbitrary string, taken as a sparse sketch, do what they do to a dense one,
/// or say that it is corrupt. The first two bytes choose how many additions there are and the
/// limit of the sparse form.
///
/// # Panics
/// If they do not.
pub fn additions_agree_with_dense(input: &[u8]) {
    let [additions, limit, runs @ ..] = input else { return };
    let limit = usize::from(*limit) * 16;
    let header = &Sketch::default().into_bytes()[..super::HEADER_BYTES];
    let bytes =
        if runs.is_empty() { Sketch::default().into_bytes() } else { [header, runs].concat() };
    let view = View::new(&bytes).expect("the header is sound");
    let (mut sparse, mut dense) = (Sketch::from(view), Sketch::from(view));
    if dense.to_dense() == Err(Invalid::Corrupt) {
        assert_eq!(view.count(), Err(Invalid::Corrupt), "{runs:?}");
        assert_eq!(view.merge_into(&mut [0; REGISTERS]), Err(Invalid::Corrupt), "{runs:?}");
        // It may be found out late, or not at all; it must only do no harm.
        for number in 0..*additions {
            if sparse.add(&[number], limit).is_err() {
                return;
            }
        }
        return;
    }
    for number in 0..u16::from(*additions) * 8 {
        let element = number.to_le_bytes();
        let (a, b) = (sparse.add(&element, limit), dense.add(&element, limit));
        assert_eq!(a, b, "{runs:?}: {number}");
    }
    let registers = |sketch: &Sketch| {
        let mut registers = [0; REGISTERS];
        sketch.view().merge_into(&mut registers).expect("sound");
        registers
    };
    assert!(registers(&sparse) == registers(&dense), "{runs:?}");
    assert_eq!(sparse.view().count(), dense.view().count(), "{runs:?}");
}
