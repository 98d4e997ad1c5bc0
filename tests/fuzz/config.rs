//! The program's configuration, but for its file: what is said of one is kept as any other message.

pub(crate) use k8psh::config::*;

/// The file of a configuration.
pub(crate) mod file {
    use k8psh::text::line::Part;
    use k8psh::text::packed::Text;

    /// See [`k8psh::config::file::Loaded`].
    pub(crate) type Loaded<'f> = &'f File;

    /// See [`k8psh::config::file::File`].
    pub(crate) struct File;

    impl File {
        /// Tells of a place in it.
        #[allow(clippy::unused_self, reason = "the real one has a name to show")]
        pub(crate) fn tell(&self, _: usize, text: Text, parts: &[Part<'_>]) {
            crate::diag::report(text, parts);
        }
    }
}
