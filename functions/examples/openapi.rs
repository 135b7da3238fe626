//! Writes the description of the HTTP API to standard output, for `make openapi`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let document = containerlease_functions::openapi::document();
    std::io::stdout().write_all(document.as_bytes())
}
