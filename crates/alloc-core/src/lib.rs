//! The allocator seam: layout arithmetic, growth in place, statistics, reserved address space.
