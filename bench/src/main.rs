//! The numbers that Seawall stands by.
fn main() {}
