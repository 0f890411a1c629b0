//! One target, as the files state it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::case::{EngineSpec, Role};

/// A number to reach.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name.
    pub id: String,
    /// The case that measures it.
    pub case: String,
    /// `NAME`: that engine's best configuration; `NAME/CONFIG`: one of them; `best`: the best
    /// configuration of any peer. Without it the figure is our own.
    pub against: Option<String>,
    /// `time`, `instructions`, `allocs` …
    pub metric: String,
    /// The lower end of the ratio's interval reaches this.
    pub at_least: Option<f64>,
    /// The upper end of our own figure stays within this.
    pub at_most: Option<f64>,
    /// `cores >= N`: elsewhere the target does not apply.
    pub only_where: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    target: Vec<Target>,
}

/// Reads a file of targets.
///
/// # Errors
///
/// Returns an error that names the target and the field.
pub fn parse(text: &str) -> Result<Vec<Target>> {
    let file: File = toml::from_str(text)?;
    for target in &file.target {
        target.validate().with_context(|| format!("target {:?}", target.id))?;
    }
    Ok(file.target)
}

impl Target {
    fn validate(&self) -> Result<()> {
        match (self.at_least, self.at_most, &self.against) {
            (Some(_), None, Some(_)) | (None, Some(_), None) => {}
            _ => bail!("needs `against` and `at_least`, or `at_most` alone"),
        }
        self.needed_cores()?;
        Ok(())
    }

    /// Returns the CPUs it needs.
    ///
    /// # Errors
    ///
    /// Returns an error for a condition other than `cores >= N`.
    pub fn needed_cores(&self) -> Result<usize> {
        let Some(condition) = &self.only_where else { return Ok(1) };
        let count = condition.strip_prefix("cores >=").map(str::trim);
        count.and_then(|n| n.parse().ok()).with_context(|| {
            format!("only_where = {condition:?}: the one condition known is \"cores >= N\"")
        })
    }

    /// Says whether the target compares with this engine.
    #[must_use]
    pub fn speaks_of(&self, engine: &EngineSpec) -> bool {
        match self.against.as_deref() {
            None => false,
            Some("best") => engine.role == Role::Peer,
            Some(against) => {
                let (name, config) = against.split_once('/').unwrap_or((against, engine.config));
                engine.name == name && engine.config == config
            }
        }
    }

    /// Returns the crate whose target it is, by the first part of the case's id.
    #[must_use]
    pub fn krate(&self) -> String {
        match self.case.split('/').next().unwrap_or("") {
            group @ ("linear" | "stack" | "arena" | "slab") => format!("alloc-{group}"),
            // The figures the project was born from are due with the last allocator.
            "origin" => "alloc-slab".to_owned(),
            group => group.to_owned(),
        }
    }

    /// Says what is required: `time against bumpalo >= 1.4`.
    #[must_use]
    pub fn requirement(&self) -> String {
        match (&self.against, self.at_least, self.at_most) {
            (Some(against), Some(bound), _) => {
                format!("{} against {against} >= {bound}", self.metric)
            }
            (_, _, Some(bound)) => format!("our {} <= {bound}", self.metric),
            _ => self.metric.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_targets_are_named() {
        let with = |rest: &str| {
            let text =
                format!("[[target]]\nid = \"x\"\ncase = \"linear/a/b\"\nmetric = \"time\"\n{rest}");
            parse(&text).map_err(|e| format!("{e:#}"))
        };
        assert!(with("at_most = 1\n").is_ok());
        assert!(with("against = \"best\"\nat_least = 1.5\nonly_where = \"cores >= 2\"\n").is_ok());
        assert!(with("at_least = 1.5\n").unwrap_err().contains("target \"x\""));
        assert!(with("against = \"best\"\nat_most = 2\n").is_err());
        assert!(
            with("at_most = 1\nonly_where = \"moon full\"\n").unwrap_err().contains("moon full")
        );
        assert!(with("at_most = 1\nat_mots = 1\n").unwrap_err().contains("at_mots"));
    }

    #[test]
    fn groups_belong_to_crates() {
        let of = |case: &str| {
            let text =
                format!("[[target]]\nid=\"x\"\ncase=\"{case}\"\nmetric=\"time\"\nat_most=1\n");
            parse(&text).unwrap()[0].krate()
        };
        assert_eq!(of("linear/a/b"), "alloc-linear");
        assert_eq!(of("slab/a/b"), "alloc-slab");
        assert_eq!(of("origin/a/b"), "alloc-slab");
        assert_eq!(of("lockfree/a/b"), "lockfree");
    }
}
