//! Passwords: hashed with argon2id, checked off the reactors.
//!
//! Why it exists: a check that is cheap for us is cheap for who guesses. One argon2id check costs
//! tens of milliseconds, which no event loop can spend, so one worker thread does them, one after
//! the other, from a bounded queue. A full queue answers an error at once: a flood of guesses
//! slows other logins, never the store. Not for rules about who may do what: there is one user.
//!
//! A storm of reconnecting clients sends the same right password a thousand times. For
//! `RECENT` after a successful check, a keyed digest (BLAKE2b, key random per process) of that
//! password lets the reactor accept it directly. That digest is what argon2 is meant to avoid, a
//! cheap thing to guess against for who reads this process's memory; it therefore lives for two
//! seconds, is not prolonged by hits, and is wiped. Wrong passwords always pay in full.
//!
//! Invariants
//! - P1: no plain password outlives its job: it sits in a [`Secret`], which is wiped.
//! - P2: digests and hashes are compared in constant time.
//! - P3: a remembered digest belongs to the current password; changing it forgets.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use argon2::{Algorithm, Argon2, Params, Version};
use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, KeyInit, Update};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::settings::Secret;

/// The user that `requirepass` is the password of.
pub const DEFAULT_USER: &[u8] = b"default";
/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Checks that may wait. At about 50 per second the last one waits five seconds.
const QUEUE_LEN_MAX: usize = 256;
/// How long a checked password is accepted without another argon2.
const RECENT: Duration = Duration::from_secs(2);
/// How long a finished hash waits for the CONFIG SET that asked for it.
const PREPARED: Duration = Duration::from_secs(30);
const PREPARED_MAX: usize = 16;

/// Which connection asked; given back with the verdict.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuthTicket {
    /// The reactor of the connection.
    pub reactor: usize,
    /// The connection's id, never reused.
    pub connection: u64,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The password is right, or none is set.
    Accepted,
    /// Too many checks are waiting: the client should try again.
    Overloaded,
    /// Wrong user or password.
    Refused,
}

/// What became of a request to check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Submission {
    /// Known at once.
    Done(Verdict),
    /// The verdict will be delivered; park the connection, and submit nothing else for it.
    Pending,
}

/// The hash of a password: argon2id with a random salt. At rest this is all there is.
pub struct PasswordHash {
    salt: [u8; 16],
    output: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash")
    }
}

impl PasswordHash {
    /// Hashes a password. Cost: tens of milliseconds and 19 MiB for that time.
    ///
    /// # Errors
    /// The system's source of randomness failed.
    ///
    /// # Panics
    /// If the password is longer than 4 GiB, which no protocol limit lets through.
    pub fn new(password: &Secret) -> io::Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        Ok(Self { salt, output: derive(password.expose(), &salt) })
    }

    /// Whether this is the hash of `password`. Cost: as for [`PasswordHash::new`].
    #[must_use]
    pub fn matches(&self, password: &Secret) -> bool {
        derive(password.expose(), &self.salt).ct_eq(&*self.output).into()
    }
}

fn derive(password: &[u8], salt: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("constants in range");
    let mut output = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut *output)
        .expect("a password under 4 GiB and a salt of 16 bytes");
    output
}

type Digest = Zeroizing<[u8; 32]>;

/// What the worker does.
enum Job {
    Check { ticket: AuthTicket, password: Secret },
    Hash { digest: Digest, password: Secret },
}

/// A password that passed argon2 a moment ago.
struct Recent {
    digest: Digest,
    at: Instant,
}

/// A hash asked for by CONFIG SET; `hash` is `None` while the worker is at it.
struct Prepared {
    digest: Digest,
    hash: Option<Arc<PasswordHash>>,
    at: Instant,
}

#[derive(Default)]
struct State {
    password: Option<Arc<PasswordHash>>,
    recent: Option<Recent>,
    prepared: Vec<Prepared>,
}

struct Shared {
    key: Zeroizing<[u8; 32]>,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, password: &[u8]) -> Digest {
        let mut mac = <Blake2bMac<U32> as KeyInit>::new_from_slice(&*self.key)
            .expect("a key of 32 bytes is within BLAKE2b's 64");
        Update::update(&mut mac, password);
        let mut output = mac.finalize_fixed();
        let digest = Zeroizing::new(output.into());
        output.as_mut_slice().zeroize();
        digest
    }
}

