#![doc = include_str!("../README.md")]

pub mod crew;
pub mod handover;
