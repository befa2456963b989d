//! The sentence of `explain` names the place in the engine where a known bug went wrong: for twenty of them.
