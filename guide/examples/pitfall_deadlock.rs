//! Pitfall, deadlock: a value whose drop comes back to the pool that holds it.
//!
//! A job that ends takes its children out of the table that it was in itself. If it is dropped while
//! the table is locked, its drop waits for a lock that its own thread holds, for ever. Here it asks
//! with `try_lock` and counts how often it would have hung.

use alloc_slab::{Key, Slab, SyncSlab};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use guide::fact;
use std::sync::{Arc, Mutex, Weak};

#[derive(Default)]
struct Table {
    jobs: Mutex<Slab<Job>>,
    hung: AtomicUsize,
}

struct Job {
    table: Arc<Table>,
    child: Option<Key<Job>>,
}

impl Drop for Job {
    fn drop(&mut self) {
        let Some(child) = self.child else { return };
        // `lock()` in a program that nobody warned.
        let Ok(mut jobs) = self.table.jobs.try_lock() else {
            self.table.hung.fetch_add(1, Relaxed);
            return;
        };
        let child = jobs.remove(child);
        // The child may have children of its own: not while we hold the lock.
        drop(jobs);
        drop(child);
    }
}

/// A table with a job and its child; the job's key.
fn table() -> (Arc<Table>, Key<Job>) {
    let table = Arc::new(Table::default());
    let job = |child| Job { table: Arc::clone(&table), child };
    let mut jobs = table.jobs.lock().expect("nobody panicked");
    let child = jobs.insert(job(None));
    let parent = jobs.insert(job(Some(child)));
    drop(jobs);
    (table, parent)
}

/// The table's jobs and how often a drop would have hung; then it is emptied, as it is a cycle.
fn left(table: &Table) -> (usize, usize) {
    let jobs = core::mem::take(&mut *table.jobs.lock().expect("nobody panicked"));
    (jobs.len(), table.hung.load(Relaxed))
}

/// The same with a table that has no lock: a drop may come back to it. Jobs left when all is done.
fn without_lock() -> usize {
    struct Shared {
        table: Weak<SyncSlab<Shared>>,
        child: Option<Key<Shared>>,
    }
    impl Drop for Shared {
        fn drop(&mut self) {
            if let (Some(child), Some(table)) = (self.child, self.table.upgrade()) {
                table.remove(child);
            }
        }
    }
    let table = Arc::new(SyncSlab::new());
    let job = |child| Shared { table: Arc::downgrade(&table), child };
    let child = table.insert(job(None));
    let parent = table.insert(job(Some(child)));
    table.remove(parent);
    [parent, child].into_iter().filter(|&key| table.contains(key)).count()
}

fn main() {
    let (held, job) = table();
    // The guard is a temporary of this statement: it lives until the semicolon, the job does not.
    drop(held.jobs.lock().expect("nobody panicked").remove(job));
    let (remain, hung) = left(&held);
    fact("dropped under the lock: drops that would hang", hung);
    fact("dropped under the lock: children left behind", remain);
    assert_eq!((remain, hung), (1, 1));

    let (released, job) = table();
    let ended = released.jobs.lock().expect("nobody panicked").remove(job);
    // The guard is gone; now the job.
    drop(ended);
    let (remain, hung) = left(&released);
    fact("dropped after the lock: drops that would hang", hung);
    fact("dropped after the lock: children left behind", remain);
    assert_eq!((remain, hung), (0, 0));

    let children = without_lock();
    fact("dropped by a SyncSlab, which holds no lock: children left behind", children);
    assert_eq!(children, 0);
}