/// Hands a verdict to the reactor of its ticket. Called by the worker; must not block.
pub type Deliver = Box<dyn Fn(AuthTicket, Verdict) + Send>;

/// The password of the default user, and the worker that checks it.
pub struct Authenticator {
    shared: Arc<Shared>,
    queue: SyncSender<Job>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authenticator")
    }
}

impl Authenticator {
    /// Starts the worker thread. It ends when the authenticator is dropped.
    ///
    /// # Errors
    /// No randomness, or no thread.
    pub fn start(password: Option<PasswordHash>, deliver: Deliver) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(io::Error::other)?;
        let state = State { password: password.map(Arc::new), ..State::default() };
        let shared = Arc::new(Shared { key, state: Mutex::new(state) });
        let (queue, jobs) = sync_channel(QUEUE_LEN_MAX);
        let worker = Arc::clone(&shared);
        thread::Builder::new()
            .name("zumic-auth".to_owned())
            .spawn(move || work(&worker, &jobs, &deliver))?;
        Ok(Self { shared, queue })
    }

    /// Whether clients have to authenticate.
    #[must_use]
    pub fn password_required(&self) -> bool {
        self.shared.lock().password.is_some()
    }

    /// Asks for a check. Cost: a digest and a short lock; never argon2.
    ///
    /// AUTH with a single argument while no password is set is the caller's to refuse
    /// ([`Authenticator::password_required`]); with a user name it is accepted, as in Redis.
    #[must_use]
    pub fn submit(&self, ticket: AuthTicket, user: &[u8], password: &[u8]) -> Submission {
        if user != DEFAULT_USER {
            return Submission::Done(Verdict::Refused);
        }
        if self.is_known(password) {
            return Submission::Done(Verdict::Accepted);
        }
        let password = Secret::new(password.to_vec());
        match self.queue.try_send(Job::Check { ticket, password }) {
            Ok(()) => Submission::Pending,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                Submission::Done(Verdict::Overloaded)
            }
        }
    }

    /// Whether no password is needed, or this one passed argon2 a moment ago.
    fn is_known(&self, password: &[u8]) -> bool {
        let digest = self.shared.digest(password);
        let mut state = self.shared.lock();
        if state.password.is_none() {
            return true;
        }
        if state.recent.as_ref().is_some_and(|recent| recent.at.elapsed() >= RECENT) {
            state.recent = None;
        }
        state.recent.as_ref().is_some_and(|recent| recent.digest.ct_eq(&*digest).into())
    }

    /// Forgets a remembered password whose time is over. Called now and then by a background
    /// thread, so that a digest does not stay because nobody asks for it.
    pub fn tick(&self) {
        let mut state = self.shared.lock();
        if state.recent.as_ref().is_some_and(|recent| recent.at.elapsed() >= RECENT) {
            state.recent = None;
        }
        state.prepared.retain(|entry| entry.at.elapsed() < PREPARED);
    }

    /// The hash of a new password, made by the worker: `None` until it is ready, so the caller
    /// comes back. The same password from two callers is two answers of one kind.
    #[must_use]
    pub fn prepare(&self, password: &Secret) -> Option<Arc<PasswordHash>> {
        let digest = self.shared.digest(password.expose());
        let mut state = self.shared.lock();
        let is_same = |entry: &Prepared| bool::from(entry.digest.ct_eq(&*digest));
        if let Some(index) = state.prepared.iter().position(is_same) {
            let ready = state.prepared[index].hash.is_some();
            return ready.then(|| state.prepared.swap_remove(index).hash).flatten();
        }
        if state.prepared.len() < PREPARED_MAX {
            let job = Job::Hash { digest: digest.clone(), password: password.clone() };
            if self.queue.try_send(job).is_ok() {
                state.prepared.push(Prepared { digest, hash: None, at: Instant::now() });
            }
        }
        None
    }

    /// Makes this the password; `None` removes it.
    pub fn install(&self, password: Option<Arc<PasswordHash>>) {
        let mut state = self.shared.lock();
        state.password = password;
        state.recent = None;
    }
}

/// The worker: until every authenticator is gone.
fn work(shared: &Shared, jobs: &Receiver<Job>, deliver: &Deliver) {
    for job in jobs {
        match job {
            Job::Check { ticket, password } => deliver(ticket, check(shared, &password)),
            Job::Hash { digest, password } => {
                let hash = PasswordHash::new(&password);
                let mut state = shared.lock();
                let found = state.prepared.iter().position(|entry| *entry.digest == *digest);
                match (found, hash) {
                    (Some(index), Ok(hash)) => {
                        state.prepared[index].hash = Some(Arc::new(hash));
                    }
                    // Without randomness the next question starts over.
                    (Some(index), Err(_)) => drop(state.prepared.swap_remove(index)),
                    (None, _) => {}
                }
            }
        }
    }
}

