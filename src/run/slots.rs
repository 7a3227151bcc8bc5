//! Slots that several runs share.
//!
//! A run sorts its own steps, the longest way first, and asks here for a slot for each that could begin. Between runs the
//! more important kind comes first, then whoever has the fewest slots, then whoever has waited longest for one; so a
//! repository with a thousand builds leaves the next free slot to one with a single build. What another run builds at the
//! moment is waited for without a slot: afterwards it is there.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::nix::StorePath;

/// For whom a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The smaller, the more important.
    pub class: u8,
    /// Slots are shared evenly between those that differ in this.
    pub owner: i64,
    /// The larger goes first among those of one owner and class.
    pub precedence: i64,
}

/// The slots of a machine. Clones are the same slots.
#[derive(Clone)]
pub struct Slots {
    desk: Arc<Mutex<Desk>>,
}

/// A slot; free again when it is dropped.
pub struct Permit {
    desk: Arc<Mutex<Desk>>,
    target: StorePath,
    owner: i64,
    remote: bool,
}

struct Desk {
    /// Here and on other machines.
    all: [usize; 2],
    taken: [usize; 2],
    busy: HashSet<StorePath>,
    running: HashMap<i64, usize>,
    /// When an owner got a slot last.
    served: HashMap<i64, u64>,
    clock: u64,
    waiting: Vec<Waiting>,
}

struct Waiting {
    share: Share,
    target: StorePath,
    remote: bool,
    permit_tx: oneshot::Sender<Permit>,
}

impl Slots {
    /// So many slots on this machine and on others.
    pub fn new(local: usize, remote: usize) -> Self {
        Self {
            desk: Arc::new(Mutex::new(Desk {
                all: [local, remote],
                taken: [0, 0],
                busy: HashSet::new(),
                running: HashMap::new(),
                served: HashMap::new(),
                clock: 0,
                waiting: Vec::new(),
            })),
        }
    }

    /// From now on there are so many. Who has one keeps it.
    pub fn resize(&self, local: usize, remote: usize) {
        let mut granted = Vec::new();
        {
            let mut desk = lock(&self.desk);
            desk.all = [local, remote];
            desk.grant(&self.desk, &mut granted);
        }
        deliver(granted);
    }

    /// How many there are on this machine and on others.
    pub fn count(&self) -> (usize, usize) {
        lock(&self.desk).all.into()
    }

    /// Waits for a slot to build this derivation. `on_wait` is called if there is none at once.
    pub async fn acquire(
        &self,
        share: Share,
        target: &StorePath,
        remote: bool,
        on_wait: impl FnOnce(),
    ) -> Permit {
        let (permit_tx, mut permit_rx) = oneshot::channel();
        let waiting = Waiting {
            share,
            target: target.clone(),
            remote,
            permit_tx,
        };
        let mut granted = Vec::new();
        {
            let mut desk = lock(&self.desk);
            desk.waiting.push(waiting);
            desk.grant(&self.desk, &mut granted);
        }
        deliver(granted);
        if let Ok(permit) = permit_rx.try_recv() {
            return permit;
        }
        on_wait();
        match permit_rx.await {
            Ok(permit) => permit,
            // Nobody forgets who waits.
            Err(_) => std::future::pending().await,
        }
    }

