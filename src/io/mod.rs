//! Bytes in and out.

pub mod atomic;
pub mod columns;
