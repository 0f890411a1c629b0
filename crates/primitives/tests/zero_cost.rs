//! Outside a model the facade costs nothing: the instructions of `examples/hot_paths.rs`, release
//! build, through the facade and without it. And a hit of `ThreadSlots` costs what DESIGN.md says.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(any(loom, shuttle))))]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

/// What a `ThreadSlots` hit may cost before the caller's first own instruction.
const SLOTS_HIT: usize = 6;

#[derive(Debug)]
struct Disassembly {
    /// Symbol to address: folded functions share one.
    addresses: BTreeMap<String, u64>,
    /// Address to instructions, jump targets relative to the function.
    functions: BTreeMap<u64, Vec<String>>,
}

fn run(command: &mut Command, install: &str) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("not run: {command:?} does not start ({error}); {install}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("tools speak UTF-8")
}

/// Builds the example in release and takes it apart, once.
fn disassembly() -> &'static Disassembly {
    static DONE: OnceLock<Disassembly> = OnceLock::new();
    DONE.get_or_init(|| {
        let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/zero-cost");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--package", "primitives", "--example", "hot_paths"]);
        cargo.args(["--target-dir", target]).current_dir(env!("CARGO_MANIFEST_DIR"));
        // The question is what the plain release build does, whatever this test is built with.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        run(&mut cargo, "cargo runs this test");
        let example = format!("{target}/release/examples/hot_paths");
        let objdump = |arguments: &[&str]| {
            run(
                Command::new("objdump").args(arguments).arg(&example),
                "install it with `apt-get install binutils`",
            )
        };
        let addresses = objdump(&["--syms"]).lines().filter_map(symbol).collect();
        let functions = functions(&objdump(&["--disassemble", "--no-show-raw-insn"]));
        Disassembly { addresses, functions }
    })
}

/// `0000000000014690 g     F .text  0000000000000033 core_claim`
fn symbol(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let name = words.next_back()?;
    line.contains(" F .text").then(|| (name.to_owned(), address))
}

fn functions(text: &str) -> BTreeMap<u64, Vec<String>> {
    let mut functions = BTreeMap::new();
    let mut current = 0;
    for line in text.lines() {
        if let Some((address, name)) = line.split_once(" <")
            && name.ends_with(">:")
            && let Ok(address) = u64::from_str_radix(address, 16)
        {
            current = address;
            functions.insert(current, Vec::new());
        } else if let Some((_, instruction)) = line.split_once(":\t")
            && let Some(function) = functions.get_mut(&current)
        {
            let instruction = normalised(instruction, current);
            if !matches!(instruction.as_str(), "int3" | "nop") && !instruction.starts_with("nop") {
                function.push(instruction);
            }
        }
    }
    functions
}

/// `je     146d8 <core_claim+0x28>` → `je +0x28`
fn normalised(instruction: &str, function: u64) -> String {
    let words: Vec<_> = instruction.split_whitespace().collect();
    match words[..] {
        [jump, target, _] if jump.starts_with('j') => {
            let target = u64::from_str_radix(target, 16).expect("a jump has a target");
            format!("{jump} {:+#x}", target.wrapping_sub(function).cast_signed())
        }
        _ => words.join(" "),
    }
}

impl Disassembly {
    #[track_caller]
    fn of(&self, name: &str) -> (u64, &[String]) {
        let address = self.addresses.get(name).unwrap_or_else(|| panic!("no function {name}"));
        (*address, &self.functions[address])
    }
}

#[test]
fn facade_compiles_to_the_instructions_of_core() {
    let parts = disassembly();
    for path in ["claim", "cell"] {
        // The linker may have folded the two into one, which proves the same.
        let (facade, ours) = parts.of(&format!("facade_{path}"));
        let (core, theirs) = parts.of(&format!("core_{path}"));
        assert!(ours.len() >= 4, "{path} is too short to compare: {ours:?}");
        assert!(facade == core || ours == theirs, "{path} differs:\n{ours:#?}\n{theirs:#?}");
    }
    // The comparison can fail.
    assert_ne!(parts.of("facade_claim").1, parts.of("facade_cell").1);
}

#[test]
fn thread_slots_hit_stays_short() {
    let (_, hit) = disassembly().of("slots_hit");
    // Without the frame that the call in the slow path needs.
    let hit: Vec<_> = hit.iter().filter(|instruction| !instruction.starts_with("push")).collect();
    let branch = hit.iter().position(|instruction| instruction.starts_with('j'));
    let branch = branch.expect("the id is compared and branched on");
    assert!(hit[branch].starts_with("je ") || hit[branch].starts_with("jne "), "{hit:#?}");
    assert!(branch < SLOTS_HIT, "a hit takes {} instructions:\n{hit:#?}", branch + 1);
    // The value is at a constant offset of the slot that the cache gave: nothing in between.
    let used = hit.iter().any(|instruction| instruction.starts_with("incq 0x"));
    assert!(used, "the value is not reached at once:\n{hit:#?}");
    let branches = hit.iter().filter(|instruction| instruction.starts_with('j')).count();
    assert_eq!(branches, 1, "one compare, one branch:\n{hit:#?}");
}
