//! Channels, as queues: their `try_` forms, or their blocking ones.
//!
//! ```text
//!   crossbeam-channel   an array or a list of blocks, without locks
//!   flume               a spin lock or a mutex round a VecDeque
//!   kanal               a spin lock round a VecDeque; waiters get values directly
//!   std-mpsc            crossbeam-channel's, with one consumer
//! ```
//!
//! A blocking end never refuses: the scenario's own waiting is never asked for.

use std::sync::mpsc;

use super::About;
use super::queues::{Consumer, Producer, Queue};
use crate::case::Role;

/// A channel with room for `capacity` values, or one without a bound; ends that refuse, or that block.
#[derive(Debug)]
pub struct Channel<F, const BOUNDED: bool, const BLOCKING: bool>(F);

/// Marks crossbeam-channel.
#[derive(Debug)]
pub struct Crossbeam;

/// Marks flume.
#[derive(Debug)]
pub struct Flume;

/// Marks kanal.
#[derive(Debug)]
pub struct Kanal;

/// Marks std's channels, which have one consumer.
#[derive(Debug)]
pub struct Std;

/// An end: it blocks, or refuses.
#[derive(Clone, Debug)]
pub struct End<E, const BLOCKING: bool>(E);

/// std has two kinds of producers.
#[derive(Clone, Debug)]
pub enum StdSender<T> {
    /// `channel`.
    Unbounded(mpsc::Sender<T>),
    /// `sync_channel`.
    Bounded(mpsc::SyncSender<T>),
}

const fn about(name: &'static str, package: &'static str, blocking: bool) -> About {
    About {
        name,
        config: if blocking { "blocking" } else { "default" },
        package,
        why: if blocking { "send and recv" } else { "try_send and try_recv" },
        role: Role::Peer,
    }
}

const OPEN: &str = "both ends are open while a round runs";

macro_rules! channel {
    ($mark:ty, $name:literal, $package:literal, $sender:ty, $receiver:ty, $bounded:expr, $unbounded:expr) => {
        impl<T: Send + 'static, const BOUNDED: bool, const BLOCKING: bool> Queue<T>
            for Channel<$mark, BOUNDED, BLOCKING>
        {
            const ABOUT: About = about($name, $package, BLOCKING);

            type Producer = End<$sender, BLOCKING>;
            type Consumer = End<$receiver, BLOCKING>;

            fn ends(capacity: usize) -> (Self::Producer, Self::Consumer) {
                let (sender, receiver) = if BOUNDED { $bounded(capacity) } else { $unbounded() };
                (End(sender), End(receiver))
            }
        }
    };
}

channel!(
    Crossbeam,
    "crossbeam-channel",
    "crossbeam-channel",
    crossbeam_channel::Sender<T>,
    crossbeam_channel::Receiver<T>,
    crossbeam_channel::bounded,
    crossbeam_channel::unbounded
);
channel!(
    Flume,
    "flume",
    "flume",
    flume::Sender<T>,
    flume::Receiver<T>,
    flume::bounded,
    flume::unbounded
);
channel!(
    Kanal,
    "kanal",
    "kanal",
    kanal::Sender<T>,
    kanal::Receiver<T>,
    kanal::bounded,
    kanal::unbounded
);
channel!(Std, "std-mpsc", "std", StdSender<T>, mpsc::Receiver<T>, std_bounded, std_unbounded);

fn std_bounded<T>(capacity: usize) -> (StdSender<T>, mpsc::Receiver<T>) {
    let (sender, receiver) = mpsc::sync_channel(capacity);
    (StdSender::Bounded(sender), receiver)
}

fn std_unbounded<T>() -> (StdSender<T>, mpsc::Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    (StdSender::Unbounded(sender), receiver)
}

impl<T: Send + 'static, const BLOCKING: bool> Producer<T>
    for End<crossbeam_channel::Sender<T>, BLOCKING>
{
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        if BLOCKING {
            self.0.send(value).map_err(crossbeam_channel::SendError::into_inner)
        } else {
            self.0.try_send(value).map_err(crossbeam_channel::TrySendError::into_inner)
        }
    }
}

impl<T: Send + 'static, const BLOCKING: bool> Consumer<T>
    for End<crossbeam_channel::Receiver<T>, BLOCKING>
{
    #[inline]
    fn pop(&mut self) -> Option<T> {
        if BLOCKING { Some(self.0.recv().expect(OPEN)) } else { self.0.try_recv().ok() }
    }
}

impl<T: Send + 'static, const BLOCKING: bool> Producer<T> for End<flume::Sender<T>, BLOCKING> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        if BLOCKING {
            self.0.send(value).map_err(flume::SendError::into_inner)
        } else {
            self.0.try_send(value).map_err(flume::TrySendError::into_inner)
        }
    }
}

impl<T: Send + 'static, const BLOCKING: bool> Consumer<T> for End<flume::Receiver<T>, BLOCKING> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        if BLOCKING { Some(self.0.recv().expect(OPEN)) } else { self.0.try_recv().ok() }
    }
}

impl<T: Send + 'static, const BLOCKING: bool> Producer<T> for End<kanal::Sender<T>, BLOCKING> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        if BLOCKING {
            self.0.send(value).expect(OPEN);
            return Ok(());
        }
        let mut value = Some(value);
        self.0.try_send_option(&mut value).expect(OPEN);
        value.map_or(Ok(()), Err)
    }
}

impl<T: Send + 'static, const BLOCKING: bool> Consumer<T> for End<kanal::Receiver<T>, BLOCKING> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        if BLOCKING { Some(self.0.recv().expect(OPEN)) } else { self.0.try_recv().expect(OPEN) }
    }
}

impl<T: Send + 'static, const BLOCKING: bool> Producer<T> for End<StdSender<T>, BLOCKING> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        match &self.0 {
            StdSender::Unbounded(sender) => sender.send(value).map_err(|refused| refused.0),
            StdSender::Bounded(sender) if BLOCKING => {
                sender.send(value).map_err(|refused| refused.0)
            }
            StdSender::Bounded(sender) => sender.try_send(value).map_err(|refused| match refused {
                mpsc::TrySendError::Full(value) | mpsc::TrySendError::Disconnected(value) => value,
            }),
        }
    }
}

impl<T: Send + 'static, const BLOCKING: bool> Consumer<T> for End<mpsc::Receiver<T>, BLOCKING> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        if BLOCKING { Some(self.0.recv().expect(OPEN)) } else { self.0.try_recv().ok() }
    }
}