    /// How many slots are taken and how many steps wait for one.
    pub fn load(&self) -> (usize, usize) {
        let desk = lock(&self.desk);
        (desk.running.values().sum(), desk.waiting.len())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut granted = Vec::new();
        {
            let mut desk = lock(&self.desk);
            desk.taken[usize::from(self.remote)] -= 1;
            desk.busy.remove(&self.target);
            if let Some(count) = desk.running.get_mut(&self.owner) {
                *count -= 1;
                if *count == 0 {
                    desk.running.remove(&self.owner);
                }
            }
            desk.grant(&self.desk, &mut granted);
        }
        deliver(granted);
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Apart from the lock: a permit that nobody takes is dropped here, and gives itself back.
fn deliver(granted: Vec<(oneshot::Sender<Permit>, Permit)>) {
    for (permit_tx, permit) in granted {
        let _ = permit_tx.send(permit);
    }
}

impl Desk {
    /// Gives away what is free.
    fn grant(
        &mut self,
        desk: &Arc<Mutex<Self>>,
        granted: &mut Vec<(oneshot::Sender<Permit>, Permit)>,
    ) {
        self.waiting
            .retain(|waiting| !waiting.permit_tx.is_closed());
        while let Some(best) = self.best() {
            let Waiting {
                share,
                target,
                remote,
                permit_tx,
            } = self.waiting.remove(best);
            self.taken[usize::from(remote)] += 1;
            self.busy.insert(target.clone());
            *self.running.entry(share.owner).or_default() += 1;
            self.clock += 1;
            self.served.insert(share.owner, self.clock);
            let permit = Permit {
                desk: Arc::clone(desk),
                target,
                owner: share.owner,
                remote,
            };
            granted.push((permit_tx, permit));
        }
    }

    /// Who gets the next slot.
    fn best(&self) -> Option<usize> {
        let key = |waiting: &Waiting| {
            let owner = waiting.share.owner;
            (
                waiting.share.class,
                self.running.get(&owner).copied().unwrap_or(0),
                self.served.get(&owner).copied().unwrap_or(0),
                std::cmp::Reverse(waiting.share.precedence),
            )
        };
        self.waiting
            .iter()
            .enumerate()
            .filter(|(_, waiting)| {
                let place = usize::from(waiting.remote);
                self.taken[place] < self.all[place] && !self.busy.contains(&waiting.target)
            })
            .min_by_key(|(at, waiting)| (key(waiting), *at))
            .map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::Pin, task::Context};

    use super::{Permit, Share, Slots};
    use crate::nix::StorePath;

    fn target(name: &str) -> StorePath {
        StorePath::parse(&format!(
            "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{name}.drv"
        ))
        .unwrap()
    }

    fn share(class: u8, owner: i64, precedence: i64) -> Share {
        Share {
            class,
            owner,
            precedence,
        }
    }

    type Asking<'s> = Pin<Box<dyn Future<Output = Permit> + 's>>;

    fn ask<'s>(slots: &'s Slots, share: Share, target: &'s StorePath) -> Asking<'s> {
        let mut asking: Asking<'s> = Box::pin(slots.acquire(share, target, false, || ()));
        assert!(poll(&mut asking).is_none(), "there is a slot already");
        asking
    }

    fn poll(asking: &mut Asking<'_>) -> Option<Permit> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match asking.as_mut().poll(&mut context) {
            std::task::Poll::Ready(permit) => Some(permit),
            std::task::Poll::Pending => None,
        }
    }

    /// Frees slots one after the other; says who got each.
    fn order<'n>(first: Permit, asking: Vec<(&'n str, Asking<'_>)>) -> Vec<&'n str> {
        let mut order = Vec::new();
        let mut asking = asking;
        let mut held = Some(first);
        while held.take().is_some() {
            for at in 0..asking.len() {
                if let Some(permit) = poll(&mut asking[at].1) {
                    order.push(asking.remove(at).0);
                    held = Some(permit);
                    break;
                }
            }
        }
        assert!(asking.is_empty(), "somebody never got a slot");
        order
    }

    #[tokio::test]
    async fn the_important_come_first_and_owners_take_turns() {
        let slots = Slots::new(1, 0);
        let names: Vec<StorePath> = (0..8).map(|n| target(&format!("t{n}"))).collect();
        let first = slots.acquire(share(0, 9, 0), &names[0], false, || ()).await;
        let asking = vec![
            ("a1", ask(&slots, share(1, 1, 1), &names[1])),
            ("a2", ask(&slots, share(1, 1, 1), &names[2])),
            ("a-newer", ask(&slots, share(1, 1, 2), &names[3])),
            ("b1", ask(&slots, share(1, 2, 1), &names[4])),
            ("push", ask(&slots, share(0, 3, 1), &names[5])),
        ];
        assert_eq!(order(first, asking), ["push", "a-newer", "b1", "a1", "a2"]);
        assert_eq!(slots.load(), (0, 0));
    }

    #[tokio::test]
    async fn what_is_being_built_is_waited_for_without_a_slot() {
        let slots = Slots::new(2, 0);
        let (a, b) = (target("a"), target("b"));
        let first = slots.acquire(share(0, 1, 0), &a, false, || ()).await;
        let mut same = ask(&slots, share(0, 2, 0), &a);
        let other = slots.acquire(share(0, 2, 0), &b, false, || ()).await;
        assert_eq!(slots.load(), (2, 1));
        drop(first);
        assert!(poll(&mut same).is_some());
        drop(other);
    }

    #[tokio::test]
    async fn fewer_slots_count_as_soon_as_they_are_free_and_more_at_once() {
        let slots = Slots::new(2, 0);
        let [a, b, c] = ["a", "b", "c"].map(target);
        let share = share(0, 1, 0);
        let first = slots.acquire(share, &a, false, || ()).await;
        let second = slots.acquire(share, &b, false, || ()).await;
        let mut third = ask(&slots, share, &c);
        slots.resize(1, 0);
        drop(first);
        assert!(poll(&mut third).is_none(), "one is still taken");
        slots.resize(2, 0);
        assert!(poll(&mut third).is_some());
        assert_eq!(slots.count(), (2, 0));
        drop(second);
    }

    #[tokio::test]
    async fn who_gives_up_takes_no_slot() {
        let slots = Slots::new(1, 1);
        let (a, b, c) = (target("a"), target("b"), target("c"));
        let first = slots.acquire(share(0, 1, 0), &a, false, || ()).await;
        let gone = ask(&slots, share(0, 1, 0), &b);
        let mut waits = ask(&slots, share(0, 1, 0), &c);
        drop(gone);
        drop(first);
        assert!(poll(&mut waits).is_some());
        let remote = slots.acquire(share(0, 1, 0), &a, true, || ()).await;
        drop(remote);
        assert_eq!(slots.load(), (0, 0));
    }
}
