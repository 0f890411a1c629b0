//! A bump allocator over one region: allocate, reset, nothing else is faster.
