//! Programs on real input: what does an arena gain where a program does more than allocate?
//!
//! ```text
//!   arena/ast/registry       the registry's sources, parsed file by file        ast
//!   arena/json-dom/metadata  what `cargo metadata` says, read into a tree       programs/json
//!   arena/requests/metadata  the same, each package in an arena of its own      programs/json/requests
//! ```

mod ast;

use super::programs::json;
use crate::case::Case;
use crate::engines::arena;

/// The cases of this file.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![ast::case(), json_dom(), json::requests::case()]
}

fn json_dom() -> Case {
    let ours = vec![
        json::region::<arena::New<1>>(),
        json::region::<arena::New<8>>().primary(),
        json::region::<arena::Lean>(),
    ];
    json::case("arena/json-dom/metadata", "alloc-arena", ours)
}
