//! Both ends of a session over a wire that delays, cuts and loses: the scenes of `tests/orders`, on long ways that are chosen
//! at random, with what is read of a connection cut anywhere. The rules are those of `tests/orders/rules.rs`.

use crate::choices::Choices;
use crate::rules;
use crate::scenes;
use crate::targets::signature;
use crate::world::{Action, Memory, World};
use std::sync::Mutex;

pub(crate) fn run(input: &[u8]) -> u64 {
    static MEMORY: Mutex<Memory> = Mutex::new(Memory::EMPTY);
    let mut memory = MEMORY.lock().expect("one at a time");
    let mut choices = Choices::of(input);
    let scene = &scenes::ALL[choices.below(scenes::ALL.len())];
    let mut world = World::new(scene, &mut memory);
    let mut actions = Vec::new();
    while !choices.is_empty() {
        world.enabled(&mut actions);
        if actions.is_empty() {
            break;
        }
        let action = match actions[choices.below(actions.len())] {
            Action::Receives(most) if most < usize::MAX => Action::Receives(1 + choices.below(most)),
            Action::StubReceives(most) if most < usize::MAX => Action::StubReceives(1 + choices.below(most)),
            action => action,
        };
        world.act(action);
        rules::check(&world);
    }
    let reached = world.key();
    rules::finish(&mut world, &mut Vec::new());
    signature(&(scene.name, reached % 64))
}
