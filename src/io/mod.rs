//! Bytes in and out.

pub mod atomic;
