//! Code bytes of a finished program, from its symbols.

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use super::subjects::FUNCTION;

/// What a program's file says of its code.
#[derive(Debug)]
pub(super) struct Code {
    /// The measured function alone.
    pub(super) function_bytes: u64,
    /// All code.
    pub(super) text_bytes: u64,
}

/// Reads an executable.
///
/// # Errors
///
/// Returns an error when it is none, or the function is not in it.
pub(super) fn read(bytes: &[u8]) -> Result<Code> {
    let file = object::File::parse(bytes).context("no executable that can be read")?;
    let text_bytes = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .map(|section| section.size())
        .sum();
    let function = file.symbols().find(|symbol| symbol.name() == Ok(FUNCTION));
    let function_bytes = function.map_or(0, |symbol| symbol.size());
    if function_bytes == 0 {
        bail!("no symbol {FUNCTION} with a size: it was inlined or stripped");
    }
    Ok(Code { function_bytes, text_bytes })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_is_no_program_or_lacks_the_function_is_refused() {
        assert!(read(b"no executable").unwrap_err().to_string().contains("no executable"));
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(read(&own).unwrap_err().to_string().contains("adopt_probe"));
    }
}
