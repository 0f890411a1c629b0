//! Threads under loom: loom's, plus what `freeze` must know, plus `scope`.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::marker::PhantomData;
use std::io;
use std::sync::Mutex;

pub use loom::thread::{AccessError, LocalKey, Thread, ThreadId, current, park, yield_now};

use super::execution::Me;
use super::freeze;

/// Handle of a spawned thread.
#[derive(Debug)]
pub struct JoinHandle<T>(loom::thread::JoinHandle<T>);

impl<T> JoinHandle<T> {
    fn started(inner: loom::thread::JoinHandle<T>) -> Self {
        // loom runs the new thread at the next switch, not before.
        freeze::spawned(Me::of(inner.thread().id()).thread);
        Self(inner)
    }

    /// Waits for the thread to end and returns its result.
    ///
    /// # Errors
    ///
    /// Never: a panic ends the model.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        freeze::joining(Me::of(self.0.thread().id()).thread);
        let result = self.0.join();
        freeze::joined();
        result
    }

    /// Returns the thread.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.0.thread()
    }
}

/// Wraps a thread's work in what the facade does at its start and end.
fn body<T>(f: impl FnOnce() -> T) -> impl FnOnce() -> T {
    move || {
        // Asked while loom still knows: destructors of thread-locals will use the answer.
        let me = Me::current();
        let result = f();
        if let Some(me) = me {
            freeze::done(me.thread);
        }
        result
    }
}

/// Starts a thread.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    JoinHandle::started(loom::thread::spawn(body(f)))
}

/// Names a thread before it starts.
#[derive(Debug)]
pub struct Builder(loom::thread::Builder);

impl Builder {
    /// Starts with no name.
    #[must_use]
    pub fn new() -> Self {
        Self(loom::thread::Builder::new())
    }

    /// Sets the thread's name.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    /// Sets the size of the thread's stack, in bytes.
    #[must_use]
    pub fn stack_size(self, bytes: usize) -> Self {
        Self(self.0.stack_size(bytes))
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Never: loom's threads always start.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.0.spawn(body(f)).map(JoinHandle::started)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// A scope that joins its threads before it ends; see [`scope`].
#[derive(Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    /// Threads nobody joined yet.
    threads: Mutex<Vec<Arc<Mutex<Option<JoinHandle<()>>>>>>,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

/// Handle of a thread of a [`scope`].
#[derive(Debug)]
pub struct ScopedJoinHandle<'scope, T> {
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    result: Arc<Mutex<Option<T>>>,
    _scope: PhantomData<&'scope ()>,
}

/// Runs `f` with a scope whose threads may borrow from around it, and joins them all.
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let scope = Scope { threads: Mutex::new(Vec::new()), _scope: PhantomData, _env: PhantomData };
    let result = f(&scope);
    loop {
        let next = scope.threads.lock().expect("not poisoned: no panic under it").pop();
        let Some(thread) = next else { return result };
        join_once(&thread);
    }
}

fn join_once(thread: &Mutex<Option<JoinHandle<()>>>) {
    let handle = thread.lock().expect("not poisoned: no panic under it").take();
    if let Some(handle) = handle {
        handle.join().expect("a panic ends the model");
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a thread that ends before the scope does.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let work: Box<dyn FnOnce() + 'scope> = Box::new(move || {
            let value = f();
            *slot.lock().expect("not poisoned: no panic under it") = Some(value);
        });
        // SAFETY: only the lifetime changes. `scope` joins every thread before it returns, and a
        // panic in a model never resumes other threads: loom leaks their stacks. So nothing the
        // closure borrows is used after `'scope`.
        let work: Box<dyn FnOnce()> = unsafe { core::mem::transmute(work) };
        let thread =
            Arc::new(Mutex::new(Some(JoinHandle::started(loom::thread::spawn(body(work))))));
        self.threads.lock().expect("not poisoned: no panic under it").push(Arc::clone(&thread));
        ScopedJoinHandle { thread, result, _scope: PhantomData }
    }
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the thread to end and returns its result.
    ///
    /// # Errors
    ///
    /// Never: a panic ends the model.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        join_once(&self.thread);
        let value = self.result.lock().expect("not poisoned: no panic under it").take();
        Ok(value.expect("the thread has ended"))
    }
}
