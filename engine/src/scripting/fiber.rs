//! A stack of its own for a script, so that it can be left in the middle and resumed.
//!
//! Why it exists: a script that runs for long must not stop its reactor. Its interpreter cannot be
//! left half-way by returning, so it runs on another stack (crate `corosensei`), which the
//! instruction hook leaves after a slice. A fiber is reused for one script after the other;
//! switching stacks costs some ten nanoseconds each way.
//!
//! What a script needs of its connection (the host, and where the reply goes) is lent for one visit
//! to the fiber: from the switch to its stack to the switch back.
//!
//! Invariants
//! - F1: the pointers of a visit are followed only between the two switches of that visit. Who
//!   lends them keeps them borrowed meanwhile: `Fiber::visit` does not return before.
//! - F2: a reference made from them does not outlive the closure it is given to, and the closure
//!   cannot switch, for it has no way to.
//! - F3: a fiber is entered by the thread that made it, and by no other.

use std::cell::{Cell, RefCell, RefMut};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use zumic_error::CommandError;

use super::job::{Ended, Job, Workshop};
use super::running::Running;
use crate::shared::Shared;
use crate::{Host, ReplySink};

/// Bytes of a fiber's stack: the interpreter's C stack is bounded (200 nested C calls of some 1 KiB
/// each), and the deepest handlers of commands take less than 64 KiB. Pages are the kernel's until
/// touched.
const STACK_BYTES: usize = 1 << 20;

/// What is lent for a visit.
#[derive(Clone, Copy)]
struct Loan {
    host: NonNull<dyn Host>,
    sink: NonNull<dyn ReplySink>,
}

/// Why the fiber is entered.
enum Order {
    Exit,
    Visit(Loan),
}

/// Why it is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    /// The job has ended.
    Ended,
    /// Its slice is over.
    Paused,
}

/// Both sides' view of the job.
#[derive(Debug, Default)]
struct Desk {
    job: RefCell<Job>,
    ended: RefCell<Ended>,
}

/// A stack with its session and its VM.
pub(crate) struct Fiber {
    /// `None` when it was left for good in the middle of a script.
    coroutine: Option<Coroutine<Order, Left, (), DefaultStack>>,
    desk: Rc<Desk>,
    paused: bool,
}

impl std::fmt::Debug for Fiber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fiber").field("paused", &self.paused).finish_non_exhaustive()
    }
}

impl Fiber {
    /// A fiber for scripts of the session numbered `host`.
    ///
    /// # Errors
    /// The system has no memory for its stack.
    pub(crate) fn new(shared: &Arc<Shared>, host: u64) -> std::io::Result<Self> {
        let desk = Rc::<Desk>::default();
        let stack = DefaultStack::new(STACK_BYTES)?;
        let (shared, its) = (Arc::clone(shared), Rc::clone(&desk));
        let coroutine = Coroutine::with_stack(stack, move |yielder, first| {
            work(yielder, first, &shared, host, &its);
        });
        Ok(Self { coroutine: Some(coroutine), desk, paused: false })
    }

    /// Gives it a job, which `fill` writes, and a first visit.
    pub(crate) fn start(
        &mut self,
        fill: impl FnOnce(&mut Job),
        host: &mut dyn Host,
        sink: &mut dyn ReplySink,
    ) -> Left {
        assert!(!self.paused, "one job at a time");
        fill(&mut self.desk.job.borrow_mut());
        self.visit(host, sink)
    }

    /// Goes on with its job for a slice.
    pub(crate) fn visit(&mut self, host: &mut dyn Host, sink: &mut dyn ReplySink) -> Left {
        let host: NonNull<dyn Host + '_> = NonNull::from(host);
        let sink: NonNull<dyn ReplySink + '_> = NonNull::from(sink);
        // SAFETY: only the lifetime changes; F1 and F2 keep the uses inside this call.
        let host = unsafe {
            std::mem::transmute::<NonNull<dyn Host + '_>, NonNull<dyn Host + 'static>>(host)
        };
        // SAFETY: as above.
        let sink = unsafe {
            std::mem::transmute::<NonNull<dyn ReplySink + '_>, NonNull<dyn ReplySink + 'static>>(
                sink,
            )
        };
        let coroutine = self.coroutine.as_mut().expect("taken away by `drop` alone");
        let left = match coroutine.resume(Order::Visit(Loan { host, sink })) {
            CoroutineResult::Yield(left) => left,
            CoroutineResult::Return(()) => unreachable!("it was not told to end"),
        };
        self.paused = left == Left::Paused;
        left
    }

