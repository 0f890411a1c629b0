//! The floor: the sync facade, thread slots, per-CPU data, padding and back-off.
