//! Runs on a real simulator.
