//! Values that live for two rounds: this frame's lists, and the last one's to compare them with.
//!
//! Particles move between the cells of a grid. Each frame makes a list of particles for each cell and
//! counts the particles that are still in the cell where they were. Plain: a `Vec` for each cell and
//! frame. Ours: two regions that take turns.

use alloc_linear::{FrameRef, Frames};

const CELLS: usize = 64;
const FRAMES: u32 = 16;

struct World(Vec<usize>);

impl World {
    /// Particles by number; what stands there is the cell that each is in.
    fn new() -> Self {
        Self((0..4 * CELLS).map(|particle| particle % CELLS).collect())
    }

    fn step(&mut self, random: &mut guide::Random) {
        for _ in 0..32 {
            let particle = random.below(self.0.len());
            self.0[particle] = random.below(CELLS);
        }
    }

    fn in_cell(&self, cell: usize) -> impl Iterator<Item = u32> {
        // Every 16th particle may be here: a grid would not look at all of them either.
        let found = self.0.iter().zip(0..).skip(cell % 16).step_by(16);
        found.filter(move |&(&at, _)| at % 4 == cell % 4).map(|(_, particle)| particle)
    }
}

fn stayed(before: &[u32], now: &[u32]) -> usize {
    now.iter().filter(|particle| before.contains(particle)).count()
}

fn main() {
    let measured = guide::measure("frame", FRAMES as usize)
        .way("a Vec for each cell", || {
            || {
                let (mut world, mut random) = (World::new(), guide::Random::new(9));
                let mut last: Vec<Vec<u32>> = vec![Vec::new(); CELLS];
                let mut sum = 0;
                for _ in 0..FRAMES {
                    world.step(&mut random);
                    let now: Vec<Vec<u32>> =
                        (0..CELLS).map(|cell| world.in_cell(cell).collect()).collect();
                    sum +=
                        last.iter().zip(&now).map(|(last, now)| stayed(last, now)).sum::<usize>();
                    last = now;
                }
                sum
            }
        })
        .way("Frames", || {
            let mut frames = Frames::<2>::with_capacity(16 << 10);
            move || {
                let (mut world, mut random) = (World::new(), guide::Random::new(9));
                let mut last = [None::<FrameRef<[u32]>>; CELLS];
                let mut sum = 0;
                for _ in 0..FRAMES {
                    world.step(&mut random);
                    frames.advance();
                    for (cell, last) in last.iter_mut().enumerate() {
                        let now = frames.current().alloc_from_iter(world.in_cell(cell));
                        let before = last.and_then(|last| frames.get(last));
                        sum += before.map_or(0, |before| stayed(before, now));
                        *last = Some(frames.keep_slice(now));
                    }
                }
                sum
            }
        })
        .way("two sets of Vecs, kept", || {
            let (mut last, mut now) = (vec![Vec::new(); CELLS], vec![Vec::new(); CELLS]);
            move || {
                let (mut world, mut random) = (World::new(), guide::Random::new(9));
                last.iter_mut().for_each(Vec::clear);
                let mut sum = 0;
                for _ in 0..FRAMES {
                    world.step(&mut random);
                    for (cell, (last, now)) in last.iter().zip(&mut now).enumerate() {
                        now.clear();
                        now.extend(world.in_cell(cell));
                        sum += stayed(last, now);
                    }
                    core::mem::swap(&mut last, &mut now);
                }
                sum
            }
        })
        .run();
    assert_eq!((measured[1].allocs, measured[2].allocs), (1, 1), "the world's own");
}
