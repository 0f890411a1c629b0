//! The recorder as the global allocator of a program, and the executable that records ours.

use benches::{
    input::traces,
    trace::{Kind, Recorder, Recording, Trace, script::Script, summary::Summary},
};
use std::{
    alloc::System,
    env,
    fs::{self, File},
    process::Command,
};

#[global_allocator]
static ALLOC: Recorder<System> = Recorder::new(System);

#[test]
fn a_program_s_allocations_are_in_the_file() {
    let path = env::temp_dir().join(format!("recorder-test-{}.trace", std::process::id()));
    let recording = Recording::start(File::create(&path).unwrap()).unwrap();
    let mut list = Vec::with_capacity(1);
    (0..1000_u64).for_each(|item| list.push(item));
    let boxes: Vec<Box<[u8; 33]>> = (0..20).map(|byte| Box::new([byte; 33])).collect();
    drop(boxes);
    drop(list);
    recording.stop().unwrap();
    let trace = Trace::read(File::open(&path).unwrap()).unwrap();
    fs::remove_file(&path).unwrap();

    let sizes = |kind: fn(&Kind) -> bool, size| {
        trace.events.iter().filter(|event| kind(&event.kind) && event.size == size).count()
    };
    assert!(sizes(|kind| matches!(kind, Kind::Alloc { .. }), 33) >= 20);
    assert!(sizes(|kind| *kind == Kind::Free, 33) >= 20);
    assert!(sizes(|kind| matches!(kind, Kind::Realloc { .. }), 8192) >= 1);
    assert!(Summary::of(&trace).bulk_frees >= 20);
}

#[test]
fn our_programs_can_be_recorded_and_replayed() {
    for program in traces::PROGRAMS {
        let path = env::temp_dir().join(format!("{program}-{}.trace", std::process::id()));
        let mut recorder = Command::new(env!("CARGO_BIN_EXE_trace"));
        let output = recorder.arg(program).arg("--output").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("ns an event"), "{text}");
        let trace = Trace::read(File::open(&path).unwrap()).unwrap();
        fs::remove_file(&path).unwrap();
        let summary = Summary::of(&trace);
        assert!(summary.allocs > 1000, "{summary}");
        assert_eq!((summary.never_freed(), summary.failed, trace.older), (0, 0, 0), "{summary}");
        let script = Script::of(&trace).unwrap();
        assert_eq!(script.calls(), summary.events);
        assert_eq!(script.peak_live_bytes as u64, summary.peak_live_bytes);
    }
}
