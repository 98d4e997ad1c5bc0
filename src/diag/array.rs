//! The array of JSON objects that stdout may be instead of text.

use crate::sys::statics::Global;
use crate::text::line::{Line, Part};

/// What the next object of the array begins with; nothing where there is no array, but lines.
static BEGIN: Global<&[u8]> = Global::new(b"");

/// From here on the output is an array, or lines.
pub fn begin(is_array: bool) {
    if is_array {
        BEGIN.set(b"[{");
    }
}

/// Whether the output is an array.
pub fn is_array() -> bool {
    !BEGIN.get().is_empty()
}

/// The beginning of the next object.
pub fn object() -> Part<'static> {
    let begin = next();
    has_object();
    begin
}

/// The beginning of what may become the next object.
pub fn next() -> Part<'static> {
    Part::Words(BEGIN.get())
}

/// What has begun so is an object of the array, if there is one.
pub fn has_object() {
    if is_array() {
        BEGIN.set(b",{");
    }
}

/// Ends the array, if it is one, and the output.
pub fn end(out: &mut Line) {
    out.add(match BEGIN.get() {
        b"" => b"",
        b"[{" => b"[]\n",
        _ => b"]\n",
    });
    out.flush();
}
