//! What a run leaves behind: `report.json`, `report.md`, `report.html` and the terminal's tables.

pub mod cross;
pub mod figures;
pub mod html;
pub mod markdown;
pub mod number;
pub mod opening;
pub mod schema;
pub mod summary;
pub mod svg;
pub mod terminal;
