//! Call sites: recorded, weakened, frozen.
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::panic::Location;
use core::str::FromStr;
use core::sync::atomic::Ordering;
use std::io::Write;
use std::sync::OnceLock;

use super::execution::{self, Me};
use super::freeze;

/// Weakens one site: `file:line:column:slot=Ordering`.
const WEAKEN: &str = "QUARRY_LOOM_WEAKEN";
/// Names the file to which every site met is appended: `file:line:column:slot Ordering`.
const RECORD: &str = "QUARRY_LOOM_RECORD";

/// Which ordering of a call is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// A load.
    Load,
    /// A store.
    Store,
    /// A swap or another unconditional read-modify-write.
    Rmw,
    /// A compare-exchange that succeeds.
    CasOk,
    /// A compare-exchange that fails.
    CasErr,
    /// A fence.
    Fence,
}

impl Slot {
    const ALL: [Self; 6] =
        [Self::Load, Self::Store, Self::Rmw, Self::CasOk, Self::CasErr, Self::Fence];

    /// Returns the name used in the environment variables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Store => "store",
            Self::Rmw => "rmw",
            Self::CasOk => "cas-ok",
            Self::CasErr => "cas-err",
            Self::Fence => "fence",
        }
    }

    /// Says whether Rust accepts `order` here; a fence takes `Relaxed` for "no fence".
    const fn accepts(self, order: Ordering) -> bool {
        use Ordering::{Acquire, Relaxed, Release, SeqCst};
        match self {
            Self::Load | Self::CasErr => matches!(order, Relaxed | Acquire | SeqCst),
            Self::Store => matches!(order, Relaxed | Release | SeqCst),
            Self::Rmw | Self::CasOk | Self::Fence => true,
        }
    }
}

/// One ordering in the source: `file:line:column:slot`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// As the compiler was given it: relative to the workspace.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1; where the method's name stands.
    pub column: u32,
    /// Which ordering of the call.
    pub slot: Slot,
}

impl Site {
    fn of(location: &Location<'_>, slot: Slot) -> Self {
        Self {
            file: location.file().to_string(),
            line: location.line(),
            column: location.column(),
            slot,
        }
    }

    fn is(&self, location: &Location<'_>, slot: Slot) -> bool {
        self.line == location.line()
            && self.column == location.column()
            && self.slot == slot
            && self.file == location.file()
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.file, self.line, self.column, self.slot.name())
    }
}

/// A text is not `file:line:column:slot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseSiteError(String);

impl fmt::Display for ParseSiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a call site: expected file:line:column:slot with a slot of load, store, rmw, cas-ok, cas-err, fence",
            self.0
        )
    }
}

impl core::error::Error for ParseSiteError {}

impl FromStr for Site {
    type Err = ParseSiteError;
    fn from_str(text: &str) -> Result<Self, ParseSiteError> {
        let parse = || {
            let mut parts = text.rsplitn(4, ':');
            let slot = parts.next()?;
            let slot = Slot::ALL.into_iter().find(|known| known.name() == slot)?;
            let column = parts.next()?.parse().ok()?;
            let line = parts.next()?.parse().ok()?;
            Some(Self { file: parts.next()?.to_string(), line, column, slot })
        };
        parse().ok_or_else(|| ParseSiteError(text.to_string()))
    }
}

/// Returns the ordering's name in Rust.
pub(crate) const fn name(order: Ordering) -> &'static str {
    match order {
        Ordering::Relaxed => "Relaxed",
        Ordering::Acquire => "Acquire",
        Ordering::Release => "Release",
        Ordering::AcqRel => "AcqRel",
        _ => "SeqCst",
    }
}

fn parse_order(text: &str) -> Option<Ordering> {
    use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
    [Relaxed, Acquire, Release, AcqRel, SeqCst].into_iter().find(|order| name(*order) == text)
}

/// What [`WEAKEN`] asks for.
pub(crate) fn weakening() -> Option<&'static (Site, Ordering)> {
    static PARSED: OnceLock<Option<(Site, Ordering)>> = OnceLock::new();
    PARSED
        .get_or_init(|| {
            let text = std::env::var(WEAKEN).ok().filter(|text| !text.is_empty())?;
            let parsed = text.rsplit_once('=').and_then(|(site, order)| {
                let (site, order) = (site.parse::<Site>().ok()?, parse_order(order)?);
                site.slot.accepts(order).then_some((site, order))
            });
            Some(parsed.unwrap_or_else(|| {
                panic!("{WEAKEN}={text}: expected file:line:column:slot=Ordering, with an ordering that the slot accepts")
            }))
        })
        .as_ref()
}

fn record(site: &Site, order: &'static str) {
    static FILE: OnceLock<Option<String>> = OnceLock::new();
    let new = execution::run(|run| run.sites.insert((site.clone(), order)));
    if new
        && let Some(path) =
            FILE.get_or_init(|| std::env::var(RECORD).ok().filter(|path| !path.is_empty()))
    {
        // One write of one line: appends of several processes do not mix.
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(format!("{site} {order}\n").as_bytes()))
            .unwrap_or_else(|error| panic!("{RECORD}={path}: {error}"));
    }
}

/// Records the site and returns the ordering to use: the weakened one at the chosen site.
pub(crate) fn ordering(location: &Location<'_>, slot: Slot, order: Ordering) -> Ordering {
    record(&Site::of(location, slot), name(order));
    match weakening() {
        Some((site, weaker)) if site.is(location, slot) => {
            execution::run(|run| run.weakened += 1);
            *weaker
        }
        _ => order,
    }
}

/// Notes that another thread is at work meanwhile; freezes this one if the site is the chosen one and
/// it is the first to arrive.
pub(crate) fn arrive(location: &Location<'_>, slot: Slot) {
    if let Some(me) = Me::current()
        && execution::with(|execution| execution.threads.others_run(me.thread))
    {
        execution::run(|run| {
            // Without spurious failures: what a frozen run, which has none, will meet again.
            if run.fails.is_none() && !run.together.iter().any(|site| site.is(location, slot)) {
                run.together.insert(Site::of(location, slot));
            }
        });
    }
    let chosen = execution::run(|run| {
        run.freeze.as_ref().is_some_and(|site| {
            site.is(location, slot) || (slot == Slot::CasOk && site.is(location, Slot::CasErr))
        })
    });
    if chosen {
        freeze::freeze_first();
    }
}
