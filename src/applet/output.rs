//! What was asked for on stdout, however long it is: text, or an array of JSON objects.

use crate::json::Sink;
use crate::sys::memory::Setting;
use crate::sys::process::exit;
use crate::{diag, exit, limits};

/// Bytes on their way to stdout. They leave when there are many, and with [`Output::flush`].
#[derive(Default)]
pub(super) struct Output {
    bytes: heapless::Vec<u8, { limits::OUTPUT }>,
    /// Characters of the line so far, where they are UTF-8.
    pub(super) column: usize,
    /// Whether it only counts.
    pub(super) is_muted: bool,
}

/// What stands before the next object of the array; 0 where there is no array, but lines.
static SEPARATOR: Setting<u8> = Setting::new(0);

/// From here on the output is an array.
pub(super) fn begin_array() {
    SEPARATOR.set(b'[');
}

/// Whether the output is an array.
pub(super) fn is_array() -> bool {
    SEPARATOR.get() != 0
}

impl Output {
    /// Begins the next object, if it is one.
    pub(super) fn begin_object(&mut self) {
        self.add(&[SEPARATOR.get()]);
        SEPARATOR.set(b',');
    }

    /// Ends the array, if it is one, and the output.
    pub(super) fn end(&mut self) {
        if SEPARATOR.get() == b'[' {
            self.add(b"[");
        }
        if is_array() {
            self.add(b"]\n");
        }
        self.flush();
    }

    /// Writes what is there. Without a reader this process has nothing left to do.
    pub(super) fn flush(&mut self) {
        if !diag::print(&self.bytes) {
            exit(exit::FAILURE);
        }
        self.bytes.clear();
    }
}

impl Sink for Output {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.column += usize::from(byte & 0xc0 != 0x80);
            if !self.is_muted && self.bytes.push(*byte).is_err() {
                self.flush();
                // There is room now.
                let _ = self.bytes.push(*byte);
            }
        }
    }
}