    /// The job that has ended, and what came of it.
    pub(crate) fn ended(&mut self) -> (RefMut<'_, Job>, RefMut<'_, Ended>) {
        assert!(!self.paused, "it has ended");
        (self.desk.job.borrow_mut(), self.desk.ended.borrow_mut())
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        let Some(mut coroutine) = self.coroutine.take() else { return };
        if self.paused || std::thread::panicking() {
            // The interpreter's frames cannot be unwound. The process is ending.
            std::mem::forget(coroutine);
        } else if coroutine.started() {
            let _ = coroutine.resume(Order::Exit);
        }
    }
}

/// What happens on the fiber's stack.
fn work(
    yielder: &Yielder<Order, Left>,
    first: Order,
    shared: &Arc<Shared>,
    host: u64,
    desk: &Desk,
) {
    let mut workshop = Workshop::new(shared, host);
    let mut order = first;
    let running = Arc::new(Running::default());
    while let Order::Visit(loan) = order {
        let job = desk.job.borrow();
        running.reset();
        let courier = Courier {
            yielder,
            loan: Cell::new(loan),
            shared,
            running: &running,
            job: &job,
            again: Cell::new(false),
            paused: Cell::new(false),
            refused: RefCell::new(None),
        };
        workshop.run(&courier, &mut desk.ended.borrow_mut());
        drop(job);
        order = yielder.suspend(Left::Ended);
    }
}

/// The way from a script to its reactor.
pub(crate) struct Courier<'f> {
    yielder: &'f Yielder<Order, Left>,
    loan: Cell<Loan>,
    shared: &'f Arc<Shared>,
    running: &'f Arc<Running>,
    /// What it runs.
    pub(crate) job: &'f Job,
    /// The unit cannot be committed: it has to go back.
    pub(crate) again: Cell<bool>,
    /// The fiber was left in the middle of this job.
    paused: Cell<bool>,
    /// Why the script is not worth starting again.
    refused: RefCell<Option<CommandError>>,
}

impl std::fmt::Debug for Courier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

impl Courier<'_> {
    /// Lends the host of this visit.
    pub(crate) fn host<R>(&self, work: impl FnOnce(&mut dyn Host) -> R) -> R {
        let mut host = self.loan.get().host;
        // SAFETY: F1: within a visit; F2: for the closure only, and nobody else has one meanwhile,
        // as commands do not nest.
        work(unsafe { host.as_mut() })
    }

    /// Lends the place where the reply goes.
    pub(crate) fn sink<R>(&self, work: impl FnOnce(&mut dyn ReplySink) -> R) -> R {
        let mut sink = self.loan.get().sink;
        // SAFETY: as above.
        work(unsafe { sink.as_mut() })
    }

    /// Leaves the stack until the next visit.
    pub(crate) fn pause(&self) {
        self.paused.set(true);
        match self.yielder.suspend(Left::Paused) {
            Order::Visit(loan) => self.loan.set(loan),
            Order::Exit => unreachable!("a paused fiber is forgotten, not ended"),
        }
    }

    /// Whether it was left before.
    pub(crate) fn has_paused(&self) -> bool {
        self.paused.get()
    }

    /// A clock for durations, in microseconds.
    pub(crate) fn clock_us(&self) -> u64 {
        self.host(|host| host.clock_us())
    }

    /// Milliseconds after which others do not wait for the script any more; 0 for never.
    pub(crate) fn patience_ms(&self) -> u64 {
        self.shared.scripting.patience_ms()
    }

    /// Whether the script is a function.
    pub(crate) fn is_function(&self) -> bool {
        self.job.is_function()
    }

    pub(crate) fn running(&self) -> &Running {
        self.running
    }

    /// Puts the script on the list of the long ones.
    pub(crate) fn list(&self) {
        self.shared.scripting.long.add(self.running, self.job.label());
    }

    /// Takes it off.
    pub(crate) fn unlist(&self) {
        self.shared.scripting.long.remove(self.running);
    }

    /// Notes why the script cannot be started again.
    pub(crate) fn fail(&self, error: CommandError) {
        *self.refused.borrow_mut() = Some(error);
    }

    /// Takes that.
    pub(crate) fn take_failure(&self) -> Option<CommandError> {
        self.refused.borrow_mut().take()
    }
}
