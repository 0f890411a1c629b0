//! ringbuf: one producer, one consumer.

use std::sync::Arc;

use ::ringbuf::traits::{Consumer as _, Producer as _, Split};
use ::ringbuf::wrap::direct;
use ::ringbuf::{HeapCons, HeapProd, HeapRb};

use super::About;
use super::queues::{Consumer, Producer, Queue};
use crate::case::Role;

/// Ends that remember the other side's index: what `split` gives.
#[derive(Debug)]
pub struct Caching;

/// Ends that read the other side's index each time.
#[derive(Debug)]
pub struct Direct;

const fn about(config: &'static str, why: &'static str) -> About {
    About { name: "ringbuf", config, package: "ringbuf", why, role: Role::Peer }
}

impl<T: Send + 'static> Queue<T> for Caching {
    const ABOUT: About = about("default", "HeapRb::split; in batches slices");

    type Producer = HeapProd<T>;
    type Consumer = HeapCons<T>;

    fn ends(capacity: usize) -> (HeapProd<T>, HeapCons<T>) {
        HeapRb::new(capacity).split()
    }
}

impl<T: Send + 'static> Queue<T> for Direct {
    const ABOUT: About = about("direct", "its other wrapper: nothing remembered, nothing to renew");

    type Producer = direct::Prod<Arc<HeapRb<T>>>;
    type Consumer = direct::Cons<Arc<HeapRb<T>>>;

    fn ends(capacity: usize) -> (Self::Producer, Self::Consumer) {
        let ring = Arc::new(HeapRb::new(capacity));
        (direct::Prod::new(Arc::clone(&ring)), direct::Cons::new(ring))
    }
}

macro_rules! ends {
    ($producer:ty, $consumer:ty) => {
        impl<T: Send + 'static> Producer<T> for $producer {
            #[inline]
            fn push(&mut self, value: T) -> Result<(), T> {
                self.try_push(value)
            }

            #[inline]
            fn push_batch(&mut self, values: &[T]) -> usize
            where
                T: Copy,
            {
                self.push_slice(values)
            }
        }

        impl<T: Send + 'static> Consumer<T> for $consumer {
            #[inline]
            fn pop(&mut self) -> Option<T> {
                self.try_pop()
            }

            #[inline]
            fn pop_batch(&mut self, most: usize, each: impl FnMut(T)) -> usize {
                let mut len = 0;
                self.pop_iter().take(most).inspect(|_| len += 1).for_each(each);
                len
            }
        }
    };
}

ends!(HeapProd<T>, HeapCons<T>);
ends!(direct::Prod<Arc<HeapRb<T>>>, direct::Cons<Arc<HeapRb<T>>>);
