//! The gate that is closed around a fork. That a child can open what its parent writes is shown from Python, where forks
//! happen.

use std::sync::mpsc::sync_channel;
use std::thread::{scope, spawn};

use super::super::fork::Gate;

/// One for each test: the one of the process would hold up the others.
fn gate() -> &'static Gate {
    Box::leak(Box::new(Gate::new()))
}

#[test]
fn a_fork_waits_until_everybody_who_is_inside_has_left() {
    let gate = gate();
    let inside = gate.enter();
    let (forked, has_forked) = sync_channel(4);
    let forking = spawn(move || {
        gate.close();
        forked.send(()).unwrap();
    });
    while !gate.is_closed() {
        std::thread::yield_now();
    }
    has_forked.try_recv().unwrap_err();
    drop(inside);
    has_forked.recv().unwrap();
    forking.join().unwrap();
}

#[test]
fn nobody_enters_before_every_fork_is_over() {
    let gate = gate();
    gate.close();
    gate.close();
    let (entered, has_entered) = sync_channel(4);
    scope(|scope| {
        for _ in 0..4 {
            let entered = entered.clone();
            scope.spawn(move || {
                let _inside = gate.enter();
                entered.send(()).unwrap();
            });
        }
        gate.open();
        has_entered.try_recv().unwrap_err();
        gate.open();
    });
    assert_eq!(has_entered.try_iter().count(), 4);
}

#[test]
fn in_the_child_the_gate_is_new_whoever_was_on_the_way_through_it() {
    let gate = gate();
    std::mem::forget(gate.enter());
    gate.renew();
    gate.close();
    gate.renew();
    drop(gate.enter());
}
