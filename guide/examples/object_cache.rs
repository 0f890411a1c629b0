//! Objects that are dear to make and are used for a short time: a compressor with its table and its
//! buffer.
//!
//! Plain: a new one for each message. From an `ObjectCache`: one that was used before, put back as
//! new by a hook. Where one is in use at a time, it can be kept and put back by hand, without a cache;
//! the cache is for as many as are in use at once, whoever gives them back.

use alloc_slab::ObjectCache;

/// Finds what was there before (LZ77 without the coding).
struct Compressor {
    /// Where each pair of bytes was seen last, and in which message: below, above 16 bits.
    seen: Vec<usize>,
    message: usize,
    out: Vec<u8>,
}

impl Compressor {
    fn new() -> Self {
        Self { seen: vec![0; 1 << 13], message: 1 << 16, out: Vec::with_capacity(8 << 10) }
    }

    /// As new: what earlier messages left in the table does not count any more.
    fn restore(&mut self) {
        self.message += 1 << 16;
        self.out.clear();
    }

    fn compress(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some([a, b]) = text[at..].first_chunk() {
            let slot = &mut self.seen[(usize::from(*a) << 5 ^ usize::from(*b)) & 0x1fff];
            let last = core::mem::replace(slot, self.message + at);
            let same = last.checked_sub(self.message).map_or(0, |before| {
                let past = &text[before..at];
                past.iter().zip(&text[at..]).take_while(|(past, now)| past == now).count()
            });
            match u8::try_from(same).unwrap_or(u8::MAX) {
                same @ 4.. => {
                    self.out.extend([0xff, same]);
                    at += usize::from(same);
                }
                _ => {
                    self.out.push(*a);
                    at += 1;
                }
            }
        }
        self.out.len()
    }
}

fn main() {
    let mut random = guide::Random::new(19);
    let message = |random: &mut guide::Random| -> Vec<u8> {
        (0..512).map(|_| b"abacadae"[random.below(8)]).collect()
    };
    let messages: Vec<_> = (0..32).map(|_| message(&mut random)).collect();
    let messages = &messages;
    let measured = guide::measure("message", messages.len())
        .way("a new one each time", || {
            || messages.iter().map(|message| Compressor::new().compress(message)).sum::<usize>()
        })
        .way("ObjectCache", || {
            let cache =
                ObjectCache::new(Compressor::new as fn() -> _).with_restore(Compressor::restore);
            move || messages.iter().map(|message| cache.take().compress(message)).sum()
        })
        .way("one, kept and restored", || {
            let mut kept = Compressor::new();
            move || {
                let compress = |message: &Vec<u8>| {
                    kept.restore();
                    kept.compress(message)
                };
                messages.iter().map(compress).sum()
            }
        })
        .run();
    assert_eq!(measured[0].allocs, 64);
    assert_eq!((measured[1].allocs, measured[2].allocs), (0, 0), "kept");
}
