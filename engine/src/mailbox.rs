//! A mailbox: any thread puts messages in, one thread takes them all out.
//!
//! Why it exists: reactors talk to each other (deliveries, kills, verdicts) without a lock, and
//! wake the receiver once for many messages. Not a queue for single items: the receiver takes
//! everything that is there, in the order of arrival.
//!
//! A stack of nodes whose head is swapped out whole (Treiber's stack without its pop, so there
//! is no ABA), turned around on the way out. The sender that finds the stack empty is the one
//! that has to wake the receiver: whoever comes later knows that somebody did.
//!
//! Invariants
//! - L1: nodes reachable from `head` are owned by the mailbox; `drain` takes them all at once.
//! - L2: from the push that found the stack empty until the next `drain`, a wake-up is owed or was
//!   given: `push` answers `true` exactly when the stack was empty.
//!
//! Ordering edges
//! - `mail`: CAS of `head` in `push` (Release) -> swap of `head` in `drain` (Acquire). Carries the
//!   message and the links.

use std::ptr::null_mut;

use crate::sync::{AtomicPtr, Ordering};

struct Node<T> {
    message: T,
    next: *mut Node<T>,
}

/// Messages from many threads to one.
///
/// # Examples
/// ```
/// use engine::mailbox::Mailbox;
///
/// let mailbox = Mailbox::default();
/// assert!(mailbox.push(1), "the first message has to wake the receiver");
/// assert!(!mailbox.push(2), "the second finds it woken");
/// let mut got = Vec::new();
/// mailbox.drain(|message| got.push(message));
/// assert_eq!(got, [1, 2]);
/// ```
pub struct Mailbox<T> {
    head: AtomicPtr<Node<T>>,
    /// `AtomicPtr` is `Send + Sync` for every `T`; this turns that off.
    _owns: std::marker::PhantomData<*mut T>,
}

// SAFETY: moving the mailbox moves the messages in it (L1).
unsafe impl<T: Send> Send for Mailbox<T> {}
// SAFETY: `push` and `drain` move messages between threads (needs `Send`); no `&T` is shared.
unsafe impl<T: Send> Sync for Mailbox<T> {}

impl<T> std::fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { head: AtomicPtr::new(null_mut()), _owns: std::marker::PhantomData }
    }
}

impl<T> Mailbox<T> {
    /// Puts a message in. True when the receiver must be woken, which is then the caller's job.
    ///
    /// Cost: one allocation, one CAS; lock-free.
    pub fn push(&self, message: T) -> bool {
        let node = Box::into_raw(Box::new(Node { message, next: null_mut() }));
        // ORDER(mail): Relaxed; the pointer is only linked behind, not followed.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: not published yet: ours alone.
            unsafe { (*node).next = head };
            // ORDER(mail): Release; the message and its link are visible to `drain`.
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    /// Takes every message, oldest first. One thread at a time, the receiver.
    pub fn drain(&self, mut take: impl FnMut(T)) {
        // ORDER(mail): Acquire; the messages and links of all pushes that are taken.
        let mut node = self.head.swap(null_mut(), Ordering::Acquire);
        let mut oldest: *mut Node<T> = null_mut();
        while !node.is_null() {
            // SAFETY: L1: taken out by the swap, ours alone.
            let current = unsafe { &mut *node };
            let next = current.next;
            current.next = oldest;
            oldest = node;
            node = next;
        }
        while !oldest.is_null() {
            // SAFETY: boxed in `push`, taken out above.
            let current = unsafe { Box::from_raw(oldest) };
            oldest = current.next;
            take(current.message);
        }
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        self.drain(drop);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn messages_of_each_sender_keep_their_order_and_none_is_lost() {
        const EACH: usize = 10_000;
        let mailbox = Mailbox::default();
        let mut seen = [0; 3];
        std::thread::scope(|scope| {
            for sender in 0..3 {
                let mailbox = &mailbox;
                scope.spawn(move || {
                    for i in 0..EACH {
                        mailbox.push((sender, i));
                    }
                });
            }
            while seen.iter().sum::<usize>() < 3 * EACH {
                mailbox.drain(|(sender, i)| {
                    assert_eq!(seen[sender], i, "sender {sender}");
                    seen[sender] += 1;
                });
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn only_the_first_message_asks_for_a_wake_up() {
        let mailbox = Mailbox::default();
        assert!(mailbox.push("a"));
        assert!(!mailbox.push("b"));
        mailbox.drain(drop);
        assert!(mailbox.push("c"));
    }
}
