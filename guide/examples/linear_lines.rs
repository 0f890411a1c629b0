//! Many small values, all gone at a moment that you can name, and never more than a bound: what one
//! line of input needs while it is worked on.
//!
//! Each line's words, in lower case, sorted, joined again. Plain, every word is a `String` and every
//! line has a `Vec`. In a region all of it is freed by one store.

use alloc_linear::Linear;

fn plain(line: &str) -> u64 {
    let mut words: Vec<String> = line.split(' ').map(str::to_ascii_lowercase).collect();
    words.sort_unstable();
    weigh(words.iter())
}

fn in_region(line: &str, region: &Linear) -> u64 {
    let words = region.alloc_from_iter(line.split(' ').map(|word| {
        let word = region.alloc_str(word);
        word.make_ascii_lowercase();
        &*word
    }));
    words.sort_unstable();
    weigh(words.iter())
}

/// One text and one list of places in it, kept: what one does without any allocator of ours.
fn reused(line: &str, text: &mut String, words: &mut Vec<(usize, usize)>) -> u64 {
    text.clear();
    text.push_str(line);
    text.make_ascii_lowercase();
    words.clear();
    let mut start = 0;
    for word in line.split(' ') {
        words.push((start, start + word.len()));
        start += word.len() + 1;
    }
    words.sort_unstable_by_key(|&(from, to)| &text[from..to]);
    weigh(words.iter().map(|&(from, to)| &text[from..to]))
}

fn weigh(words: impl Iterator<Item = impl AsRef<str>>) -> u64 {
    words.fold(7, |sum, word| {
        word.as_ref()
            .bytes()
            .fold(sum, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0193))
            + 1
    })
}

/// Lines of four to fifteen words.
fn lines() -> Vec<String> {
    let mut random = guide::Random::new(5);
    let word = |random: &mut guide::Random| {
        let letter = |random: &mut guide::Random| b"EtaoInsHrdLu"[random.below(12)] as char;
        (0..2 + random.below(12)).map(|_| letter(random)).collect::<String>()
    };
    let line = |random: &mut guide::Random| {
        (0..4 + random.below(12)).map(|_| word(random)).collect::<Vec<_>>().join(" ")
    };
    (0..64).map(|_| line(&mut random)).collect()
}

fn main() {
    let lines = &lines();
    let measured = guide::measure("line", lines.len())
        .way("Strings in a Vec", || {
            || lines.iter().map(|line| plain(line)).fold(0, u64::wrapping_add)
        })
        .way("Linear, reset", || {
            let mut region = Linear::with_capacity(16 << 10);
            move || {
                let one = |line: &String| {
                    region.reset();
                    in_region(line, &region)
                };
                lines.iter().map(one).fold(0, u64::wrapping_add)
            }
        })
        .way("two buffers, kept", || {
            let (mut text, mut words) = (String::new(), Vec::new());
            move || {
                let one = |line: &String| reused(line, &mut text, &mut words);
                lines.iter().map(one).fold(0, u64::wrapping_add)
            }
        })
        .run();
    assert_eq!((measured[1].allocs, measured[2].allocs), (0, 0));
}
