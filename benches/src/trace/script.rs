//! A trace as steps to be replayed: blocks become slots, and moments of nothing become resets.
//!
//! ```text
//!   events of blocks 0, 1, 2 … ──► steps on slots 0 .. most blocks alive at once
//!   nothing alive any more     ──► Step::Reset, where a region may start over
//! ```
//!
//! Threads are merged into the one order of the trace: a script is replayed by one thread.
//! Blocks that were never freed die at the end, oldest first.

use super::read::{Kind, Trace};
use core::{alloc::Layout, error::Error, fmt};

/// What regions may round sizes up to.
pub const GRAIN_BYTES: usize = 16;

/// One thing to do. Slots are counted from 0; the sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Allocate into an empty slot.
    Alloc {
        /// Where the block is kept.
        slot: u32,
        /// What is asked for.
        layout: Layout,
    },
    /// Change the size of the slot's block.
    Realloc {
        /// Where the block is kept.
        slot: u32,
        /// What it was.
        old: Layout,
        /// What it becomes.
        new: Layout,
    },
    /// Free the slot's block.
    Free {
        /// Where the block is kept.
        slot: u32,
        /// What it was.
        layout: Layout,
    },
    /// Every slot is empty.
    Reset,
}

/// A trace that can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What to do, in order; ends with a reset.
    pub steps: Vec<Step>,
    /// How many slots it needs.
    pub slots: u32,
    /// Bytes that a region needs which neither frees nor grows in place: the most that is handed
    /// out between two resets, rounded up to [`GRAIN_BYTES`] and with room for alignment.
    pub region_bytes: usize,
    /// Most bytes alive at once.
    pub peak_live_bytes: usize,
}

impl Script {
    /// Turns a trace into steps.
    ///
    /// # Errors
    /// [`ScriptError`] where an event asks for more than this machine's address space allows.
    pub fn of(trace: &Trace) -> Result<Self, ScriptError> {
        let mut builder = Builder::new(trace.blocks as usize);
        for event in &trace.events {
            let layout = |size: u64| {
                let error = ScriptError { sequence: event.sequence, size, align: event.align };
                let (Ok(size), Ok(align)) = (usize::try_from(size), usize::try_from(event.align))
                else {
                    return Err(error);
                };
                Layout::from_size_align(size, align).map_err(|_| error)
            };
            let new = layout(event.size)?;
            match event.kind {
                Kind::Alloc { .. } => builder.alloc(event.block, new),
                Kind::Realloc { old_size, .. } => {
                    builder.realloc(event.block, layout(old_size)?, new);
                }
                Kind::Free => builder.free(event.block, new),
            }
        }
        Ok(builder.finish())
    }

    /// Steps that call the allocator.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.steps.iter().filter(|step| **step != Step::Reset).count() as u64
    }
}

/// An event that cannot be replayed on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The event.
    pub sequence: u64,
    /// What it asks for, in bytes.
    pub size: u64,
    /// Its alignment.
    pub align: u64,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, size, align } = self;
        write!(
            f,
            "event {sequence} asks for {size} bytes aligned to {align}, above isize::MAX here"
        )
    }
}

impl Error for ScriptError {}

struct Builder {
    steps: Vec<Step>,
    /// The live blocks' slots and layouts.
    blocks: Vec<Option<(u32, Layout)>>,
    free_slots: Vec<u32>,
    slots: u32,
    live: u32,
    live_bytes: usize,
    peak_live_bytes: usize,
    epoch_bytes: usize,
    region_bytes: usize,
}

impl Builder {
    fn new(blocks: usize) -> Self {
        Self {
            steps: Vec::new(),
            blocks: vec![None; blocks],
            free_slots: Vec::new(),
            slots: 0,
            live: 0,
            live_bytes: 0,
            peak_live_bytes: 0,
            epoch_bytes: 0,
            region_bytes: 0,
        }
    }

    fn alloc(&mut self, block: u32, layout: Layout) {
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        self.blocks[block as usize] = Some((slot, layout));
        self.live += 1;
        self.taken(layout);
        self.steps.push(Step::Alloc { slot, layout });
    }

    fn realloc(&mut self, block: u32, old: Layout, new: Layout) {
        let Some((slot, layout)) = &mut self.blocks[block as usize] else { return };
        *layout = new;
        let slot = *slot;
        self.live_bytes -= old.size();
        self.taken(new);
        self.steps.push(Step::Realloc { slot, old, new });
    }

    fn free(&mut self, block: u32, layout: Layout) {
        let Some((slot, _)) = self.blocks[block as usize].take() else { return };
        self.free_slots.push(slot);
        self.live -= 1;
        self.live_bytes -= layout.size();
        self.steps.push(Step::Free { slot, layout });
        if self.live == 0 {
            self.region_bytes = self.region_bytes.max(core::mem::take(&mut self.epoch_bytes));
            self.steps.push(Step::Reset);
        }
    }

    fn taken(&mut self, layout: Layout) {
        self.live_bytes += layout.size();
        self.peak_live_bytes = self.peak_live_bytes.max(self.live_bytes);
        self.epoch_bytes += layout.size().next_multiple_of(GRAIN_BYTES) + layout.align() - 1;
    }

    fn finish(mut self) -> Script {
        for block in 0..self.blocks.len() {
            if let Some((_, layout)) = self.blocks[block] {
                self.free(u32::try_from(block).expect("blocks are counted in u32"), layout);
            }
        }
        if self.steps.last() != Some(&Step::Reset) {
            self.steps.push(Step::Reset);
        }
        let Self { steps, slots, region_bytes, peak_live_bytes, .. } = self;
        Script { steps, slots, region_bytes, peak_live_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Event;

    #[test]
    fn slots_are_reused_and_nothing_alive_is_a_reset() {
        let event = |sequence, block, kind, size| Event {
            sequence,
            thread: 0,
            block,
            kind,
            size,
            align: 8,
        };
        let new = Kind::Alloc { zeroed: false };
        let events = vec![
            event(0, 0, new, 16),
            event(1, 0, Kind::Realloc { old_size: 16, moved: false }, 32),
            event(2, 0, Kind::Free, 32),
            event(3, 1, new, 8),
            event(4, 2, new, 8),
        ];
        let script = Script::of(&Trace { events, blocks: 3, ..Trace::default() }).unwrap();
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        assert_eq!(
            script.steps,
            [
                Step::Alloc { slot: 0, layout: layout(16) },
                Step::Realloc { slot: 0, old: layout(16), new: layout(32) },
                Step::Free { slot: 0, layout: layout(32) },
                Step::Reset,
                Step::Alloc { slot: 0, layout: layout(8) },
                Step::Alloc { slot: 1, layout: layout(8) },
                Step::Free { slot: 0, layout: layout(8) },
                Step::Free { slot: 1, layout: layout(8) },
                Step::Reset,
            ]
        );
        assert_eq!((script.slots, script.calls()), (2, 7));
        assert_eq!((script.region_bytes, script.peak_live_bytes), (16 + 32 + 14, 32));
    }

    #[test]
    fn an_impossible_size_is_an_error_that_names_it() {
        let kind = Kind::Alloc { zeroed: false };
        let event = Event { sequence: 7, thread: 0, block: 0, kind, size: 1 << 63, align: 8 };
        let error = Script::of(&Trace { events: vec![event], blocks: 1, ..Trace::default() });
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("event 7") && message.contains("9223372036854775808"),
            "{message}"
        );
    }
}
