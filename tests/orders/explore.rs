//! Visits every state that can be reached, breadth first. A state is kept as the way to it, and made again by going it.

use crate::rules;
use crate::scenes::Scene;
use crate::world::{Action, Memory, World};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

/// How many states of a scene are visited unless more are asked for.
pub(crate) const FEW: usize = 20_000;

/// A state: what led to it from an earlier one.
struct Visited {
    from: u32,
    by: Action,
    depth: u32,
}

/// The way that is being gone, for when it breaks a rule.
static WAY: Mutex<Vec<Action>> = Mutex::new(Vec::new());

/// Visits up to so many states: what was seen, or the shortest way to a broken rule.
pub(crate) fn explore(scene: &'static Scene, most: usize) -> Result<String, String> {
    catch_unwind(AssertUnwindSafe(|| visit(scene, most))).map_err(|why| {
        let why = why.downcast::<String>().map_or_else(|why| format!("{:?}", why.downcast::<&str>()), |why| *why);
        format!("{why}\n  after {:?}", WAY.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    })
}

fn visit(scene: &'static Scene, most: usize) -> String {
    let start = Instant::now();
    let mut memory = Box::new(Memory::EMPTY);
    let mut seen = HashSet::from([World::new(scene, &mut memory).key()]);
    let mut states: Vec<Visited> = Vec::new();
    let (mut next, mut transitions, mut way, mut actions) = (0, 0_u64, Vec::new(), Vec::new());
    let mut from = u32::MAX;
    loop {
        way_to(&states, from, &mut way);
        go(scene, &mut memory, &way).enabled(&mut actions);
        for action in &actions {
            transitions += 1;
            way.push(*action);
            if seen.len() < most && is_new(scene, &mut memory, &way, &mut seen) {
                let depth = u32::try_from(way.len()).expect("short");
                states.push(Visited { from, by: *action, depth });
            }
            way.pop();
        }
        if next == states.len() || seen.len() >= most {
            break;
        }
        from = u32::try_from(next).expect("below the limit");
        next += 1;
    }
    let depth = states.last().map_or(0, |last| last.depth);
    let is_all = if seen.len() < most { "all" } else { "the first" };
    let (count, seconds) = (seen.len(), start.elapsed().as_secs_f32());
    format!("{}: {is_all} {count} states, {transitions} steps, depth {depth}, {seconds:.1} s", scene.name)
}

/// Goes a way, checks where it leads, and that it ends well from there. Whether nobody was there before.
fn is_new(scene: &'static Scene, memory: &mut Memory, way: &[Action], seen: &mut HashSet<u64>) -> bool {
    let mut world = go(scene, memory, way);
    rules::check(&world);
    let is_new = seen.insert(world.key());
    if is_new {
        let mut way = way.to_vec();
        rules::finish(&mut world, &mut way);
    }
    is_new
}

fn go<'w>(scene: &'static Scene, memory: &'w mut Memory, way: &[Action]) -> World<'w> {
    way.clone_into(&mut WAY.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let mut world = World::new(scene, memory);
    way.iter().for_each(|action| world.act(*action));
    world
}

fn way_to(states: &[Visited], mut state: u32, way: &mut Vec<Action>) {
    way.clear();
    while let Some(visited) = states.get(state as usize) {
        way.push(visited.by);
        state = visited.from;
    }
    way.reverse();
}