fn check(shared: &Shared, password: &Secret) -> Verdict {
    let Some(hash) = shared.lock().password.clone() else { return Verdict::Accepted };
    if !hash.matches(password) {
        return Verdict::Refused;
    }
    let digest = shared.digest(password.expose());
    let mut state = shared.lock();
    // P3: the password may have changed meanwhile.
    if state.password.as_ref().is_some_and(|current| Arc::ptr_eq(current, &hash)) {
        state.recent = Some(Recent { digest, at: Instant::now() });
    }
    Verdict::Accepted
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const TICKET: AuthTicket = AuthTicket { reactor: 1, connection: 42 };

    fn authenticator(password: &[u8]) -> (Authenticator, Receiver<(AuthTicket, Verdict)>) {
        let hash = PasswordHash::new(&Secret::new(password.to_vec())).unwrap();
        let (sender, verdicts) = mpsc::channel();
        let deliver = Box::new(move |ticket, verdict| sender.send((ticket, verdict)).unwrap());
        (Authenticator::start(Some(hash), deliver).unwrap(), verdicts)
    }

    #[test]
    fn a_wrong_password_always_pays_and_a_right_one_pays_once() {
        let (auth, verdicts) = authenticator(b"hunter2");
        for _ in 0..2 {
            assert_eq!(auth.submit(TICKET, b"default", b"hunter3"), Submission::Pending);
            assert_eq!(verdicts.recv().unwrap(), (TICKET, Verdict::Refused));
        }
        assert_eq!(auth.submit(TICKET, b"default", b"hunter2"), Submission::Pending);
        assert_eq!(verdicts.recv().unwrap(), (TICKET, Verdict::Accepted));
        let at_once = Submission::Done(Verdict::Accepted);
        assert_eq!(auth.submit(TICKET, b"default", b"hunter2"), at_once);
        let refused = Submission::Done(Verdict::Refused);
        assert_eq!(auth.submit(TICKET, b"admin", b"hunter2"), refused);
    }

    #[test]
    fn a_remembered_password_is_forgotten_with_time_and_with_a_new_one() {
        let (auth, verdicts) = authenticator(b"old");
        let ask = || auth.submit(TICKET, b"default", b"old");
        assert_eq!(ask(), Submission::Pending);
        verdicts.recv().unwrap();
        let early = Instant::now().checked_sub(RECENT).unwrap();
        auth.shared.lock().recent.as_mut().unwrap().at = early;
        auth.tick();
        assert!(auth.shared.lock().recent.is_none());
        assert_eq!(ask(), Submission::Pending);
        verdicts.recv().unwrap();
        auth.install(Some(Arc::new(PasswordHash::new(&Secret::new(b"new".to_vec())).unwrap())));
        assert_eq!(ask(), Submission::Pending);
        assert_eq!(verdicts.recv().unwrap().1, Verdict::Refused);
        auth.install(None);
        assert_eq!(ask(), Submission::Done(Verdict::Accepted));
        assert!(!auth.password_required());
    }

    #[test]
    fn a_full_queue_answers_at_once() {
        let (auth, verdicts) = authenticator(b"hunter2");
        let mut pending = 0;
        while auth.submit(TICKET, b"default", b"guess") == Submission::Pending {
            pending += 1;
            assert!(pending <= 2 * QUEUE_LEN_MAX, "the queue has no end");
        }
        assert!(pending >= QUEUE_LEN_MAX);
        // Without a password the rest of the queue costs nothing, which ends the test soon.
        auth.install(None);
        assert_eq!(verdicts.iter().take(pending).count(), pending);
    }

    #[test]
    fn a_new_password_is_hashed_by_the_worker() {
        let (auth, _verdicts) = authenticator(b"old");
        let new = Secret::new(b"new".to_vec());
        let hash = loop {
            match auth.prepare(&new) {
                Some(hash) => break hash,
                None => thread::yield_now(),
            }
        };
        assert!(hash.matches(&new));
        assert!(!hash.matches(&Secret::new(b"old".to_vec())));
        assert!(auth.shared.lock().prepared.is_empty());
    }
}
