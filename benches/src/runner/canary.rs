//! Engines that misbehave on purpose, and the choice between them and the real scenarios.
//!
//! The runner promises that a wrong answer, a panic, an abort or a hang is an error row of that
//! engine and costs no other engine its figure. These cases make each happen; the hidden flag
//! `--canaries` runs them in place of the scenarios.

use crate::case::{Case, Engine, EngineSpec, Input, Model, Role};
use crate::runner::job::Catalogue;
use crate::{scenarios, threads};

/// Returns the cases of a catalogue.
#[must_use]
pub fn catalogue(which: Catalogue) -> Vec<Case> {
    match which {
        Catalogue::Scenarios => scenarios::all(),
        Catalogue::Canaries => canaries(),
    }
}

const OPS: u64 = 1_000;

/// Adds numbers, each `cost` times; `at_end` then says what becomes of the sum.
struct Adder {
    cost: u64,
    runs: u64,
    at_end: fn(runs: u64, sum: u64) -> u64,
}

impl Engine for Adder {
    fn run(&mut self, rounds: u64) -> u64 {
        let mut sum = 0;
        for _ in 0..rounds {
            sum = 0;
            for i in 0..OPS {
                for _ in 0..self.cost {
                    core::hint::black_box(i);
                }
                sum += core::hint::black_box(i);
            }
        }
        self.runs += 1;
        (self.at_end)(self.runs, sum)
    }

    fn ops_per_round(&self) -> u64 {
        OPS
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("bytes_left", 0.0)]
    }

    fn run_timed(&mut self, out: &mut Vec<u64>) -> bool {
        out.extend((0..20_000).map(|i| self.cost * 10 + u64::from(i % 1_000 == 0) * 150_000));
        true
    }
}

fn adder(cost: u64, at_end: fn(u64, u64) -> u64) -> Box<dyn Engine> {
    Box::new(Adder { cost, runs: 0, at_end })
}

/// Adds, and allocates twice a round.
struct Boxing(Adder);

impl Engine for Boxing {
    fn run(&mut self, rounds: u64) -> u64 {
        for _ in 0..2 * rounds {
            drop(core::hint::black_box(Box::new(0_u64)));
        }
        self.0.run(rounds)
    }

    fn ops_per_round(&self) -> u64 {
        OPS
    }
}

/// Two pinned threads that add.
struct Pair;

impl Engine for Pair {
    fn run(&mut self, rounds: u64) -> u64 {
        let half = |index| {
            move || {
                threads::pin(index);
                adder(4, |_, sum| sum).run(rounds)
            }
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(half(1));
            let mine = scope.spawn(half(0));
            match (mine.join(), other.join()) {
                (Ok(sum), Ok(same)) if sum == same => sum,
                _ => 0,
            }
        })
    }

    fn ops_per_round(&self) -> u64 {
        2 * OPS
    }
}

fn spec(name: &'static str, role: Role, build: fn() -> Box<dyn Engine>) -> EngineSpec {
    EngineSpec {
        name,
        config: "default",
        version: "0",
        why: "",
        role,
        primary: role == Role::Ours,
        reference: name == "plain",
        build,
        counted: None,
    }
}

fn case(id: &'static str, threads: usize, model: Model, engines: Vec<EngineSpec>) -> Case {
    Case {
        id,
        krate: "canary",
        what: "Adds the numbers below 1,000; some of the engines misbehave.",
        model,
        unit: "addition",
        input: || Input { kind: "synthetic", bytes: 8 * OPS, count: OPS },
        working_set_bytes: 8 * OPS,
        threads,
        engines,
    }
}

pub(crate) fn canaries() -> Vec<Case> {
    let ours = || spec("ours", Role::Ours, || adder(4, |_, sum| sum));
    let plain = || spec("plain", Role::Control, || adder(6, |_, sum| sum));
    // Where a test asks who is faster, it is by a hundred times: no turn that the scheduler takes out of
    // a sample makes up for that.
    vec![
        case(
            "canary/misbehave/every-way",
            1,
            Model::Latency,
            vec![
                plain(),
                spec("ours", Role::Ours, || adder(100, |_, sum| sum)),
                spec("null", Role::Null, || adder(0, |_, _| 0)),
                EngineSpec {
                    counted: Some(|| {
                        Box::new(Boxing(Adder { cost: 1, runs: 0, at_end: |_, sum| sum }))
                    }),
                    ..spec("slower", Role::Peer, || adder(10_000, |_, sum| sum))
                },
                EngineSpec {
                    counted: Some(|| adder(1, |_, _| std::process::abort())),
                    ..spec("dies-counted", Role::Peer, || adder(4, |_, sum| sum))
                },
                spec("faster", Role::Peer, || adder(0, |_, sum| sum)),
                spec("wrong", Role::Peer, || adder(4, |_, sum| sum + 1)),
                spec("drifts", Role::Peer, || adder(4, |runs, sum| sum + runs / 3)),
                spec("panics", Role::Peer, || {
                    adder(
                        4,
                        |runs, sum| if runs < 3 { sum } else { panic!("run {runs} of canary") },
                    )
                }),
                spec("panics-built", Role::Peer, || panic!("cannot be built")),
                spec("aborts", Role::Peer, || {
                    adder(4, |runs, sum| if runs < 5 { sum } else { std::process::abort() })
                }),
            ],
        ),
        case(
            "canary/threads/two",
            2,
            Model::Throughput,
            vec![
                spec("plain", Role::Control, || Box::new(Pair)),
                spec("ours", Role::Ours, || Box::new(Pair)),
            ],
        ),
        case("canary/tail/spikes", 1, Model::Tail, vec![plain(), ours()]),
        case(
            "canary/harness/bound",
            1,
            Model::Latency,
            vec![
                plain(),
                spec("ours", Role::Ours, || adder(0, |_, sum| sum)),
                spec("null", Role::Null, || adder(100, |_, _| 0)),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every engine that works returns.
    const SUM: u64 = OPS * (OPS - 1) / 2;

    #[test]
    fn adders_agree_and_every_case_is_well_formed() {
        assert_eq!(adder(3, |_, sum| sum).run(5), SUM);
        assert_eq!(Pair.run(2), SUM);
        for case in canaries() {
            assert_eq!(case.faults(), Vec::<String>::new());
        }
    }
}
